"""Searches for sets of requirements that cannot stand together: inside a project, between projects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace

from depdoctor.conflict.demand import Element, demand
from depdoctor.conflict.direct import clashes
from depdoctor.conflict.scopes import elements, scopes
from depdoctor.conflict.search import AT_ONCE, Ask, Search
from depdoctor.conflict.tell import gaps, merged, tell
from depdoctor.conflict.witness import learn_locks
from depdoctor.model.conflict import Conflict, Conflicts
from depdoctor.model.inventory import Inventory
from depdoctor.model.lock import Answer, Question, Unknown, Why
from depdoctor.model.project import IndexOptions
from depdoctor.model.seams import Oracle


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
    found: list[Conflict] = []
    incomplete: list[str] = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for environment in inventory.environments():
            demands = [
                demand(entry, environment, indexes or IndexOptions())
                for entry in inventory.entries
                if not entry.outcomes or any(outcome.environment == environment for outcome in entry.outcomes)
            ]
            for groups in scopes(demands, [environment.projects for environment in inventory.shared]):
                question = Question(
                    requirements=(),
                    environment=environment,
                    indexes=groups.indexes,
                    exclude_newer=inventory.index_date,
                    builds_allowed=builds_allowed,
                )
                search = Search(groups.elements, _asking(oracle, question, deadline, pool))
                for pair in clashes(groups.elements):
                    search.conflicts[search.mask(pair)] = None
                learn_locks(search, groups.demands)
                search.run(search.mask(elements(group)) for group in groups.asked)
                search.run((search.mask(elements(group)) for group in groups.partly), builds_pending=True)
                found += tell(search, groups)
                incomplete += gaps(search, groups)
    return Conflicts(conflicts=merged(found), incomplete=tuple(dict.fromkeys(incomplete)))


def _asking(oracle: Oracle, empty: Question, deadline: Callable[[], bool], pool: Executor) -> Ask:
    def ask(asked: frozenset[Element]) -> Answer:
        if deadline():
            return Unknown(why=Why.BUDGET, detail="the time for this run was spent")
        question = replace(
            empty,
            requirements=tuple(sorted(element.text for element in asked if not element.constraint)),
            constraints=tuple(sorted(element.text for element in asked if element.constraint)),
        )
        return oracle.ask(question)

    def ask_all(sets: Sequence[frozenset[Element]]) -> Sequence[Answer]:
        return [ask(sets[0])] if len(sets) == 1 else list(pool.map(ask, sets))

    return ask_all
