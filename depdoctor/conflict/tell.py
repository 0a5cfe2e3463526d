"""Turns what a search found into conflicts with projects, files and lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations

from depdoctor.conflict.bits import within
from depdoctor.conflict.chains import clash
from depdoctor.conflict.demand import Demand, Element
from depdoctor.conflict.grouping import partition
from depdoctor.conflict.scopes import Group, Scopes, elements
from depdoctor.conflict.search import Search
from depdoctor.model.conflict import Apart, Conflict, Grouping
from depdoctor.model.finding import Cause
from depdoctor.model.lock import Impossible, Unknown


def tell(search: Search, scopes: Scopes) -> Iterator[Conflict]:
    """The conflicts that lie in a scope, each with every project that has a part in it."""
    own = {demand.project: search.mask(demand.elements) for demand in scopes.demands}
    for mask, reason in search.conflicts.items():
        groups = [group for group in scopes.groups if _takes_all(mask, group, own)]
        alone = [group for group in groups if len(group) == 1 and group[0].lock is None]
        pairs: list[Group] = [group for group in groups if len(group) == 2]
        together: list[Group] = pairs or [_few(mask, group, own) for group in groups if len(group) > 2]
        yield from (_conflict(search, mask, reason, [group]) for group in alone)
        if together:
            yield _conflict(search, mask, reason, together)


def grouped(search: Search, scopes: Scopes) -> Iterator[Grouping]:
    """The fewest environments for the projects that stand alone, where all of it can be decided.

    Groups whose pairs all stand may still not stand as a whole; they are asked about, and formed anew if they do not.
    """
    demands = [group[0] for group in scopes.asked if len(group) == 1 and group[0].lock is not None]
    masks = [search.mask(demand.elements) for demand in demands]
    if len(demands) < 2 or search.undecided or not search.conflicts:
        return
    while True:
        groups = partition(masks, tuple(search.conflicts))
        unions = [search.mask(elements(demands[place] for place in group)) for group in groups]
        known = len(search.conflicts)
        search.run(unions)
        if search.undecided:
            return
        if len(search.conflicts) == known:
            break
    yield Grouping(
        environment=demands[0].environment,
        groups=tuple(tuple(demands[place].project for place in group) for group in groups),
        apart=tuple(
            Apart(one=one, other=other, conflict=conflict)
            for (one, mine), (other, theirs) in combinations(enumerate(groups), 2)
            for conflict in _between(search, tuple(demands[place] for place in (*mine, *theirs)))
        ),
    )


def _between(search: Search, group: Group) -> Iterator[Conflict]:
    """The smallest conflict that these projects have; none where more tries might have made one group of two."""
    own = {demand.project: search.mask(demand.elements) for demand in group}
    union = search.mask(elements(group))
    inside = sorted(
        (known for known in search.conflicts if within(known, union)), key=lambda mask: (mask.bit_count(), mask)
    )
    for mask in inside[:1]:
        yield _conflict(search, mask, search.conflicts[mask], [_few(mask, group, own)])


def _takes_all(mask: int, group: Group, own: dict[str, int]) -> bool:
    """Whether the group's lines hold the conflict, and those of no project in it hold all of it alone."""
    union = 0
    for demand in group:
        union |= own[demand.project]
        if len(group) > 1 and within(mask, own[demand.project]):
            return False
    return within(mask, union)


def _few(mask: int, group: Group, own: dict[str, int]) -> Group:
    """The projects of a group that have a part in the conflict, those first that hold most of what is left."""
    chosen: list[Demand] = []
    rest = mask
    while rest:
        best = max(group, key=lambda demand: (rest & own[demand.project]).bit_count())
        chosen.append(best)
        rest &= ~own[best.project]
    return tuple(sorted(chosen, key=lambda demand: demand.project))


def _conflict(search: Search, mask: int, reason: Impossible | None, groups: Sequence[Group]) -> Conflict:
    elements = search.members(mask)
    first = groups[0]
    holders = [next(demand for demand in first if element in demand.places) for element in elements]
    found = clash([(element, demand.lock) for element, demand in zip(elements, holders, strict=True)], reason)
    chains = dict(zip(elements, found.chains, strict=True))
    causes = {_cause(demand, element, chains) for element, demand in zip(elements, holders, strict=True)}
    everyone = {
        _cause(demand, element, chains)
        for group in groups
        for demand in group
        for element in elements
        if element in demand.places
    }
    return Conflict(
        subject=found.subject,
        projects=tuple(sorted({demand.project for group in groups for demand in group})),
        causes=tuple(sorted(causes)),
        others=tuple(sorted(everyone - causes)),
        environment=first[0].environment,
        proof=reason.message if reason else "",
    )


def _cause(demand: Demand, element: Element, chains: dict[Element, tuple[str, ...]]) -> Cause:
    place = demand.places[element][0]
    return Cause(project=demand.project, location=place.location, requirement=place.text, chain=chains[element])


def merged(conflicts: Iterable[Conflict]) -> tuple[Conflict, ...]:
    """The conflicts in one order, those told once that are the same in several environments or of the same lines."""
    told: dict[tuple[object, ...], Conflict] = {}
    for conflict in conflicts:
        own = {cause.project for cause in conflict.causes}
        lines = tuple(sorted((cause.requirement, cause.chain[-1:]) for cause in conflict.causes))
        key = (conflict.subject, lines, *(own if len(own) == 1 else ()))
        told[key] = _joined(told[key], conflict) if key in told else conflict
    return tuple(sorted(told.values(), key=lambda found: (found.subject, found.projects, found.causes)))


def _joined(one: Conflict, other: Conflict) -> Conflict:
    """Both as the first, with the projects of both."""
    causes = {(cause.project, cause.location): cause for cause in (*one.causes, *one.others)}
    more = {(cause.project, cause.location): cause for cause in (*other.causes, *other.others)}
    added = tuple(cause for place, cause in more.items() if place not in causes)
    projects = tuple(sorted({*one.projects, *other.projects}))
    return replace(one, projects=projects, others=tuple(sorted({*one.others, *added})))


def gaps(search: Search, scopes: Scopes) -> Iterator[str]:
    """Which projects could not be compared, and why: a line per reason."""
    unions = [(group, search.mask(elements(group))) for group in (*scopes.asked, *scopes.partly)]
    reasons: dict[str, dict[str, None]] = {}
    for mask, reason in search.undecided.items():
        holding = [group for group, union in unions if within(mask, union)]
        if holding and (isinstance(reason, Unknown) or len(min(holding, key=len)) > 1):
            detail = reason.detail if isinstance(reason, Unknown) else reason.summary or reason.message
            names = " and ".join(demand.project for demand in min(holding, key=len))
            reasons.setdefault(detail, {})[names] = None
    for detail, groups in reasons.items():
        others = f" and {len(groups) - 1} other groups of projects" if len(groups) > 1 else ""
        yield f"conflicts of {next(iter(groups))}{others}: {detail}"
