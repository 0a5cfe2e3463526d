"""Which projects can share an environment, as far as a scan knows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from enum import Enum

from depdoctor.model.conflict import Conflict, Conflicts
from depdoctor.model.inventory import Inventory
from depdoctor.model.target import Environment

Pair = tuple[str, str]


class Verdict(Enum):
    """What is known of two projects. Shown by a sign and told by words."""

    SHOWN = ("✓", "were shown to stand in one environment")
    APART = ("✗", "exclude one another")
    PYTHON = ("Py", "want different Pythons")
    UNKNOWN = ("?", "not known: one of them is not locked, or the search did not end")

    @property
    def sign(self) -> str:
        """What stands in a cell."""
        return self.value[0]

    @property
    def words(self) -> str:
        """What the sign means."""
        return self.value[1]


def apart(conflicts: Conflicts) -> Mapping[Pair, frozenset[str]]:
    """The packages that keep two projects apart, by pair in both orders."""
    found: defaultdict[Pair, set[str]] = defaultdict(set)
    for conflict in conflicts.conflicts:
        for one, other in _pairs(conflict):
            found[one, other].add(conflict.subject)
            found[other, one].add(conflict.subject)
    return {pair: frozenset(subjects) for pair, subjects in found.items()}


def _pairs(conflict: Conflict) -> Iterable[Pair]:
    """The pairs of projects that have all lines of a conflict between them."""
    lines: dict[tuple[str, ...], set[str]] = {}
    for cause in conflict.causes:
        lines.setdefault((cause.requirement, *cause.chain), set()).add(cause.project)
    for cause in conflict.others:
        if (cause.requirement, *cause.chain) in lines:
            lines[cause.requirement, *cause.chain].add(cause.project)
    # most conflicts are of two lines; where there are more, only those who have the rarest line can be in a pair
    rarest = min(lines.values(), key=len, default=set())
    everyone = set().union(*lines.values())
    for one in rarest:
        rest = [having for having in lines.values() if one not in having]
        for other in set.intersection(*rest) if rest else everyone - {one}:
            yield (one, other)


def verdicts(inventory: Inventory, conflicts: Conflicts) -> Mapping[Pair, Verdict]:
    """What is known of each two projects, in both orders."""
    kept_apart = apart(conflicts)
    environments = {
        entry.project.name: frozenset(outcome.environment for outcome in entry.outcomes) for entry in inventory.entries
    }
    decided = defaultdict[Environment, list[frozenset[str]]](list)
    for grouping in conflicts.groupings:
        decided[grouping.environment].append(frozenset().union(*grouping.groups))

    def verdict(one: str, other: str) -> Verdict:
        if (one, other) in kept_apart:
            return Verdict.APART
        mine, others = environments[one], environments[other]
        common = mine & others
        if mine and others and not common:
            return Verdict.PYTHON
        # every two projects that a grouping holds were looked at; where no conflict came of it, they have a resolution
        shown = all(any(one in group and other in group for group in decided[each]) for each in common)
        return Verdict.SHOWN if common and shown else Verdict.UNKNOWN

    names = list(environments)
    return {(one, other): verdict(one, other) for one in names for other in names if one != other}
