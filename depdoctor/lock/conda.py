"""What conda installs before pip, which pip leaves alone where it will do, and which no image has."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from depdoctor.lock.declared import Declared
from depdoctor.model.lock import Lock
from depdoctor.model.project import in_groups
from depdoctor.model.reading import Reading

_EVERYWHERE = frozenset({"python", "pip", "setuptools", "wheel", "uv"})
"""What images have, or have no use for."""

_NAMED = 6
"""Packages that are told by name before the rest is counted."""


def lacking(reading: Reading, groups: Sequence[str], brought: Container[str]) -> Iterator[str]:
    """What only conda would install, of each manifest: place and names. `brought` are the packages of a lock."""
    for manifest in reading.manifests:
        found = [
            one
            for one in manifest.conda
            if in_groups(one.group, groups)
            and not one.name.startswith("__")
            and one.name not in _EVERYWHERE
            and canonicalize_name(one.name) not in brought
        ]
        if found:
            names = list(dict.fromkeys(one.name for one in found))
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            yield (
                f"{found[0].location}: {', '.join(names[:_NAMED])}{more} would come from conda, which images have "
                "nothing of: ask for what is on an index under `pip:` or in a requirements file"
            )


def held_by(reading: Reading, wanted: Declared, groups: Sequence[str]) -> tuple[str, ...]:
    """The versions that conda is asked for, as constraints on what the requirements bring with them.

    A package that the requirements name themselves is put over conda's. Names that only conda knows hold nothing.
    """
    named = {canonicalize_name(Requirement(text).name) for text in wanted.requirements}
    held = {
        str(Requirement(f"{canonicalize_name(one.name)}{one.specifier}"))
        for manifest in reading.manifests
        for one in manifest.conda
        if one.specifier and in_groups(one.group, groups) and canonicalize_name(one.name) not in named
    }
    return tuple(sorted(held)) if named else ()


def kept_by(lock: Lock, held: str) -> bool:
    """Whether a lock keeps to such a constraint, or has nothing of that name."""
    constraint = Requirement(held)
    pin = lock.by_name.get(canonicalize_name(constraint.name))
    return pin is None or constraint.specifier.contains(pin.version, prereleases=True)
