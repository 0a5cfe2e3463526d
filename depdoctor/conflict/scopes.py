"""Which projects may come to share an environment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from itertools import combinations

from depdoctor.conflict.demand import Demand, Element, State
from depdoctor.model.noun import dataclass
from depdoctor.model.project import IndexOptions

Group = tuple[Demand, ...]
"""Projects that may share an environment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scopes:
    """Groups of projects that may share an environment and would then ask the same indexes.

    The oracle is asked about `asked` groups. So it is about `partly` ones, which hold a project that only a build can
    resolve: what is impossible whatever the build may bring is found. Of `read` ones only the lines are compared.
    """

    indexes: IndexOptions
    asked: tuple[Group, ...]
    partly: tuple[Group, ...]
    read: tuple[Group, ...]

    @property
    def groups(self) -> tuple[Group, ...]:
        """All groups."""
        return (*self.asked, *self.partly, *self.read)

    @property
    def demands(self) -> tuple[Demand, ...]:
        """All that occur in a group, by project."""
        by_project = {demand.project: demand for group in self.groups for demand in group}
        return tuple(by_project[project] for project in sorted(by_project))

    @property
    def elements(self) -> tuple[Element, ...]:
        """All requirements that occur, sorted."""
        return tuple(sorted(elements(self.demands)))


def elements(demands: Iterable[Demand]) -> frozenset[Element]:
    """All that several projects demand."""
    return frozenset(element for demand in demands for element in demand.elements)


def scopes(demands: Sequence[Demand], shared: Iterable[Sequence[str]]) -> Iterator[Scopes]:
    """Each project alone, each two, and all that are declared to share, by the indexes that they would ask together."""
    groups: list[Group] = [(demand,) for demand in demands]
    groups += combinations(demands, 2)
    for projects in shared:
        members = tuple(demand for demand in demands if demand.project in projects)
        groups += [members] if len(members) > 2 else []
    yield from grouped_by_index(groups)


def grouped_by_index(groups: Iterable[Group]) -> Iterator[Scopes]:
    """Groups by the indexes that they would ask together."""
    by_index: dict[IndexOptions, list[Group]] = defaultdict(list)
    for group in groups:
        by_index[reduce(IndexOptions.joined, (demand.indexes for demand in group))].append(group)
    for indexes, together in by_index.items():
        sorts: dict[str, list[Group]] = {"asked": [], "partly": [], "read": []}
        for group in together:
            sorts[_sort(group)].append(group)
        yield Scopes(indexes=indexes, **{sort: tuple(members) for sort, members in sorts.items()})


def _sort(group: Sequence[Demand]) -> str:
    """Whether the oracle's answer would be about the group, and not about one of its projects."""
    states = {demand.state for demand in group}
    if states <= {State.STANDS} or (len(group) == 1 and states == {State.CLASHES}):
        return "asked"
    return "partly" if len(group) > 1 and states <= {State.STANDS, State.NEEDS_BUILD} else "read"
