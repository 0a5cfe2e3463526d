"""Sets as integers: a bit per member, so that a subset test is one operation."""

from __future__ import annotations

from collections.abc import Iterator


def bits(mask: int) -> Iterator[int]:
    """The members of a set, each as a set of its own, lowest first."""
    while mask:
        low = mask & -mask
        yield low
        mask ^= low


def within(part: int, whole: int) -> bool:
    """Whether one set is a subset of another."""
    return part & ~whole == 0
