"""Which declared requirements lead to a package, and by which chains."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from depdoctor.model.finding import Cause
from depdoctor.model.graph import Extras, holds, without_marker
from depdoctor.model.lock import Lock
from depdoctor.model.project import DeclaredRequirement, Location

MOST_CAUSES = 4
"""Causes that are shown of a package that many declared requirements lead to."""

Edges = Mapping[NormalizedName, Mapping[NormalizedName, Requirement]]


@lru_cache(maxsize=65536)
def normal(name: str) -> NormalizedName:
    """The normalized name; the same few thousand are asked for again and again."""
    return canonicalize_name(name)


@dataclass(frozen=True, kw_only=True)
class Part:
    """A project's share of an installation: its lock (made of exact pins if there is none) and what it declares."""

    project: str
    lock: Lock
    declared: tuple[DeclaredRequirement, ...]
    manifest: str
    loose: tuple[NormalizedName, ...] = ()
    """What is required for certain, in a version that nobody knows."""
    conda: frozenset[NormalizedName] = frozenset()
    """What conda installs, and no wheel."""

    def causes(self, name: NormalizedName) -> tuple[Cause, ...]:
        """The declarations that name a package, else the nearest that lead to it, else its place in the lockfile."""
        environment = self.lock.environment
        direct = [one for named, one in self.named if named == name and holds(one.requirement.marker, environment)]
        if direct:
            ordered = sorted(direct, key=lambda one: (one.location, one.text))
            return tuple(self._cause(one, {name: 0}) for one in ordered[:MOST_CAUSES])
        steps = self._steps_to(name)
        leading = sorted(
            (steps[name], one.location, one.text, one)
            for name, one in self.named
            if name in steps and holds(one.requirement.marker, environment)
        )
        if leading:
            return tuple(self._cause(one, steps) for _, _, _, one in leading[:MOST_CAUSES])
        pin = self.lock.by_name.get(name)
        place = self.lock.origin or Location(path=self.manifest)
        return (Cause(project=self.project, location=place, requirement=str(pin)),) if pin else ()

    def _cause(self, one: DeclaredRequirement, steps: Mapping[NormalizedName, int]) -> Cause:
        requirement = one.requirement
        chain = [without_marker(requirement)]
        name = one.name
        while steps[name]:
            following = self._edges[name]
            name = min(child for child in following if steps.get(child) == steps[name] - 1)
            chain.append(without_marker(following[name]))
        return Cause(project=self.project, location=one.location, requirement=chain[0], chain=tuple(chain))

    def _steps_to(self, name: NormalizedName) -> dict[NormalizedName, int]:
        """How many requirements lie between each package and the one that is asked about."""
        steps = {name: 0}
        queue = deque([name])
        while queue:
            reached = queue.popleft()
            for parent in self.parents.get(reached, ()):
                if parent not in steps:
                    steps[parent] = steps[reached] + 1
                    queue.append(parent)
        return steps

    @cached_property
    def named(self) -> tuple[tuple[NormalizedName, DeclaredRequirement], ...]:
        """What is declared, each with the normalized name."""
        return tuple((normal(one.requirement.name), one) for one in self.declared)

    @cached_property
    def _edges(self) -> Edges:
        extras = asked_extras((one.requirement for one in self.declared), self.lock)
        return {
            pin.name: {
                normal(edge.name): edge
                for edge in pin.requires or ()
                if holds(edge.marker, self.lock.environment, extras.get(pin.name, frozenset()))
            }
            for pin in self.lock.pins
        }

    @cached_property
    def parents(self) -> Mapping[NormalizedName, list[NormalizedName]]:
        """The packages that require each package, extras counted that anyone asks for."""
        found: dict[NormalizedName, list[NormalizedName]] = defaultdict(list)
        for name, following in self._edges.items():
            for child in following:
                found[child].append(name)
        return found


def asked_extras(declared: Iterable[Requirement], lock: Lock) -> Mapping[NormalizedName, Extras]:
    """The extras that anyone asks for of each package, by lines that count in the lock's environment.

    A package asks for extras under extras of its own too (`pandas[all]` for `pandas[excel]`), so this goes round until
    nothing is added.
    """
    found: dict[NormalizedName, set[NormalizedName]] = defaultdict(set)
    for requirement in declared:
        found[normal(requirement.name)].update(map(canonicalize_name, requirement.extras))
    edges = [(pin.name, edge) for pin in lock.pins for edge in pin.requires or () if edge.extras]
    grew = True
    while grew:
        grew = False
        for owner, edge in edges:
            extras, asked = found[normal(edge.name)], set(map(canonicalize_name, edge.extras))
            if not asked <= extras and holds(edge.marker, lock.environment, frozenset(found[owner])):
                extras |= asked
                grew = True
    return {name: frozenset(extras) for name, extras in found.items() if extras}
