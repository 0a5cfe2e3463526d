"""Every conflict of an inventory, and edits that end it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import reduce

from depdoctor.conflict.abroad import Pythons, across
from depdoctor.conflict.asking import AT_ONCE, Asking
from depdoctor.conflict.demand import demand, demands_of
from depdoctor.conflict.direct import clashes
from depdoctor.conflict.drift import drifts
from depdoctor.conflict.fixes import fixes
from depdoctor.conflict.scopes import elements, scopes
from depdoctor.conflict.search import Search
from depdoctor.conflict.tell import gaps, grouped, merged, tell
from depdoctor.conflict.witness import learn_locks
from depdoctor.model.conflict import Conflict, Conflicts, Grouping
from depdoctor.model.inventory import Inventory
from depdoctor.model.lock import Question
from depdoctor.model.project import IndexOptions
from depdoctor.model.seams import Oracle
from depdoctor.model.target import Environment


def find(
    inventory: Inventory,
    oracle: Oracle,
    *,
    deadline: Callable[[], bool],
    indexes: IndexOptions | None = None,
    builds_allowed: bool = False,
    pythons: Pythons | None = None,
) -> Conflicts:
    """Every minimal conflict inside a project, between two, and among those that are declared to share.

    What can be read off the lines or the locks is not asked; the oracle is asked for the rest, `AT_ONCE` questions at
    a time, until `deadline()` is true. What it could not answer is in `incomplete`, never among the conflicts. A
    project that could not be resolved is compared by its direct requirements only. `indexes` are the configuration's.
    Where it is known which `pythons` projects admit, those of different ones are compared, too.
    """
    configured = indexes or IndexOptions()
    found: list[Conflict] = []
    incomplete: list[str] = []
    groupings: list[Grouping] = []
    strangers: list[tuple[str, ...]] = []
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        for environment in inventory.environments():
            demands = demands_of(inventory, environment, configured)
            for groups in scopes(demands, [environment.projects for environment in inventory.shared]):
                question = _empty(inventory, environment, groups.indexes, builds_allowed=builds_allowed)
                search = Search(groups.elements, Asking(oracle, question, deadline, pool))
                for pair in clashes(groups.elements):
                    search.conflicts[search.mask(pair)] = None
                learn_locks(search, groups.demands)
                search.run(search.mask(elements(group)) for group in groups.asked)
                search.run((search.mask(elements(group)) for group in groups.partly), builds_pending=True)
                found += tell(search, groups)
                incomplete += gaps(search, groups)
                groupings += grouped(search, groups)
        if pythons:

            def asking(environment: Environment, indexes: IndexOptions) -> Asking:
                question = _empty(inventory, environment, indexes, builds_allowed=builds_allowed)
                return Asking(oracle, question, deadline, pool)

            for met in across(inventory, pythons, asking, configured):
                found += met.conflicts
                incomplete += met.incomplete
                strangers += met.apart
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return Conflicts(
        conflicts=merged(found),
        incomplete=tuple(dict.fromkeys(incomplete)),
        groupings=tuple(groupings),
        drifts=drifts(inventory),
        strangers=tuple(dict.fromkeys(strangers)),
    )


def with_fixes(
    conflicts: Conflicts,
    inventory: Inventory,
    oracle: Oracle,
    *,
    deadline: Callable[[], bool],
    spare: Callable[[], bool] = lambda: False,
    indexes: IndexOptions | None = None,
    builds_allowed: bool = False,
) -> Conflicts:
    """The conflicts, with edits that were tried, as long as there is time; about a dozen questions each.

    Those come first that fail already: inside a project, or between projects that are declared to share. The others are
    looked at until `spare()` is true, those first that concern the fewest lines and projects, and `untried` counts what
    is left. A conflict whose projects have no resolution for another reason gets no fix.
    """
    pool = ThreadPoolExecutor(AT_ONCE)
    configured = indexes or IndexOptions()
    entries = {entry.project.name: entry for entry in inventory.entries}

    def late() -> bool:
        return deadline() or spare()

    def mended(conflict: Conflict, until: Callable[[], bool]) -> Conflict:
        known = {name: demand(entries[name], conflict.environment, configured) for name in conflict.projects}
        touched = sorted({cause.project for cause in conflict.causes})
        joined = reduce(IndexOptions.joined, (known[project].indexes for project in touched))
        question = _empty(inventory, conflict.environment, joined, builds_allowed=builds_allowed)
        return replace(conflict, fixes=fixes(conflict, known, Asking(oracle, question, until, pool, exactly=True)))

    told = list(conflicts.conflicts)
    failing = [_fails(one, inventory) for one in told]
    untried = 0
    try:
        for place in sorted(range(len(told)), key=lambda place: (not failing[place], _size(told[place]), place)):
            until = deadline if failing[place] else late
            if not until():
                told[place] = mended(told[place], until)
            untried += until()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return replace(conflicts, conflicts=tuple(told), untried=untried)


def _size(conflict: Conflict) -> tuple[int, int]:
    return len(conflict.causes), len(conflict.projects)


def _fails(conflict: Conflict, inventory: Inventory) -> bool:
    """Whether it stands in the way of an environment that is meant to be."""
    members = {cause.project for cause in conflict.causes}
    return len(members) == 1 or any(members <= set(shared.projects) for shared in inventory.shared)


def _empty(inventory: Inventory, environment: Environment, indexes: IndexOptions, *, builds_allowed: bool) -> Question:
    return Question(
        requirements=(),
        environment=environment,
        indexes=indexes,
        exclude_newer=inventory.index_date,
        builds_allowed=builds_allowed,
    )
