"""Searches for sets of requirements that cannot stand together: inside a project, between projects."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import reduce

from depdoctor.conflict.asking import AT_ONCE, Asking
from depdoctor.conflict.demand import demands_of
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
) -> Conflicts:
    """Every minimal conflict inside a project, between two, and among those that are declared to share.

    What can be read off the lines or the locks is not asked; the oracle is asked for the rest, `AT_ONCE` questions at
    a time, until `deadline()` is true. What it could not answer is in `incomplete`, never among the conflicts. A
    project that could not be resolved is compared by its direct requirements only. `indexes` are the configuration's.
    """
    configured = indexes or IndexOptions()
    found: list[Conflict] = []
    incomplete: list[str] = []
    groupings: list[Grouping] = []
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
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return Conflicts(
        conflicts=merged(found),
        incomplete=tuple(dict.fromkeys(incomplete)),
        groupings=tuple(groupings),
        drifts=drifts(inventory),
    )


def with_fixes(
    conflicts: Conflicts,
    inventory: Inventory,
    oracle: Oracle,
    *,
    deadline: Callable[[], bool],
    indexes: IndexOptions | None = None,
    builds_allowed: bool = False,
    most: int | None = None,
) -> Conflicts:
    """The conflicts, with edits that were tried, as long as there is time; about a dozen questions each.

    At most `most` of them are looked at, and then only such as fail already: those inside a project or between projects
    that are declared to share. A conflict whose projects have no resolution for another reason gets no fix.
    """
    failing = [one for one in conflicts.conflicts if _fails(one, inventory)]
    chosen = conflicts.conflicts if most is None else failing[:most]
    pool = ThreadPoolExecutor(AT_ONCE)

    def mended(conflict: Conflict) -> Conflict:
        demands = {
            demand.project: demand
            for demand in demands_of(inventory, conflict.environment, indexes or IndexOptions())
            if demand.project in conflict.projects
        }
        touched = sorted({cause.project for cause in conflict.causes})
        joined = reduce(IndexOptions.joined, (demands[project].indexes for project in touched))
        question = _empty(inventory, conflict.environment, joined, builds_allowed=builds_allowed)
        asking = Asking(oracle, question, deadline, pool, exactly=True)
        return replace(conflict, fixes=fixes(conflict, demands, asking))

    try:
        told = tuple(mended(one) if one in chosen else one for one in conflicts.conflicts)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return replace(conflicts, conflicts=told)


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
