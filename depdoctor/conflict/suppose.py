"""Requirements as they might be: a change, and what a project would then declare."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName, canonicalize_name

from depdoctor.model.graph import without_marker
from depdoctor.model.lock import Lock
from depdoctor.model.noun import dataclass
from depdoctor.model.project import DeclaredRequirement, Location, Manifest
from depdoctor.model.reading import Reading

SUPPOSED = Location(path="(what if)")
"""Where a requirement stands that no file has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is to be required of a package instead of what is; None to require it no more."""

    name: NormalizedName
    requirement: Requirement | None

    def __str__(self) -> str:
        return f"-{self.name}" if self.requirement is None else str(self.requirement)


def change(text: str) -> Change:
    """Read a change as it is typed: "transformers>=5", "transformers" for any version, "-transformers" for none.

    Raises `ValueError` for what is neither.
    """
    dropped = text.startswith("-")
    try:
        requirement = Requirement(text.removeprefix("-"))
    except InvalidRequirement as error:
        raise ValueError(f"`{text}` is no requirement: {str(error).splitlines()[0]}") from None
    if requirement.url:
        raise ValueError(f"`{text}` comes from no index")
    return Change(name=canonicalize_name(requirement.name), requirement=None if dropped else requirement)


def names_it(reading: Reading, name: NormalizedName) -> bool:
    """Whether a line of a project requires a package."""
    return any(line.name == name for manifest in reading.manifests for line in manifest.requirements)


def supposed(reading: Reading, changes: Iterable[Change], *, adding: bool) -> Reading:
    """The project with its lines changed, and without its lockfiles, which are of what it declares now.

    Where no line names a package, it is required if `adding`; otherwise whoever else brings it is held to the change.
    """
    reading = replace(reading, manifests=tuple(replace(manifest, packages=()) for manifest in reading.manifests))
    for one in changes:
        named = names_it(reading, one.name)
        manifests = [_changed(manifest, one) for manifest in reading.manifests]
        if not named and one.requirement is not None:
            line = _line(one.requirement)
            added = Manifest(path=SUPPOSED.path, format="requirements.txt")
            added = replace(added, requirements=(line,)) if adding else replace(added, constraints=(_bare(line),))
            manifests.append(added)
        reading = replace(reading, manifests=tuple(manifests))
    return reading


def kept(reading: Reading, lock: Lock, names: Collection[NormalizedName]) -> Reading:
    """The project with these packages held to the versions that a lock has."""
    pins = (pin for pin in lock.pins if pin.name in names and not pin.source)
    lines = tuple(_line(Requirement(f"{pin.name}=={pin.version}")) for pin in pins)
    held = Manifest(path=SUPPOSED.path, format="requirements.txt", constraints=lines)
    return replace(reading, manifests=(*reading.manifests, held))


def _changed(manifest: Manifest, change: Change) -> Manifest:
    return replace(
        manifest,
        requirements=tuple(_lines(manifest.requirements, change)),
        constraints=tuple(_lines(manifest.constraints, change)),
    )


def _lines(lines: Iterable[DeclaredRequirement], change: Change) -> Iterator[DeclaredRequirement]:
    for line in lines:
        if line.name != change.name:
            yield line
        elif change.requirement is not None:
            old, new = line.requirement, change.requirement
            extras = ",".join(sorted(new.extras or old.extras))
            marker = new.marker or old.marker
            text = f"{old.name}{f'[{extras}]' if extras else ''}{new.specifier}{f'; {marker}' if marker else ''}"
            requirement = Requirement(text)
            yield replace(line, requirement=requirement, text=without_marker(requirement), hashes=())


def _line(requirement: Requirement) -> DeclaredRequirement:
    return DeclaredRequirement(requirement=requirement, location=SUPPOSED, text=str(requirement))


def _bare(line: DeclaredRequirement) -> DeclaredRequirement:
    """The line as a constraint, which has no extras."""
    requirement = Requirement(f"{line.requirement.name}{line.requirement.specifier}")
    return replace(line, requirement=requirement, text=str(requirement))
