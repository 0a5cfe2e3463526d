"""How requirement lines lead to the package whose versions clash: through the metadata of what is locked."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from packaging.ranges import VersionRange
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name

from depdoctor.conflict.demand import Element, holds
from depdoctor.model.distribution import Pin
from depdoctor.model.lock import Lock

MOST_DEMANDS = 6
"""Ways to one package that are compared; the shortest come first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """A package that a line leads to: the versions allowed there, and the requirements on the way, the line's first."""

    name: NormalizedName
    specifier: str
    chain: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Clash:
    """The package whose versions clash, and for each line the chain that leads to it."""

    subject: NormalizedName
    chains: tuple[tuple[str, ...], ...]


def clash(lines: Sequence[tuple[Element, Lock | None]], blamed: Sequence[NormalizedName] = ()) -> Clash:
    """Where lines that cannot stand together meet.

    The first choice is a package that all lines lead to with version ranges that have nothing in common, by the
    shortest chains. Ranges may overlap where no version was published; then it is the first that `blamed` names, or
    else the nearest one whose locked versions do not satisfy the other lines. If nothing is known it is the package
    of the first line.
    """
    reached = [_by_package(element, lock) for element, lock in lines]
    common = sorted(set.intersection(*(set(ways) for ways in reached)))
    disjoint = [found for name in common if (found := _shortest_disjoint([ways[name] for ways in reached]))]
    if disjoint:
        return _clash(min(disjoint, key=_length))
    for name in (*(name for name in blamed if name in common), *common):
        ways = [found[name][0] for found in reached]
        if name in blamed or _disagree(name, [lock for _, lock in lines], ways):
            return _clash(ways)
    return _clash_of_few(lines, reached)


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
    return any(
        not SpecifierSet(way.specifier).contains(version, prereleases=True) for version in versions for way in ways
    )


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


def _by_package(element: Element, lock: Lock | None) -> Mapping[NormalizedName, Sequence[Reached]]:
    found: dict[NormalizedName, list[Reached]] = {}
    for reached in _reach(element, lock):
        others = found.setdefault(reached.name, [])
        if all(other.specifier != reached.specifier for other in others):
            others.append(reached)
    return found


def _reach(element: Element, lock: Lock | None) -> Iterator[Reached]:
    """Everything that a line leads to, nearest first."""
    first = Reached(name=element.name, specifier=element.specifier, chain=(element.text,))
    yield first
    if lock is None or element.constraint:
        return
    pins = lock.by_name
    queue = deque([(first, frozenset(element.extras))])
    seen = {(element.name, frozenset(element.extras))}
    while queue:
        way, extras = queue.popleft()
        for requirement in _edges(pins.get(way.name), lock, extras):
            name = canonicalize_name(requirement.name)
            onward = Reached(name=name, specifier=str(requirement.specifier), chain=(*way.chain, _bare(requirement)))
            yield onward
            key = (name, frozenset(canonicalize_name(extra) for extra in requirement.extras))
            if key not in seen:
                seen.add(key)
                queue.append((onward, key[1]))


def _edges(pin: Pin | None, lock: Lock, extras: frozenset[str]) -> Iterator[Requirement]:
    if pin is not None and pin.requires is not None:
        for requirement in pin.requires:
            if holds(requirement.marker, lock.environment, ("", *sorted(extras))):
                yield requirement


def _bare(requirement: Requirement) -> str:
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    return f"{canonicalize_name(requirement.name)}{extras}{requirement.specifier}"
