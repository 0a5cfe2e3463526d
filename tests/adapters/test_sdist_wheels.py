"""Source distributions are built to wheels once, by uv, and refused where the image is another system."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from sdists import a_sdist

from depdoctor.adapters.sdist_wheels import SdistWheels, this_machine
from depdoctor.adapters.store import BlobStore
from depdoctor.errors import BuildError
from depdoctor.model.distribution import DistributionFile, Pin
from depdoctor.model.seams import NoProgress
from depdoctor.model.target import Environment, Platform

HERE = "{}.{}".format(*sys.version_info)


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "store")


def made(store: BlobStore, pin: Pin, path: Path, environment: Environment) -> DistributionFile:
    return SdistWheels(store, offline=True).wheel(pin, path, environment, NoProgress())


PURE = Environment(python=HERE, platform=Platform(machine="aarch64", libc_version=(2, 17)))


def test_a_pure_wheel_is_built_once_for_any_machine(store: BlobStore, tmp_path: Path) -> None:
    pin, path = a_sdist(tmp_path)
    wheel = made(store, pin, path, PURE)
    assert wheel.filename == "demo-1.0-py3-none-any.whl"
    assert store.path(f"sha256:{wheel.sha256}").stat().st_size == wheel.size_bytes
    assert made(store, pin, path, PURE) == wheel
    assert (tmp_path / "count").read_text() == "built\n"
    store.path(f"sha256:{wheel.sha256}").unlink()
    made(store, pin, path, PURE)
    assert (tmp_path / "count").read_text() == "built\n" * 2


def test_what_is_compiled_serves_this_system_alone(store: BlobStore, tmp_path: Path) -> None:
    here = this_machine()
    tag = f"cp{HERE.replace('.', '')}-cp{HERE.replace('.', '')}-linux_{here.machine}"
    pin, path = a_sdist(tmp_path, tag)
    assert made(store, pin, path, Environment(python=HERE, platform=here)).filename == f"demo-1.0-{tag}.whl"
    older = replace(here, libc_version=(here.libc_version[0], here.libc_version[1] - 1))
    for other in (replace(here, machine="riscv64"), replace(here, libc="musl", libc_version=(1, 1)), older):
        if other.libc == here.libc == "musl":
            continue
        with pytest.raises(BuildError, match=rf"is compiled, on {here}, and the image is for {other}") as caught:
            made(store, pin, path, Environment(python=HERE, platform=other))
        assert "--builder docker" in caught.value.hint


@pytest.mark.parametrize(
    ("backend", "said"),
    [("raise SystemExit('no compiler here')\n", "no compiler here"), ("def build_wheel(*_): pass\n", "demo==1.0")],
)
def test_a_build_that_fails_is_told(backend: str, said: str, store: BlobStore, tmp_path: Path) -> None:
    pin, path = a_sdist(tmp_path, backend=backend)
    with pytest.raises(BuildError, match="cannot be built to a wheel") as caught:
        made(store, pin, path, PURE)
    assert said in str(caught.value)
    assert "--builder docker" in caught.value.hint
