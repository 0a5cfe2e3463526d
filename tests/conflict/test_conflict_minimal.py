from __future__ import annotations

from collections.abc import Sequence

import pytest

from depdoctor.conflict.hitting import hitting_sets
from depdoctor.conflict.minimal import minimal


class Asked:
    """Knows what cannot stand, and counts."""

    def __init__(self, *conflicts: str, unknown: str = "") -> None:
        self.conflicts = [frozenset(conflict) for conflict in conflicts]
        self.unknown = frozenset(unknown)
        self.count = 0

    def __call__(self, sets: Sequence[frozenset[str]]) -> Sequence[bool | None]:
        self.count += len(sets)
        return [None if one == self.unknown else not any(bad <= one for bad in self.conflicts) for one in sets]


def test_a_right_guess_costs_one_question_more_than_it_has_members() -> None:
    asked = Asked("ab")
    assert minimal("abcdefghij", frozenset("ab"), asked) == frozenset("ab")
    assert asked.count == 3


@pytest.mark.parametrize("hint", ["", "cd", "abcdefghij", "ac", "xyz"])
def test_a_wrong_guess_does_no_harm(hint: str) -> None:
    asked = Asked("bgj")
    assert minimal("abcdefghij", frozenset(hint), asked) == frozenset("bgj")


def test_one_of_several_is_found_and_nothing_beside_it() -> None:
    found = minimal("abcdefghij", frozenset(), Asked("abc", "cde", "j"))
    assert found in {frozenset("abc"), frozenset("cde"), frozenset("j")}


def test_what_cannot_be_shown_to_be_minimal_is_not_told() -> None:
    assert minimal("ab", frozenset("ab"), Asked("ab", unknown="a")) is None


def test_large_sets_are_halved() -> None:
    asked = Asked("am")
    assert minimal("abcdefghijklmnopqrstuvwxyz", frozenset(), asked) == frozenset("am")
    assert asked.count < 26


def test_all_minimal_ways_out_are_given() -> None:
    assert sorted(hitting_sets([0b011, 0b110], 64)) == [0b010, 0b101]
    assert list(hitting_sets([], 64)) == [0]


def test_of_too_many_ways_out_enough_are_given_to_leave_any_two_in_together() -> None:
    conflicts = [0b11 << (2 * place) for place in range(10)]
    chosen = list(hitting_sets(conflicts, 64))
    assert 1 < len(chosen) < 64
    assert all(any(conflict & one for one in [way]) for way in chosen for conflict in conflicts)
    for one in range(20):
        for other in range(one):
            if one // 2 != other // 2:
                assert any(not way & (1 << one | 1 << other) for way in chosen)
