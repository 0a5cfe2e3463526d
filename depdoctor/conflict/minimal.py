"""Shrinks a set that cannot stand to a minimal one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

Member = TypeVar("Member")

Stands = Callable[[Sequence[frozenset[Member]]], Sequence[bool | None]]
"""Whether each of several sets stands, asked side by side; None where that is not known."""

_FEW = 4
"""Up to this size, leaving each member out in turn costs no more than halving first."""


def minimal(members: Sequence[Member], hint: frozenset[Member], stands: Stands[Member]) -> frozenset[Member] | None:
    """A subset that cannot stand while each of its proper subsets does; None where that cannot be proven.

    `members` together must be known not to stand, and whatever contains a set that cannot stand must not stand either.
    `hint` is a guess at the answer: a right one of size k costs k + 1 questions in two rounds. Otherwise QuickXplain
    (Junker 2004) narrows the whole first, in about k log(n / k) questions.
    """
    whole = frozenset(members)
    seed = hint & whole
    if not seed or (seed != whole and stands([seed])[0] is not False):
        seed = whole
    if len(seed) > _FEW:
        seed = frozenset(_narrow(frozenset(), [member for member in members if member in seed], stands, asked=True))
    return _irreducible(seed, [member for member in members if member in seed], stands)


def _narrow(
    kept: frozenset[Member], rest: Sequence[Member], stands: Stands[Member], *, asked: bool
) -> Sequence[Member]:
    """The part of `rest` that together with `kept` cannot stand. `asked`: nothing new is in `kept`."""
    if not asked and stands([kept])[0] is False:
        return ()
    if len(rest) == 1:
        return rest
    half = len(rest) // 2
    first, second = rest[:half], rest[half:]
    from_second = _narrow(kept | frozenset(first), second, stands, asked=False)
    from_first = _narrow(kept | frozenset(from_second), first, stands, asked=not from_second)
    return (*from_first, *from_second)


def _irreducible(seed: frozenset[Member], order: Sequence[Member], stands: Stands[Member]) -> frozenset[Member] | None:
    while True:
        candidates = [seed - {member} for member in order if member in seed]
        verdicts = stands(candidates)
        smaller = next(
            (candidate for candidate, verdict in zip(candidates, verdicts, strict=True) if verdict is False), None
        )
        if smaller is None:
            return seed if all(verdicts) else None
        seed = smaller
