"""Wheels of one lock that install the same files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import combinations

from depdoctor.model.distribution import Pin, WheelFacts
from depdoctor.model.lock import Overlap, Unknown

CODE = (".py", ".so", ".pyd", ".dll")

COMMONPLACE = frozenset(
    {
        *("tests", "test", "testing", "docs", "doc", "examples", "example", "benchmarks", "scripts", "tools"),
        *(
            "build_tools",
            "setup.py",
            "conftest.py",
            "noxfile.py",
            "versioneer.py",
            "build_backend.py",
            "hatch_build.py",
        ),
    }
)
"""Top-level folders and files that wheels carry along by mistake, and nobody imports."""


def overlaps(pins: Sequence[Pin], facts: Mapping[str, WheelFacts | Unknown]) -> tuple[Overlap, ...]:
    """Every two wheels that install the same files of code with different content, by name.

    What both bring byte for byte, as mlflow and mlflow-skinny do, is the same whichever comes last. Packages of a
    namespace share its `__init__`.
    """
    owners: dict[str, list[tuple[Pin, WheelFacts]]] = defaultdict(list)
    for pin in pins:
        found = facts.get(pin.file.sha256) if pin.file else None
        if isinstance(found, WheelFacts):
            for top in _tops(found.paths):
                owners[top].append((pin, found))
    shared: dict[tuple[Pin, Pin], frozenset[str]] = {}
    for found_there in owners.values():
        for (one, mine), (other, theirs) in combinations(found_there, 2):
            if (one, other) not in shared and (common := _differing(mine, theirs)):
                shared[one, other] = common
    return tuple(
        sorted(
            Overlap(packages=tuple(sorted((one.name, other.name))), files=len(common), example=min(common))
            for (one, other), common in shared.items()
        )
    )


def _differing(one: WheelFacts, other: WheelFacts) -> frozenset[str]:
    common = _code(one.paths) & _code(other.paths)
    if not common or not one.checksums or not other.checksums:
        return common
    mine, theirs = (dict(zip(facts.paths, facts.checksums, strict=True)) for facts in (one, other))
    return frozenset(path for path in common if mine[path] != theirs[path])


@lru_cache(maxsize=4096)
def _tops(paths: tuple[str, ...]) -> frozenset[str]:
    return frozenset(path.partition("/")[0] for path in _code(paths))


@lru_cache(maxsize=4096)
def _code(paths: tuple[str, ...]) -> frozenset[str]:
    return frozenset(
        path
        for path in paths
        if (path.endswith(CODE) or ".so." in path)
        and not path.endswith("/__init__.py")
        and path.partition("/")[0] not in COMMONPLACE
        and ".dist-info/" not in path
        and ".data/" not in path
    )
