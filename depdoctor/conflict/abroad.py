"""Projects of different Pythons, held against each other on a Python that both admit.

Each project has its lock on a Python of its own. Two of them can share an environment on either one's Python, if the
other admits it and resolves there as well; they cannot if every such Python shows a conflict.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import Enum, auto
from itertools import combinations

from depdoctor.conflict.asking import Asking
from depdoctor.conflict.bits import within
from depdoctor.conflict.demand import Demand, State, demand
from depdoctor.conflict.direct import clashes
from depdoctor.conflict.scopes import Group, Scopes, elements, grouped_by_index
from depdoctor.conflict.search import Search
from depdoctor.conflict.tell import gaps, tell
from depdoctor.conflict.witness import learn_locks
from depdoctor.model.conflict import Conflict
from depdoctor.model.inventory import Entry, Inventory
from depdoctor.model.lock import Impossible, Lock, Resolved, Why
from depdoctor.model.noun import dataclass
from depdoctor.model.project import IndexOptions
from depdoctor.model.target import Environment

Names = tuple[str, ...]

Pythons = Callable[[Names], Sequence[str]]
"""The Pythons ("3.11") that several projects all admit, by their names, the most welcome first."""

MakeAsking = Callable[[Environment, IndexOptions], Asking]


class Verdict(Enum):
    """What is known of projects in one environment. `ELSEWHERE`: one of them does not resolve there by itself."""

    STAND = auto()
    APART = auto()
    ELSEWHERE = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """A group of projects in one environment, the search that it was part of, and what was found."""

    group: Group
    search: Search
    indexes: IndexOptions
    verdict: Verdict


def across(inventory: Inventory, pythons: Pythons, asking: MakeAsking, configured: IndexOptions) -> Iterator[Across]:
    """What projects of different Pythons cannot share, per platform."""
    for platform in sorted({environment.platform for environment in inventory.environments()}):
        homes = {
            entry.project.name: outcome.environment
            for entry in inventory.entries
            for outcome in entry.outcomes
            if outcome.environment.platform == platform
        }
        met: dict[Names, list[Met]] = defaultdict(list)
        waiting = {names: _places(names, homes, pythons(names)) for names in _mixed(inventory, homes)}
        yield Across(apart=tuple(names for names, places in waiting.items() if not places and len(names) == 2))
        while turn := {names: places.pop(0) for names, places in waiting.items() if places}:
            for found in _meetings(inventory, turn, homes, asking, configured):
                names = tuple(each.project for each in found.group)
                met[names].append(found)
                if found.verdict is Verdict.STAND:
                    waiting[names].clear()
        yield from _told(met)


@dataclass(frozen=True, slots=True, kw_only=True)
class Across:
    """Conflicts, what could not be known, and pairs of projects that admit no Python in common."""

    conflicts: tuple[Conflict, ...] = ()
    incomplete: tuple[str, ...] = ()
    apart: tuple[Names, ...] = ()


def _mixed(inventory: Inventory, homes: Mapping[str, Environment]) -> Iterator[Names]:
    """Every two projects, and all that are declared to share, that do not have one Python."""
    shared = (tuple(sorted(name for name in one.projects if name in homes)) for one in inventory.shared)
    larger = [names for names in shared if len(names) > 2]
    for names in (*combinations(sorted(homes), 2), *larger):
        if len({homes[name] for name in names}) > 1:
            yield names


def _places(names: Names, homes: Mapping[str, Environment], admitted: Sequence[str]) -> list[str]:
    """Their own Pythons that all of them admit, that of most projects of all first; else any that they admit."""
    common = Counter(environment.python for environment in homes.values())
    own = {homes[name].python for name in names}.intersection(admitted)
    return sorted(own, key=lambda python: (-common[python], python)) or list(admitted[:1])


def _meetings(
    inventory: Inventory,
    turn: Mapping[Names, str],
    homes: Mapping[str, Environment],
    asking: MakeAsking,
    configured: IndexOptions,
) -> Iterator[Met]:
    entries = {entry.project.name: entry for entry in inventory.entries}
    for python in sorted(set(turn.values())):
        chosen = [names for names, where in turn.items() if where == python]
        members = sorted({name for names in chosen for name in names})
        environment = replace(homes[members[0]], python=python)
        guests = _guests([entries[name] for name in members], environment, asking, configured)
        for scopes in grouped_by_index(tuple(guests[name] for name in names) for names in chosen):
            search = Search(scopes.elements, asking(environment, scopes.indexes))
            for pair in clashes(scopes.elements):
                search.conflicts[search.mask(pair)] = None
            learn_locks(search, scopes.demands)
            search.run(search.mask(elements(group)) for group in scopes.asked)
            search.run((search.mask(elements(group)) for group in scopes.partly), builds_pending=True)
            for group in scopes.groups:
                yield Met(group=group, search=search, indexes=scopes.indexes, verdict=_verdict(search, group))


def _guests(
    entries: Sequence[Entry], environment: Environment, asking: MakeAsking, configured: IndexOptions
) -> dict[str, Demand]:
    """What projects demand of an environment, each with its state there; those at home there have a lock already."""
    demands = {entry.project.name: demand(entry, environment, configured) for entry in entries}
    away = {
        entry.project.name: demands[entry.project.name]
        for entry in entries
        if all(outcome.environment != environment for outcome in entry.outcomes)
    }
    by_indexes: dict[IndexOptions, list[Demand]] = defaultdict(list)
    for one in away.values():
        by_indexes[one.indexes].append(one)
    for indexes, some in by_indexes.items():
        answers = asking(environment, indexes)([one.elements for one in some])
        for one, answer in zip(some, answers, strict=True):
            if isinstance(answer, Resolved):
                lock = Lock(project=one.project, environment=environment, pins=answer.pins)
                demands[one.project] = replace(one, lock=lock, state=State.STANDS)
            elif isinstance(answer, Impossible):
                demands[one.project] = replace(one, state=State.CLASHES)
            elif answer.why is Why.NEEDS_BUILD:
                demands[one.project] = replace(one, state=State.NEEDS_BUILD)
    return demands


def _verdict(search: Search, group: Group) -> Verdict:
    union = search.mask(elements(group))
    if any(within(known, union) for known in search.conflicts):
        return Verdict.APART
    states = {each.state for each in group}
    if State.CLASHES in states:
        return Verdict.ELSEWHERE
    return Verdict.STAND if search.stands(union) else Verdict.UNKNOWN


def _told(met: Mapping[Names, Sequence[Met]]) -> Iterator[Across]:
    """The conflicts of those that are apart wherever they could meet; what is unknown of one place is of the group."""
    by_search: dict[int, list[tuple[Met, bool]]] = defaultdict(list)
    for some in met.values():
        verdicts = {one.verdict for one in some}
        first = next((one for one in some if one.verdict in {Verdict.APART, Verdict.UNKNOWN}), None)
        if first is None or Verdict.STAND in verdicts:
            continue
        open_end = next((one for one in some if one.verdict is Verdict.UNKNOWN), None)
        one = open_end or first
        by_search[id(one.search)].append((one, open_end is None))
    for found in by_search.values():
        sure = _scopes(one for one, certain in found if certain)
        unsure = _scopes(one for one, certain in found if not certain)
        search = found[0][0].search
        yield Across(
            conflicts=tuple(tell(search, sure)) if sure else (),
            incomplete=(tuple(gaps(search, unsure)) or (_unsaid(unsure),)) if unsure else (),
        )


def _unsaid(scopes: Scopes) -> str:
    """That nothing is known of groups of which a project could not be resolved away from home."""
    names = " and ".join(each.project for each in scopes.groups[0])
    more = f" and {len(scopes.groups) - 1} other groups" if len(scopes.groups) > 1 else ""
    python = scopes.groups[0][0].environment.python
    return f"conflicts of {names}{more}: what they would get on Python {python} is not known"


def _scopes(met: Iterable[Met]) -> Scopes | None:
    found = list(met)
    groups = tuple(one.group for one in found)
    return Scopes(indexes=found[0].indexes, asked=groups, partly=(), read=()) if found else None
