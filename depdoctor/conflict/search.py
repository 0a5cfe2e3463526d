"""Finds every minimal set of elements that cannot stand, within given scopes, with few questions.

A scope is a set of elements that may come to share an environment: those of one project, of two, of all that are
declared to share. Sets are integers, a bit per element (`depdoctor.conflict.bits`).

For every scope each of its largest parts that hold no known conflict must be shown to stand. Such parts of many scopes
are joined into one question as long as no known conflict is in it: if that stands, all of them do. If it does not, it
is shrunk to a new minimal conflict, and the parts are drawn up anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeGuard

from packaging.utils import NormalizedName
from packaging.version import Version

from depdoctor.conflict.asking import AT_ONCE, Ask
from depdoctor.conflict.bits import within
from depdoctor.conflict.demand import Element
from depdoctor.conflict.hitting import hitting_sets
from depdoctor.conflict.minimal import minimal
from depdoctor.model.finding import Kind
from depdoctor.model.lock import Answer, Impossible, Resolved, Unknown, Why

MOST_PARTS = 64
"""Parts looked at in one scope before pairs of elements must do."""

MOST_JOINED = 2000
"""Parts in one joined question."""

_FINAL = {Why.BUDGET, Why.OFFLINE, Why.UNREACHABLE}
"""Why it is of no use to ask anything else."""


class Search:
    """One search over `elements`.

    `conflicts` are the minimal sets found, each with the oracle's reason (None where it was not asked); some may lie in
    no scope. `undecided` are the sets about which there is no answer, and why.
    """

    def __init__(self, elements: Sequence[Element], ask: Ask) -> None:
        self.elements = tuple(elements)
        self.conflicts: dict[int, Impossible | None] = {}
        self.undecided: dict[int, Unknown | Impossible] = {}
        self._ask = ask
        self._standing: list[int] = []
        self._most_joined: dict[int, int] = {}
        self._builds_pending = False
        self._bits = {element: 1 << place for place, element in enumerate(self.elements)}
        self._by_name: dict[NormalizedName, list[Element]] = {}
        for element in self.elements:
            self._by_name.setdefault(element.name, []).append(element)

    def mask(self, elements: Iterable[Element]) -> int:
        """A set as an integer."""
        return sum(self._bits[element] for element in set(elements))

    def members(self, mask: int) -> tuple[Element, ...]:
        """The elements of a set, in order."""
        return tuple(element for element, bit in self._bits.items() if mask & bit)

    def stands(self, mask: int) -> bool | None:
        """What is known about a set without asking."""
        if any(within(mask, known) for known in self._standing):
            return True
        if any(within(known, mask) for known in self.conflicts):
            return False
        return None

    def learn(self, mask: int, versions: Mapping[NormalizedName, Version]) -> bool:
        """Take in versions that may let a set stand; False if they do not. Whatever else they satisfy stands too."""
        satisfied = self._satisfied(mask, versions)
        if not within(mask, satisfied):
            return False
        self._learn(satisfied)
        return True

    def run(self, scopes: Iterable[int], *, builds_pending: bool = False) -> None:
        """Decide every scope, as far as the oracle can.

        With `builds_pending`, a set that only a build stands in the way of is taken to stand.
        """
        self._builds_pending = builds_pending
        todo = sorted(set(scopes), key=lambda mask: (mask.bit_count(), mask))
        while True:
            parts = {scope: self._open(scope) for scope in todo}
            todo = [scope for scope in todo if parts[scope]]
            if not todo:
                return
            if not self._advance(sorted({part for opened in parts.values() for part in opened}, key=_largest_first)):
                return

    def _learn(self, mask: int) -> None:
        if not any(within(mask, known) for known in self._standing):
            self._standing = [known for known in self._standing if not within(known, mask)]
            self._standing.append(mask)

    def _satisfied(self, mask: int, versions: Mapping[NormalizedName, Version]) -> int:
        extras: dict[NormalizedName, set[str]] = {}
        for element in self.members(mask):
            if not element.constraint:
                extras.setdefault(element.name, set()).update(element.extras)
        satisfied = 0
        for name, elements in self._by_name.items():
            version = versions.get(name)
            for element in elements:
                if version is None:
                    holds = element.constraint
                else:
                    holds = element.admits(version) and extras.get(name, set()).issuperset(element.extras)
                if holds:
                    satisfied |= self._bits[element]
        return satisfied

    def _open(self, scope: int) -> tuple[int, ...]:
        """The largest parts of a scope without a known conflict about which nothing is known yet."""
        inside = [known for known in self.conflicts if within(known, scope)]
        parts = (scope & ~removed for removed in hitting_sets(inside, MOST_PARTS))
        return tuple(part for part in parts if part not in self.undecided and self.stands(part) is None)

    def _advance(self, parts: Sequence[int]) -> bool:
        """Ask about what is open, joined; False when it is of no use to go on."""
        joined = self._join(parts)
        answers = self._ask([frozenset(self.members(mask)) for mask in joined])
        for (mask, held), answer in zip(joined.items(), answers, strict=True):
            if isinstance(answer, Unknown) and answer.why in _FINAL:
                self.undecided.update(dict.fromkeys(parts, answer))
                return False
            if isinstance(answer, Resolved):
                if not self.learn(mask, answer.versions):
                    self._learn(mask)
            elif self._builds_pending and _needs_build(answer):
                self._learn(mask)
            elif not _is_conflict(answer):
                self._retry_apart(held, answer)
            elif self.stands(mask) is None and not self._explain(mask, answer):
                self._retry_apart(held, Unknown(why=Why.BUDGET, detail=answer.message))
        return True

    def _join(self, parts: Sequence[int]) -> dict[int, list[int]]:
        """Joined sets, each with the parts that it holds."""
        joined: list[tuple[int, list[int], int]] = []
        for part in parts:
            own = self._most_joined.get(part, MOST_JOINED)
            for place, (mask, held, most) in enumerate(joined):
                union, few = mask | part, min(own, most)
                if len(held) < few and (union == mask or not any(within(known, union) for known in self.conflicts)):
                    held.append(part)
                    joined[place] = (union, held, few)
                    break
            else:
                if len(joined) < AT_ONCE:
                    joined.append((part, [part], own))
        return {mask: held for mask, held, _ in joined}

    def _retry_apart(self, parts: Sequence[int], answer: Unknown | Impossible) -> None:
        """A joined set had no answer: join fewer next time, and give up what stood alone."""
        if len(parts) == 1:
            self.undecided[parts[0]] = answer
        for part in parts:
            self._most_joined[part] = max(1, len(parts) // 2)

    def _explain(self, mask: int, answer: Impossible) -> bool:
        """Shrink a set that cannot stand to a minimal conflict; False where that could not be done."""
        reasons: dict[frozenset[Element], Impossible] = {}

        def stands(sets: Sequence[frozenset[Element]]) -> Sequence[bool | None]:
            known = {one: self.stands(self.mask(one)) for one in sets}
            asked = [one for one, verdict in known.items() if verdict is None]
            for one, told in zip(asked, self._ask(asked), strict=True):
                known[one] = self._verdict(one, told, reasons)
            return [known[one] for one in sets]

        blamed = frozenset(element for element in self.members(mask) if element.name in answer.blamed)
        smallest = minimal(self.members(mask), blamed, stands)
        if smallest is None or stands([smallest])[0] is not False:
            return False
        found = self.mask(smallest)
        self.conflicts = {known: reason for known, reason in self.conflicts.items() if not within(found, known)}
        self.conflicts[found] = reasons[smallest]
        return True

    def _verdict(
        self, asked: frozenset[Element], answer: Answer, reasons: dict[frozenset[Element], Impossible]
    ) -> bool | None:
        if isinstance(answer, Resolved):
            self._learn(self.mask(asked))
            return True
        if _is_conflict(answer):
            reasons[asked] = answer
            return False
        return True if _needs_build(answer) else None


def _is_conflict(answer: Answer) -> TypeGuard[Impossible]:
    return isinstance(answer, Impossible) and answer.kind is Kind.VERSION_CONFLICT


def _needs_build(answer: Answer) -> bool:
    return isinstance(answer, Unknown) and answer.why is Why.NEEDS_BUILD


def _largest_first(mask: int) -> tuple[int, int]:
    return -mask.bit_count(), mask
