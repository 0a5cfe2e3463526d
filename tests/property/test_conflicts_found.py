"""Against an oracle that tries every combination: all minimal conflicts are found, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st
from universe import Universe

from depdoctor.adapters.oracle import MemoOracle
from depdoctor.conflict import finder
from depdoctor.model.conflict import Conflict
from depdoctor.model.lock import Unresolvable

NAMES = ("a", "b", "c", "d")
VERSIONS = ("1", "2", "3")


def requirement(names: Sequence[str]) -> st.SearchStrategy[str]:
    operators = st.sampled_from(("==", ">=", "<=", "<", ">", "!=", ""))
    return st.builds(
        lambda name, operator, version: f"{name}{operator}{version}" if operator else name,
        st.sampled_from(names),
        operators,
        st.sampled_from(VERSIONS),
    )


@st.composite
def universes(draw: st.DrawFn) -> Universe:
    releases: dict[str, Mapping[str, Sequence[str]]] = {}
    for place, name in enumerate(NAMES):
        versions = draw(st.lists(st.sampled_from(VERSIONS), min_size=1, unique=True))
        later = NAMES[place + 1 :]
        needs = st.lists(requirement(later), max_size=2) if later else st.just([])
        releases[name] = {version: draw(needs) for version in versions}
    return Universe(releases=releases, hints=tuple(draw(st.lists(st.sampled_from(NAMES), unique=True))))


fleets = st.dictionaries(
    st.sampled_from(("p", "q", "r", "s")), st.lists(requirement(NAMES), min_size=1, max_size=3, unique=True), min_size=1
)


def texts(found: Conflict) -> frozenset[str]:
    return frozenset(cause.requirement for cause in found.causes)


def expected(world: Universe, fleet: Mapping[str, Sequence[str]]) -> dict[frozenset[str], set[str]]:
    """Minimal conflicts between two projects that each resolve, with all projects that take part."""
    able = {name: lines for name, lines in fleet.items() if world.stands(lines) is not None}
    found: dict[frozenset[str], set[str]] = {}
    for one, other in combinations(sorted(able), 2):
        for core in world.minimal([*able[one], *able[other]]):
            found.setdefault(core, set()).update({one, other})
    return found


@settings(deadline=None, max_examples=60)
@given(universes(), fleets)
def test_every_conflict_between_projects_is_found_once(world: Universe, fleet: dict[str, list[str]]) -> None:
    inventory = world.inventory(fleet)
    result = finder.find(inventory, MemoOracle(world), deadline=lambda: False)
    able = {entry.project.name for entry in inventory.entries if entry.locks}
    between = [found for found in result.conflicts if texts(found) <= {line for name in able for line in fleet[name]}]
    between = [found for found in between if len(found.projects) > 1]
    told = {texts(found): set(found.projects) & able for found in between}
    assert told == expected(world, fleet)
    assert len(told) == len(between)
    assert not result.incomplete


@settings(deadline=None, max_examples=60)
@given(universes(), fleets)
def test_every_conflict_inside_a_project_is_found(world: Universe, fleet: dict[str, list[str]]) -> None:
    inventory = world.inventory(fleet)
    result = finder.find(inventory, world, deadline=lambda: False)
    for entry in inventory.entries:
        name = entry.project.name
        told = {texts(found) for found in result.conflicts if found.projects == (name,)}
        unable = isinstance(entry.outcomes[0], Unresolvable)
        assert told == (world.minimal(fleet[name]) if unable else set())


@settings(deadline=None, max_examples=60)
@given(universes(), fleets)
def test_what_is_told_is_impossible_minimal_and_in_its_place(world: Universe, fleet: dict[str, list[str]]) -> None:
    result = finder.find(world.inventory(fleet), world, deadline=lambda: False)
    for found in result.conflicts:
        lines = sorted(texts(found))
        assert world.stands(lines) is None
        if len(found.projects) == 1 or all(world.stands(fleet[name]) for name in found.projects):
            assert all(world.stands([line for line in lines if line != left_out]) is not None for left_out in lines)
        for cause in (*found.causes, *found.others):
            assert fleet[cause.project][cause.location.line - 1] == cause.requirement
            assert cause.location.path == f"{cause.project}/requirements.txt"
            assert cause.chain[0].replace(",", "") == cause.requirement


@settings(deadline=None, max_examples=40)
@given(universes(), fleets)
def test_projects_that_share_are_held_against_each_other_all_at_once(
    world: Universe, fleet: dict[str, list[str]]
) -> None:
    able = {name: lines for name, lines in fleet.items() if world.stands(lines) is not None}
    inventory = world.inventory(able, shared=sorted(able))
    result = finder.find(inventory, world, deadline=lambda: False)
    assert {texts(found) for found in result.conflicts} == world.minimal(
        [line for lines in able.values() for line in lines]
    )


@settings(deadline=None, max_examples=30)
@given(universes(), fleets, st.randoms(use_true_random=False))
def test_the_answer_does_not_depend_on_chance(world: Universe, fleet: dict[str, list[str]], chance: object) -> None:
    shuffled = dict(sorted(fleet.items(), key=lambda _: chance.random()))  # type: ignore[attr-defined]
    first, second = (
        finder.find(world.inventory(projects), world, deadline=lambda: False) for projects in (fleet, shuffled)
    )
    assert first == second


@settings(deadline=None, max_examples=60)
@given(universes(), fleets)
def test_every_fix_resolves(world: Universe, fleet: dict[str, list[str]]) -> None:
    inventory = world.inventory(fleet)
    found = finder.find(inventory, world, deadline=lambda: False)
    for mended in finder.with_fixes(found, inventory, world, deadline=lambda: False).conflicts:
        for fix in mended.fixes:
            after = {(edit.project, edit.location.line): edit.after for edit in fix.edits}
            lines = [after.get((cause.project, cause.location.line), cause.requirement) for cause in mended.causes]
            assert world.stands(lines) is not None
            for project in {edit.project for edit in fix.edits}:
                edited = [after.get((project, line), text) for line, text in enumerate(fleet[project], start=1)]
                assert world.stands(edited) is not None
