"""Projects of different Pythons: who is told to be apart is apart wherever they could meet, and nobody is missed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st
from test_conflicts_found import fleets, universes
from universe import Universe, Worlds

from depdoctor.conflict import finder

PYTHONS = ("3.10", "3.11", "3.12")


@settings(deadline=None, max_examples=30)
@given(st.tuples(universes(), universes()), fleets, st.data())
def test_pairs_of_different_pythons(
    two: tuple[Universe, Universe], fleet: dict[str, list[str]], data: st.DataObject
) -> None:
    worlds = Worlds({"3.10": two[0], "3.11": two[1], "3.12": two[0]})
    homes = {name: data.draw(st.sampled_from(PYTHONS)) for name in sorted(fleet)}
    admitted = {name: {home, *data.draw(st.sets(st.sampled_from(PYTHONS)))} for name, home in homes.items()}

    def pythons(names: Sequence[str]) -> Sequence[str]:
        return [python for python in PYTHONS if all(python in admitted[name] for name in names)]

    entries = worlds.inventory({name: (homes[name], lines) for name, lines in fleet.items()})
    found = finder.find(entries, worlds, deadline=lambda: False, pythons=pythons)

    def stands(python: str, *names: str) -> bool:
        return worlds.by_python[python].stands([line for name in names for line in fleet[name]]) is not None

    for one, other in combinations(sorted(fleet), 2):
        if homes[one] == homes[other]:
            continue
        lines = {*fleet[one], *fleet[other]}
        told = [
            each
            for each in found.conflicts
            if {one, other} <= set(each.projects) and {cause.requirement for cause in each.causes} <= lines
        ]
        common = pythons([one, other])
        places = [python for python in common if python in (homes[one], homes[other])] or common[:1]
        assert ((one, other) in found.strangers) == (not common)
        if any(stands(python, one, other) for python in places):
            assert not [each for each in told if each.projects == (one, other)]
        elif any(stands(python, one) and stands(python, other) for python in places):
            assert told
