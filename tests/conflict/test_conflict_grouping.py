from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from universe import Universe

from depdoctor.adapters.oracle import MemoOracle
from depdoctor.conflict import finder
from depdoctor.conflict.grouping import partition

WORLD = {
    "a": {"1": ["x!=1"]},
    "b": {"1": ["x!=2"]},
    "c": {"1": ["x!=3"]},
    "x": {"1": [], "2": [], "3": []},
    "numpy": {"1": [], "2": []},
}


def groups_of(projects: list[int], conflicts: list[int]) -> int:
    """The fewest groups, by trying every way to number the projects."""
    counts = []
    for numbers in product(range(len(projects)), repeat=len(projects)):
        unions = dict.fromkeys(numbers, 0)
        for number, project in zip(numbers, projects, strict=True):
            unions[number] |= project
        if not any(known & ~union == 0 for known in conflicts for union in unions.values()):
            counts.append(len(unions))
    return min(counts)


@given(st.lists(st.integers(1, 255), min_size=1, max_size=5), st.lists(st.integers(1, 255), max_size=5))
def test_the_fewest_groups_without_a_conflict(projects: list[int], conflicts: list[int]) -> None:
    conflicts = [known for known in conflicts if all(known & ~project for project in projects)]
    groups = partition(projects, conflicts)
    assert sorted(place for group in groups for place in group) == list(range(len(projects)))
    for group in groups:
        union = 0
        for place in group:
            union |= projects[place]
        assert all(known & ~union for known in conflicts)
    assert len(groups) == groups_of(projects, conflicts)


def test_many_projects_are_grouped_in_bounded_time() -> None:
    projects = [1 << place for place in range(60)]
    conflicts = [1 << one | 1 << other for one in range(60) for other in range(one) if (one * other) % 7 == 1]
    groups = partition(projects, conflicts)
    assert 1 < len(groups) < 10


def test_a_scan_tells_which_projects_may_share_and_why_no_more() -> None:
    world = Universe(releases=WORLD)
    inventory = world.inventory({"p": ["numpy<2"], "q": ["numpy>=2"], "r": ["numpy"], "s": ["a"]})
    [grouping] = finder.find(inventory, MemoOracle(world), deadline=lambda: False).groupings
    assert len(grouping.groups) == 2
    assert sorted(name for group in grouping.groups for name in group) == ["p", "q", "r", "s"]
    [apart] = grouping.apart
    assert (apart.one, apart.other, apart.conflict.subject) == (0, 1, "numpy")


def test_a_group_of_which_each_two_fit_is_asked_about_as_a_whole() -> None:
    world = Universe(releases=WORLD)
    inventory = world.inventory({"p": ["a"], "q": ["b"], "r": ["c", "numpy<2"], "s": ["numpy>=2"]})
    [grouping] = finder.find(inventory, MemoOracle(world), deadline=lambda: False).groupings
    assert len(grouping.groups) == 2
    lines = {"p": ["a"], "q": ["b"], "r": ["c", "numpy<2"], "s": ["numpy>=2"]}
    for group in grouping.groups:
        assert world.stands([line for name in group for line in lines[name]]) is not None


@pytest.mark.parametrize("late", [True, False])
def test_what_is_not_decided_is_not_grouped(late: bool) -> None:
    world = Universe(releases=WORLD)
    inventory = world.inventory({"p": ["a", "numpy<2"], "q": ["b", "numpy>=2"], "r": ["c"]})
    result = finder.find(inventory, world, deadline=lambda: late)
    assert bool(result.groupings) is not late
    assert bool(result.incomplete) is late
