"""Other versions than the ones that a line allows: where to look for them, and how to write them down."""

from __future__ import annotations

from collections.abc import Iterator

from packaging.specifiers import Specifier, SpecifierSet
from packaging.version import Version

ANYWHERE = 3
"""The distance of a range that is open on its far side."""

_BELOW = {">=": "<", ">": "<=", "==": "<", "~=": "<"}
"""What asks for the versions that a lower bound excludes."""

_CHANGED = {"<": "<=", "<=": "<=", ">": ">=", ">=": ">=", "==": "==", "~=": "~=", "===": "==="}
"""What becomes of an operator whose specifier is to admit a version that it does not."""


def windows(specifier: str) -> Iterator[tuple[int, str]]:
    """Ranges beside the one that is allowed, each with its distance.

    A resolver takes the newest of a range, so that downwards one range is enough; upwards the next minor releases are
    looked at before the next majors. On a side without a bound there is nothing else.
    """
    above = [bound for one in SpecifierSet(specifier) if (bound := _above(one))]
    if above:
        operator, version = min(above, key=lambda bound: bound[1])
        for distance, end in enumerate((_later(version, 2, 1), _later(version, 2, 3), _later(version, 1, 1))):
            yield distance, f"{operator}{version},<{end}"
        yield ANYWHERE, f"{operator}{version}"
    below = [(_BELOW[one.operator], _bare(one)) for one in SpecifierSet(specifier) if one.operator in _BELOW]
    if below:
        operator, version = max(below, key=lambda bound: bound[1])
        yield 1, f"{operator}{version}"


def _above(specifier: Specifier) -> tuple[str, Version] | None:
    """The first versions that an upper bound excludes, as operator and version."""
    version = _bare(specifier)
    match specifier.operator:
        case "<":
            return ">=", version
        case "==" if specifier.version.endswith(".*"):
            return ">=", _later(version, len(version.release), 1)
        case "<=" | "==":
            return ">", version
        case "~=":
            return ">=", _later(version, len(version.release) - 1, 1)
        case _:
            return None


def _bare(specifier: Specifier) -> Version:
    """The version of a specifier, without a local part: only `==` may have one."""
    return Version(Version(specifier.version.removesuffix(".*")).public)


def _later(version: Version, parts: int, steps: int) -> Version:
    """The version cut to some parts, with the last one raised."""
    release = (*version.release, 0, 0, 0)[:parts]
    raised = ".".join(map(str, (*release[:-1], release[-1] + steps)))
    return Version(f"{version.epoch}!{raised}")


def admitting(specifier: str, version: Version) -> str:
    """The specifier with as little changed as lets a version in; what excludes only that version is dropped."""
    kept = [str(one) for one in SpecifierSet(specifier) if one.contains(version, prereleases=True)]
    changed = [_moved(one, version) for one in SpecifierSet(specifier) if not one.contains(version, prereleases=True)]
    return ",".join(sorted(dict.fromkeys(filter(None, (*kept, *changed)))))


def _moved(specifier: Specifier, version: Version) -> str:
    operator = _CHANGED.get(specifier.operator, "")
    parts = len(_bare(specifier).release)
    if specifier.version.endswith(".*"):
        return f"=={_cut(version, parts)}.*" if operator else ""
    if operator == "~=":
        return f"~={_cut(version, parts)}"
    return f"{operator}{version}" if operator else ""


def _cut(version: Version, parts: int) -> str:
    epoch = f"{version.epoch}!" if version.epoch else ""
    return epoch + ".".join(str(part) for part in (*version.release, *(0,) * parts)[:parts])
