"""What becomes of the lines of a requirements file that stands: requirements are pinned, everything else stays."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence

from packaging.utils import NormalizedName

from depdoctor.model.graph import holds, without_marker
from depdoctor.model.installed import InstalledEnvironment
from depdoctor.model.migration import CONSTRAINTS, MANIFEST, Need
from depdoctor.model.project import DeclaredRequirement, Manifest
from depdoctor.model.reading import Reading
from depdoctor.model.target import Environment

MOST_NAMED = 5
"""Packages that a remark names."""


def manifest_of(reading: Reading) -> Manifest | None:
    """The requirements file in a project's own folder, None where it has none."""
    path = posixpath.normpath(posixpath.join(reading.project.root, MANIFEST))
    return next((one for one in reading.manifests if one.path == path), None)


def is_compiled(standing: Manifest) -> bool:
    """Whether a requirements file is what a tool made from another file, whose lines are then the project's own."""
    return bool(standing.packages) and not standing.requirements


def holds_installed(standing: Manifest, wanted: Sequence[Need], installed: InstalledEnvironment) -> bool:
    """Whether a compiled requirements file locks what is installed, and all that is wanted."""
    versions = {one.name: one.version for one in installed.distributions}
    locked = {one.name: one.version for one in standing.packages}
    return all(versions.get(name, version) == version for name, version in locked.items()) and all(
        need.name in locked for need in wanted
    )


def overruled(reading: Reading, wanted: Sequence[Need], installed: InstalledEnvironment) -> Iterator[str]:
    """Remarks on lockfiles, which plans take as they are: what they have otherwise than it is installed."""
    versions = {one.name: one.version for one in installed.distributions}
    standing = manifest_of(reading)
    for manifest in reading.manifests:
        if not manifest.is_lock or (standing and manifest.path == standing.path):
            continue
        locked = {one.name: one.version for one in manifest.packages}
        other = [
            f"{name} {version} (installed: {versions[name]})"
            for name, version in sorted(locked.items())
            if versions.get(name) not in {None, version}
        ]
        lacking = [f"no {need.name}" for need in wanted if need.name not in locked]
        if said := ", ".join([*other[:MOST_NAMED], *lacking[:MOST_NAMED]]):
            more = ", ..." if len(other) > MOST_NAMED or len(lacking) > MOST_NAMED else ""
            yield f"{manifest.path} is what a plan takes, and has {said}{more}: lock anew, or remove it"


def edits(
    reading: Reading, wanted: Sequence[Need], environment: Environment
) -> tuple[tuple[tuple[int, str | None], ...], tuple[Need, ...]]:
    """The lines that change with what takes their place, and the needs that no line of the file has.

    Lines for other machines, addresses, folders, options and comments stay. Constraints go: what is installed takes
    their place. Hashes stay only if nothing changes, since pip wants them for all requirements or none.
    """
    standing = manifest_of(reading)
    if standing is None or is_compiled(standing):
        return (), tuple(wanted)
    needs = {need.name: need for need in wanted}
    written: set[NormalizedName] = set()
    changed: dict[int, str | None] = {}
    for line in standing.requirements:
        if line.name not in needs or not holds(line.requirement.marker, environment):
            continue
        if line.name in written:
            changed[line.location.line] = None
        elif not line.requirement.url and _pin(line, needs[line.name]) != needs[line.name].line:
            changed[line.location.line] = needs[line.name].line
        written.add(line.name)
    added = tuple(need for need in wanted if need.name not in written)
    if changed or added:
        hashed = {line.location.line: line for line in standing.requirements if line.hashes}
        changed |= {
            number: needs[line.name].line if line.name in written and _counts(line, environment) else line.text
            for number, line in hashed.items()
            if number not in changed
        }
    for one in standing.includes:
        if one.role == "constraints" and posixpath.basename(one.path) != CONSTRAINTS:
            changed[one.location.line] = None
    return tuple(sorted(changed.items())), added


def disregarded(reading: Reading, installed: InstalledEnvironment, environment: Environment) -> Iterator[str]:
    """Remarks on constraints of a project that refuse what is installed."""
    versions = {one.name: one.version for one in installed.distributions}
    for manifest in reading.manifests:
        for line in manifest.constraints:
            version = versions.get(line.name)
            ours = posixpath.basename(line.location.path) == CONSTRAINTS
            if ours or version is None or not holds(line.requirement.marker, environment):
                continue
            if not line.requirement.specifier.contains(version, prereleases=True):
                stated = without_marker(line.requirement)
                yield f"{line.location}: the constraint `{stated}` excludes the installed {version}, and is left out"


def _counts(line: DeclaredRequirement, environment: Environment) -> bool:
    return not line.requirement.url and holds(line.requirement.marker, environment)


def _pin(line: DeclaredRequirement, need: Need) -> str:
    """A line as a need is written if it pins what is installed, "" if it does not."""
    if str(line.requirement.specifier) != f"=={need.installed}":
        return ""
    extras = ",".join(sorted(line.requirement.extras))
    return f"{line.name}[{extras}]=={need.installed}" if extras else f"{line.name}=={need.installed}"
