"""What parameters take, and where they fit."""

from __future__ import annotations

from depdoctor.model.memory import need
from depdoctor.model.project import Weights
from depdoctor.model.target import Platform, Target


def weights(path: str, parameters: int | None, sha256: str = "") -> Weights:
    return Weights(path=path, format="safetensors", size_bytes=1, parameters=parameters, sha256=sha256)


def target(name: str, memory: int | None) -> Target:
    return Target(name=name, platform=Platform(), gpu_memory_bytes=memory)


def test_parameters_are_counted_once() -> None:
    found = need("a", [weights("x", 1000, "1"), weights("y", 1000, "1"), weights("z", 500), weights("w", None)], [])
    assert found
    assert (found.parameters, found.needed) == (1500, (("float32", 6000), ("float16", 3000), ("int8", 1500)))
    assert found.fits == ()


def test_widest_type_that_fits_each_target() -> None:
    targets = [target("big", 4000), target("small", 2000), target("tiny", 999), target("unsaid", None)]
    found = need("a", [weights("x", 1000)], targets)
    assert found
    assert found.fits == (("big", 4000, "float32"), ("small", 2000, "float16"), ("tiny", 999, ""))


def test_no_header_no_claim() -> None:
    assert need("a", [weights("x", None)], [target("big", 4000)]) is None
    assert need("a", [], []) is None
