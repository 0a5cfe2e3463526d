"""What a project asks an index for, and what it needs that no index serves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from depdoctor.model.graph import holds
from depdoctor.model.noun import dataclass
from depdoctor.model.project import DeclaredRequirement, IndexOptions, in_groups, tied_to
from depdoctor.model.reading import Reading
from depdoctor.model.target import Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What can be asked: PEP 508 texts, sorted. `missing` is the rest, each with its place and the reason.

    `addressed` are the requirements on an address, with what is to be said of each where nobody asks.
    """

    requirements: tuple[str, ...]
    constraints: tuple[str, ...]
    indexes: IndexOptions
    missing: tuple[str, ...]
    addressed: tuple[tuple[str, str], ...] = ()


def declared(reading: Reading, environment: Environment, groups: Sequence[str], indexes: IndexOptions) -> Declared:
    """What the project's manifests ask for in an environment, in the default group and these.

    The indexes that a manifest names are nearer than those of the configuration.
    """
    wanted = [
        requirement
        for manifest in reading.manifests
        for requirement in manifest.requirements
        if in_groups(requirement.group, groups) and holds(requirement.requirement.marker, environment)
    ]
    for manifest in reading.manifests:
        indexes = indexes.joined(manifest.options)
    constraints = [
        constraint.requirement
        for manifest in reading.manifests
        for constraint in manifest.constraints
        if not constraint.requirement.url and not constraint.requirement.extras
    ]
    own = _own_names(reading)
    return Declared(
        requirements=_sorted(r.requirement for r in wanted if not r.requirement.url and r.name not in own),
        constraints=_sorted(constraints),
        indexes=indexes.joined(tied_to(wanted)),
        missing=tuple(dict.fromkeys(unread(reading, groups))),
        addressed=tuple(dict.fromkeys(_from_elsewhere(wanted, own))),
    )


def _own_names(reading: Reading) -> set[str]:
    """A project that requires itself, mostly for an extra, asks no index for that."""
    return {canonicalize_name(manifest.name) for manifest in reading.manifests if manifest.name}


def _sorted(requirements: Iterable[Requirement]) -> tuple[str, ...]:
    return tuple(sorted({str(requirement) for requirement in requirements}))


def _from_elsewhere(wanted: Sequence[DeclaredRequirement], own: set[str]) -> Iterator[tuple[str, str]]:
    for one in wanted:
        if one.requirement.url and one.name not in own:
            yield str(one.requirement), f"{one.location}: `{one.text}` comes from no index"


def unread(reading: Reading, groups: Sequence[str] | None = None) -> Iterator[str]:
    """What could not be read of the files that the default group and these draw in, or of all files."""
    for manifest in reading.manifests:
        for problem in manifest.problems if _drawn_in(manifest.groups, groups) else ():
            if problem.loses:
                yield f"{problem.location}: {problem.reason}"
    for unreadable in reading.unreadable:
        if _drawn_in(unreadable.groups, groups):
            yield f"{unreadable.path}: {unreadable.problem.reason}"


def _drawn_in(by: Sequence[str], groups: Sequence[str] | None) -> bool:
    return groups is None or not by or any(in_groups(group, groups) for group in by)
