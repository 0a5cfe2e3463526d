"""How requirement lines lead to the package whose versions clash: through the metadata of what is locked."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import product

from packaging.ranges import VersionRange
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from depdoctor.conflict.demand import Element
from depdoctor.model.graph import holds, without_marker
from depdoctor.model.lock import Impossible, Lock
from depdoctor.model.noun import dataclass

Edges = Callable[[NormalizedName, frozenset[str]], Iterable[Requirement]]
"""What a package requires when these extras of it are asked for."""

MOST_DEMANDS = 6
"""Ways to one package that are compared; the shortest come first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """A package that a line leads to: the versions allowed there, and the requirements on the way, the line's first."""

    name: NormalizedName
    specifier: str
    chain: tuple[str, ...]

    def admits(self, version: Version) -> bool:
        """Whether a version is allowed, pre-releases included."""
        return SpecifierSet(self.specifier).contains(version, prereleases=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clash:
    """The package whose versions clash, and for each line the chain that leads to it."""

    subject: NormalizedName
    chains: tuple[tuple[str, ...], ...]


def clash(lines: Sequence[tuple[Element, Lock | None]], reason: Impossible | None = None) -> Clash:
    """Where lines that cannot stand together meet.

    The first choice is a package that all lines lead to with version ranges that have nothing in common, by the
    shortest chains: through what the resolver's proof says of every version, or else through the metadata of what is
    locked. Ranges may overlap where no version was published; then it is the first package that the proof blames, or
    the nearest one whose locked versions do not satisfy the other lines. If nothing is known it is the package of the
    first line.
    """
    proven = _stated(reason.steps) if reason else {}
    by_proof = [_by_package(element, lambda name, _: proven.get(name, ())) for element, _ in lines]
    by_lock = [_by_package(element, partial(_edges, lock)) for element, lock in lines]
    for reached in (by_proof, by_lock):
        choices = [_shortest_disjoint([ways[name] for ways in reached]) for name in _common(reached)]
        if disjoint := [choice for choice in choices if choice]:
            return _clash(min(disjoint, key=_length))
    blamed = reason.blamed if reason else ()
    for reached in (by_lock, by_proof):
        common = _common(reached)
        for name in (*(name for name in blamed if name in common), *common):
            ways = [found[name][0] for found in reached]
            if name in blamed or _disagree(name, [lock for _, lock in lines], ways):
                return _clash(ways)
    return _clash_of_few(lines, by_lock)


def _common(reached: Sequence[Mapping[NormalizedName, Sequence[Reached]]]) -> list[NormalizedName]:
    return sorted(set.intersection(*(set(ways) for ways in reached)))


def _clash_of_few(
    lines: Sequence[tuple[Element, Lock | None]], reached: Sequence[Mapping[NormalizedName, Sequence[Reached]]]
) -> Clash:
    """A package that at least two of the lines lead to with ranges apart; lines that do not lead there stand alone."""
    best: list[Reached] = []
    for one, mine in enumerate(reached):
        for theirs in reached[one + 1 :]:
            for name in sorted(set(mine) & set(theirs)):
                found = _shortest_disjoint([mine[name], theirs[name]])
                if found and (not best or _length(found) < _length(best)):
                    best = list(found)
    subject = best[0].name if best else lines[0][0].name
    chains = (
        ways[subject][0].chain if subject in ways else (element.text,)
        for (element, _), ways in zip(lines, reached, strict=True)
    )
    return Clash(subject=subject, chains=tuple(chains))


def _clash(ways: Sequence[Reached]) -> Clash:
    return Clash(subject=ways[0].name, chains=tuple(way.chain for way in ways))


def _length(ways: Sequence[Reached]) -> tuple[int, tuple[tuple[str, ...], ...]]:
    return sum(len(way.chain) for way in ways), tuple(way.chain for way in ways)


def _disagree(name: NormalizedName, locks: Sequence[Lock | None], ways: Sequence[Reached]) -> bool:
    """Whether what one project has locked is not what another line's chain allows."""
    versions = [lock.by_name[name].version for lock in locks if lock and name in lock.by_name]
    return any(not way.admits(version) for version in versions for way in ways)


def _shortest_disjoint(ways: Sequence[Sequence[Reached]]) -> tuple[Reached, ...] | None:
    apart = [choice for choice in product(*(few[:MOST_DEMANDS] for few in ways)) if _nothing_in_common(choice)]
    return min(apart, key=_length, default=None)


def _nothing_in_common(ways: Sequence[Reached]) -> bool:
    common = VersionRange.full()
    for way in ways:
        if "===" in way.specifier:
            return False
        common &= SpecifierSet(way.specifier).to_range()
    return common.is_empty


def reach(element: Element, lock: Lock) -> Iterator[Reached]:
    """Everything that a line leads to through the metadata of what is locked, nearest first."""
    return _reach(element, partial(_edges, lock))


def _by_package(element: Element, edges: Edges) -> Mapping[NormalizedName, Sequence[Reached]]:
    found: dict[NormalizedName, list[Reached]] = {}
    for reached in _reach(element, edges):
        others = found.setdefault(reached.name, [])
        if all(other.specifier != reached.specifier for other in others):
            others.append(reached)
    return found


def _reach(element: Element, edges: Edges) -> Iterator[Reached]:
    """Everything that a line leads to, nearest first."""
    first = Reached(name=element.name, specifier=element.specifier, chain=(element.text,))
    yield first
    if element.constraint:
        return
    queue = deque([(first, frozenset(element.extras))])
    seen = {(element.name, frozenset(element.extras))}
    while queue:
        way, extras = queue.popleft()
        for requirement in edges(way.name, extras):
            name = canonicalize_name(requirement.name)
            chain = (*way.chain, without_marker(requirement))
            onward = Reached(name=name, specifier=str(requirement.specifier), chain=chain)
            yield onward
            key = (name, frozenset(canonicalize_name(extra) for extra in requirement.extras))
            if key not in seen:
                seen.add(key)
                queue.append((onward, key[1]))


def _edges(lock: Lock | None, name: NormalizedName, extras: frozenset[str]) -> Iterator[Requirement]:
    pin = lock.by_name.get(name) if lock else None
    if lock and pin and pin.requires:
        for requirement in pin.requires:
            if holds(requirement.marker, lock.environment, extras):
                yield requirement


def _stated(steps: Sequence[tuple[str, str]]) -> Mapping[NormalizedName, Sequence[Requirement]]:
    """What the proof says each package depends on."""
    found: dict[NormalizedName, list[Requirement]] = {}
    for dependent, needed in steps:
        found.setdefault(canonicalize_name(Requirement(dependent).name), []).append(Requirement(needed))
    return found
