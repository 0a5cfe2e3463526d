"""Which projects may come to share an environment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations

from depdoctor.conflict.demand import Demand, Element
from depdoctor.model.project import IndexOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Scopes:
    """Groups of projects that may share an environment and would then ask the same indexes.

    The oracle is asked about `asked` groups. Of `read` ones, some of whose projects have no lock, only what stands in
    their lines is compared.
    """

    indexes: IndexOptions
    asked: tuple[tuple[Demand, ...], ...]
    read: tuple[tuple[Demand, ...], ...]

    @property
    def demands(self) -> tuple[Demand, ...]:
        """All that occur in a group, by project."""
        by_project = {demand.project: demand for group in (*self.asked, *self.read) for demand in group}
        return tuple(by_project[project] for project in sorted(by_project))

    @property
    def elements(self) -> tuple[Element, ...]:
        """All requirements that occur, sorted."""
        return tuple(sorted({element for demand in self.demands for element in demand.elements}))


def scopes(demands: Sequence[Demand], shared: Iterable[Sequence[str]]) -> Iterator[Scopes]:
    """Each project alone, each two, and all that are declared to share, by the indexes that they would ask together."""
    groups: list[tuple[Demand, ...]] = [(demand,) for demand in demands]
    groups += combinations(demands, 2)
    for projects in shared:
        members = tuple(demand for demand in demands if demand.project in projects)
        groups += [members] if len(members) > 2 else []
    by_index: dict[IndexOptions, list[tuple[Demand, ...]]] = defaultdict(list)
    for group in groups:
        by_index[reduce(IndexOptions.joined, (demand.indexes for demand in group))].append(group)
    for indexes, together in by_index.items():
        asked = tuple(group for group in together if _may_be_asked(group))
        read = tuple(group for group in together if not _may_be_asked(group))
        yield Scopes(indexes=indexes, asked=asked, read=read)


def _may_be_asked(group: Sequence[Demand]) -> bool:
    """Whether the oracle's answer would be about the group, and not about one of its projects."""
    if len(group) == 1:
        return group[0].self_conflicting or group[0].lock is not None
    return all(demand.lock is not None for demand in group)
