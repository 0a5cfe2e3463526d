from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from universe import Universe

from depdoctor.adapters.oracle import MemoOracle
from depdoctor.conflict import finder
from depdoctor.model.conflict import Fix

WORLD = {
    "rag": {"1.0": ["tokenizers<0.20"], "1.1": ["tokenizers<0.22"], "2.0": ["tokenizers"]},
    "vllm": {"0.5.1": ["tokenizers>=0.19"], "0.6.4": ["tokenizers>=0.20"]},
    "torch": {"2.2.0": [], "2.2.2": [], "2.4.0": []},
    "torchvision": {"0.17.2": ["torch==2.2.2"], "0.19.0": ["torch==2.4.0"]},
    "tokenizers": {"0.19.1": [], "0.20.0": [], "0.22.0": []},
}


def fixes(projects: Mapping[str, Sequence[str]]) -> tuple[Fix, ...]:
    world = Universe(releases=WORLD)
    inventory = world.inventory(projects)
    oracle = MemoOracle(world)
    found = finder.find(inventory, oracle, deadline=lambda: False)
    [mended] = finder.with_fixes(found, inventory, oracle, deadline=lambda: False).conflicts
    return mended.fixes


def edits(fix: Fix) -> list[tuple[str, str, str]]:
    return [(f"{edit.location}", edit.before, edit.after) for edit in fix.edits]


def test_the_nearest_versions_on_either_line() -> None:
    first, second = fixes({"app": ["rag==1.0"], "serve": ["vllm == 0.6.4"]})
    assert edits(first) == [("app/requirements.txt:1", "rag==1.0", "rag==1.1")]
    assert edits(second) == [("serve/requirements.txt:1", "vllm == 0.6.4", "vllm==0.5.1")]
    assert (second.name, str(second.selects)) == ("vllm", "0.5.1")


def test_the_same_line_is_changed_wherever_it_stands() -> None:
    found = fixes({"a": ["rag==1.0"], "b": ["tokenizers", "rag==1.0"], "serve": ["vllm==0.6.4"]})
    both = next(fix for fix in found if fix.name == "rag")
    assert edits(both) == [
        ("a/requirements.txt:1", "rag==1.0", "rag==1.1"),
        ("b/requirements.txt:2", "rag==1.0", "rag==1.1"),
    ]


def test_lines_of_one_project_move_together_where_no_single_one_will_do() -> None:
    pinned = {
        "a": ["torch==2.2.2", "torchvision==0.17.2"],
        "b": ["torch==2.4.0", "torchvision==0.19.0"],
    }
    world = Universe(releases=WORLD)
    inventory = world.inventory(pinned)
    found = finder.find(inventory, world, deadline=lambda: False)
    mended = finder.with_fixes(found, inventory, world, deadline=lambda: False)
    direct = next(
        one
        for one in mended.conflicts
        if {cause.requirement for cause in one.causes} == {"torch==2.2.2", "torch==2.4.0"}
    )
    assert [len(fix.edits) for fix in direct.fixes] == [2, 2]
    assert edits(direct.fixes[0]) == [
        ("a/requirements.txt:1", "torch==2.2.2", "torch==2.4.0"),
        ("a/requirements.txt:2", "torchvision==0.17.2", "torchvision==0.19.0"),
    ]


@pytest.mark.parametrize(("line", "after"), [("x>1", "x>=1"), ("x==2", "x==1")])
def test_a_line_that_is_the_only_one_that_can_change(line: str, after: str) -> None:
    world = Universe(releases={"x": {"1": [], "2": []}, "y": {"1": ["x==1"]}})
    inventory = world.inventory({"a": ["y==1"], "b": [line]})
    found = finder.find(inventory, world, deadline=lambda: False)
    [mended] = finder.with_fixes(found, inventory, world, deadline=lambda: False).conflicts
    assert [edits(fix) for fix in mended.fixes] == [[("b/requirements.txt:1", line, after)]]


def test_only_in_time() -> None:
    world = Universe(releases=WORLD)
    inventory = world.inventory({"app": ["rag==1.0"], "serve": ["vllm==0.6.4"]})
    found = finder.find(inventory, world, deadline=lambda: False)
    assert finder.with_fixes(found, inventory, world, deadline=lambda: True) == replace(found, untried=1)


@pytest.mark.parametrize("shared", [[], ["app", "serve"]])
def test_without_time_to_spare_only_those_that_fail_where_they_are_meant_to_run(shared: list[str]) -> None:
    world = Universe(releases=WORLD)
    inventory = world.inventory({"app": ["rag==1.0"], "serve": ["vllm==0.6.4"]}, shared=shared)
    found = finder.find(inventory, world, deadline=lambda: False)
    mended = finder.with_fixes(found, inventory, world, deadline=lambda: False, spare=lambda: True)
    assert [bool(one.fixes) for one in mended.conflicts] == [bool(shared)]
    assert mended.untried == (0 if shared else 1)


def test_those_that_fail_come_first_and_then_the_smallest() -> None:
    world = Universe(releases=WORLD)
    lines = {"a": ["tokenizers<0.20"], "b": ["tokenizers>=0.20", "rag==1.0"], "c": ["vllm==0.6.4"]}
    inventory = world.inventory(lines, shared=["b", "c"])
    found = finder.find(inventory, world, deadline=lambda: False)
    mended = finder.with_fixes(found, inventory, MemoOracle(world), deadline=lambda: False)
    assert all(one.fixes for one in mended.conflicts)
    [failing] = [one for one in mended.conflicts if one.projects == ("b",)]
    only = finder.with_fixes(found, inventory, MemoOracle(world), deadline=lambda: False, spare=lambda: True)
    assert [one for one in only.conflicts if one.fixes] == [failing]


def test_an_edit_is_told_only_of_projects_that_resolve_with_it() -> None:
    """Projects b and c hold the same line; c holds another one that keeps it where it is."""
    releases: dict[str, dict[str, Sequence[str]]] = {
        "x": {"1.1": [], "1.2": []},
        "z": {"1": ["x==1.2"]},
    }
    world = Universe(releases=releases)
    inventory = world.inventory({"a": ["x==1.1"], "b": ["x==1.2"], "c": ["x==1.2", "z==1"]})
    found = finder.find(inventory, world, deadline=lambda: False)
    mended = finder.with_fixes(found, inventory, world, deadline=lambda: False)
    [direct] = [one for one in mended.conflicts if {cause.requirement for cause in one.causes} == {"x==1.1", "x==1.2"}]
    whole, partial = direct.fixes
    assert edits(whole) == [("a/requirements.txt:1", "x==1.1", "x==1.2")]
    assert edits(partial) == [("b/requirements.txt:1", "x==1.2", "x==1.1")]


OLD_AND_NEW: dict[str, dict[str, Sequence[str]]] = {
    "chain": {"3.0": ["pydantic>=2"]},
    "pydantic": {"1.0": [], "2.0": []},
}


def mended(releases: Mapping[str, Mapping[str, Sequence[str]]], *, pinned: str) -> list[str]:
    """What the line of `api` is to be changed to, so that it stands with `chain`."""
    world = Universe(releases=releases)
    inventory = world.inventory({"app": [f"api=={pinned}"], "other": ["chain==3.0"]})
    found = finder.find(inventory, world, deadline=lambda: False)
    [one] = finder.with_fixes(found, inventory, world, deadline=lambda: False).conflicts
    return [edit.after for fix in one.fixes for edit in fix.edits]


def test_no_fix_goes_a_major_version_back_where_there_is_another() -> None:
    releases = {**OLD_AND_NEW, "api": {"1.1": ["pydantic"], "2.5": ["pydantic<2"], "3.0": ["pydantic>=2"]}}
    assert mended(releases, pinned="2.5") == ["api==3.0"]


def test_a_fix_that_goes_far_back_is_better_than_none() -> None:
    releases = {**OLD_AND_NEW, "api": {"1.1": ["pydantic"], "2.5": ["pydantic<2"]}}
    assert mended(releases, pinned="2.5") == ["api==1.1"]


def test_a_pre_release_is_told_only_where_there_is_nothing_else() -> None:
    releases = {**OLD_AND_NEW, "api": {"2.5": ["pydantic<2"], "3.0rc1": ["pydantic>=2"]}}
    assert mended(releases, pinned="2.5") == ["api==3.0rc1"]
    assert mended({**releases, "api": {**releases["api"], "4.0": []}}, pinned="2.5") == ["api==4.0"]
