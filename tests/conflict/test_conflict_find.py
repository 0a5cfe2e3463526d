from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from packaging.requirements import Requirement
from packaging.version import Version
from universe import HERE, TODAY, Universe, reading

from depdoctor.adapters.oracle import MemoOracle
from depdoctor.conflict import finder
from depdoctor.model.conflict import Conflicts
from depdoctor.model.finding import Kind
from depdoctor.model.inventory import Entry, Inventory
from depdoctor.model.lock import Answer, DeclaredOnly, Impossible, Question, Unknown, Unresolvable, Why
from depdoctor.model.project import DeclaredRequirement, IndexOptions, Location
from depdoctor.model.target import Environment

WORLD = {
    "langchain-upstage": {"0.3.0": ["tokenizers<0.20"]},
    "vllm": {"0.6.4": ["transformers>=4.45"]},
    "transformers": {"4.45.0": ["tokenizers>=0.20"], "4.57.0": ["tokenizers>=0.22"]},
    "tokenizers": {"0.19.1": [], "0.20.0": [], "0.22.0": []},
    "numpy": {"1.26.0": [], "2.1.0": []},
}


def find(projects: Mapping[str, Sequence[str]]) -> Conflicts:
    world = Universe(releases=WORLD)
    return finder.find(world.inventory(projects), MemoOracle(world), deadline=lambda: False)


def with_reading(entry: Entry, **changed: object) -> Entry:
    """The entry with another manifest than the one of its lines."""
    manifest = replace(entry.reading.manifests[0], **changed)  # type: ignore[arg-type]
    return replace(entry, reading=replace(entry.reading, manifests=(manifest,)))


def test_a_conflict_in_a_package_that_no_project_names() -> None:
    [found] = find({"rag": ["langchain-upstage==0.3.0", "numpy"], "evaluate": ["numpy", "vllm==0.6.4"]}).conflicts
    assert (found.subject, found.projects) == ("tokenizers", ("evaluate", "rag"))
    assert [(cause.location.path, cause.location.line, cause.chain[-1]) for cause in found.causes] == [
        ("evaluate/requirements.txt", 2, "tokenizers>=0.22"),
        ("rag/requirements.txt", 1, "tokenizers<0.20"),
    ]


def test_the_same_conflict_of_many_projects_is_told_once() -> None:
    fleet = {f"old{n}": ["numpy<2"] for n in range(5)} | {f"new{n}": ["numpy>=2"] for n in range(4)}
    [found] = find(fleet).conflicts
    assert found.projects == tuple(sorted(fleet))
    assert len(found.causes) == 2
    assert {cause.project for cause in (*found.causes, *found.others)} == set(fleet)


def test_locks_that_agree_and_lines_that_exclude_each_other_cost_no_question() -> None:
    world = Universe(releases=WORLD)
    inventory = world.inventory({"a": ["vllm"], "b": ["transformers>=4.45"], "c": ["numpy<2"], "d": ["numpy>=2"]})
    result = finder.find(inventory, world, deadline=lambda: False)
    assert [found.subject for found in result.conflicts] == ["numpy"]
    assert world.asked == []


def test_many_pairs_are_asked_about_at_once() -> None:
    releases = {f"p{n}": {"1": ["numpy"], "2": ["numpy>=2"]} for n in range(20)} | {"numpy": {"1": [], "2": []}}
    world = Universe(releases={name: releases[name] for name in ("p0", "p1", "p2", "p3", "numpy")})
    inventory = world.inventory({"x": ["numpy==1", "p0"], "y": ["p1"], "z": ["p2"], "w": ["p3"]})
    assert finder.find(inventory, world, deadline=lambda: False).conflicts == ()
    assert len(world.asked) == 1


@pytest.mark.parametrize("why", list(Why))
def test_what_is_not_known_is_never_a_conflict(why: Why) -> None:
    class Unsure(Universe):
        def ask(self, _: Question) -> Answer:
            return Unknown(why=why, detail="nobody knows")

    world = Unsure(releases=WORLD)
    inventory = world.inventory({"rag": ["langchain-upstage"], "evaluate": ["vllm"]})
    result = finder.find(inventory, world, deadline=lambda: False)
    assert result.conflicts == ()
    assert result.incomplete == ("conflicts of evaluate and rag: nobody knows",)


def test_an_impossibility_of_another_kind_is_no_conflict() -> None:
    class Wheelless(Universe):
        def ask(self, question: Question) -> Answer:
            answer = super().resolve(question)
            return replace(answer, kind=Kind.NO_WHEEL) if isinstance(answer, Impossible) else answer

    world = Wheelless(releases=WORLD)
    inventory = world.inventory({"rag": ["langchain-upstage"], "evaluate": ["vllm"]})
    result = finder.find(inventory, world, deadline=lambda: False)
    assert result.conflicts == ()
    assert len(result.incomplete) == 1


def test_what_one_question_cannot_answer_does_not_hide_the_rest() -> None:
    class Picky(Universe):
        def ask(self, question: Question) -> Answer:
            if len({Requirement(text).name for text in question.requirements} & {"numpy", "vllm"}) > 1:
                return Unknown(why=Why.NOT_UNDERSTOOD, detail="numpy and vllm")
            return super().resolve(question)

    world = Picky(releases=WORLD)
    old = ["numpy<2", "tokenizers<0.22"]
    inventory = world.inventory({"rag": ["langchain-upstage"], "evaluate": ["vllm"], "old": old})
    result = finder.find(inventory, world, deadline=lambda: False)
    assert {found.projects for found in result.conflicts} == {("evaluate", "rag")}
    assert result.incomplete == ("conflicts of evaluate and old: numpy and vllm",)


def test_when_time_is_up_what_lines_tell_is_still_told() -> None:
    world = Universe(releases=WORLD)
    inventory = world.inventory({"a": ["numpy<2"], "b": ["numpy>=2"], "c": ["langchain-upstage"], "d": ["vllm"]})
    result = finder.find(inventory, world, deadline=lambda: True)
    assert [found.subject for found in result.conflicts] == ["numpy"]
    assert world.asked == []
    assert len(result.incomplete) == 1


def test_an_answer_that_does_not_come_is_not_waited_for() -> None:
    never, asked = threading.Event(), threading.Event()

    class Stuck(Universe):
        def ask(self, question: Question) -> Answer:
            asked.set()
            assert never.wait(60)
            return self.resolve(question)

    world = Stuck(releases=WORLD)
    inventory = world.inventory({"c": ["langchain-upstage"], "d": ["vllm"]})
    result = finder.find(inventory, world, deadline=asked.is_set)
    never.set()
    assert result.conflicts == ()
    assert result.incomplete == ("conflicts of c and d: the time for this run was spent",)


def unresolved(entry: Entry, reason: Impossible | Unknown) -> Entry:
    """The entry as it is where no lock could be had."""
    name = entry.project.name
    if isinstance(reason, Unknown):
        return replace(entry, outcomes=(DeclaredOnly(project=name, environment=HERE, reason=reason),))
    return replace(entry, outcomes=(Unresolvable(project=name, environment=HERE, reason=reason),))


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (Impossible(kind=Kind.VERSION_GONE, message="gone"), 1),
        (Unknown(why=Why.UNREACHABLE, detail="no route"), 1),
        (Unknown(why=Why.NEEDS_BUILD, detail="sdist"), 2),
    ],
)
def test_a_project_without_a_lock_is_compared_as_far_as_can_be(reason: Impossible | Unknown, told: int) -> None:
    world = Universe(releases=WORLD)
    inventory = world.inventory({"a": ["langchain-upstage", "numpy<2"], "b": ["numpy>=2", "vllm"]})
    entries = (inventory.entries[0], unresolved(inventory.entries[1], reason))
    result = finder.find(replace(inventory, entries=entries), world, deadline=lambda: False)
    assert len(result.conflicts) == told
    assert result.incomplete == ()


def test_that_time_ran_out_is_told_of_what_needs_a_build_too() -> None:
    world = Universe(releases=WORLD)
    inventory = world.inventory({"a": ["langchain-upstage"], "b": ["vllm"]})
    pending = unresolved(inventory.entries[1], Unknown(why=Why.NEEDS_BUILD, detail="sdist"))
    late = replace(inventory, entries=(inventory.entries[0], pending))
    result = finder.find(late, world, deadline=lambda: True)
    assert result.incomplete == ("conflicts of a and b: the time for this run was spent",)
    assert world.asked == []


def test_markers_groups_and_addresses_are_minded() -> None:
    lines = [
        'numpy<2; python_version < "3.9"',
        "vllm @ https://index.example/vllm-0.6.4-py3-none-any.whl",
        "tokenizers==0.22.0",
    ]
    declared = [replace(line, group="test" if line.name == "tokenizers" else "") for line in declare(lines)]
    world = Universe(releases=WORLD)
    inventory = world.inventory({"a": ["numpy<2"], "b": ["numpy>=2", "langchain-upstage"]})
    entries = (with_reading(inventory.entries[0], requirements=tuple(declared)), inventory.entries[1])
    assert finder.find(replace(inventory, entries=entries), world, deadline=lambda: False).conflicts == ()


def test_a_group_that_is_installed_counts() -> None:
    declared = [replace(line, group="group:test") for line in declare(["tokenizers==0.22.0"])]
    world = Universe(releases=WORLD)
    inventory = world.inventory({"a": ["tokenizers"], "b": ["langchain-upstage"]})
    entry = with_reading(inventory.entries[0], requirements=tuple(declared))
    [lock] = entry.locks
    entry = replace(entry, outcomes=(replace(lock, groups=("test",)),))
    result = finder.find(replace(inventory, entries=(entry, inventory.entries[1])), world, deadline=lambda: False)
    assert [found.subject for found in result.conflicts] == ["tokenizers"]


def test_a_constraint_bears_on_what_another_project_brings() -> None:
    world = Universe(releases=WORLD)
    inventory = world.inventory({"a": ["numpy"], "b": ["vllm"]})
    constrained = with_reading(inventory.entries[0], constraints=declare(["tokenizers<0.20"]))
    [found] = finder.find(
        replace(inventory, entries=(constrained, inventory.entries[1])), world, deadline=lambda: False
    ).conflicts
    assert (found.subject, [cause.requirement for cause in found.causes]) == ("tokenizers", ["tokenizers<0.20", "vllm"])


def test_a_project_that_has_only_a_lockfile_is_known_by_its_pins() -> None:
    world = Universe(releases=WORLD)
    inventory = world.inventory({"a": ["numpy<2"], "b": ["numpy>=2"]})
    entry = with_reading(inventory.entries[0], path="a/uv.lock", format="uv.lock", requirements=())
    [lock] = entry.locks
    entry = replace(entry, outcomes=(replace(lock, origin=Location(path="a/uv.lock")),))
    [found] = finder.find(
        replace(inventory, entries=(entry, inventory.entries[1])), world, deadline=lambda: False
    ).conflicts
    assert [str(cause.location) for cause in found.causes] == ["a/uv.lock", "b/requirements.txt:1"]


def test_a_lock_that_does_not_satisfy_its_lines_proves_nothing() -> None:
    world = Universe(releases=WORLD)
    inventory = world.inventory({"a": ["vllm"], "b": ["langchain-upstage"]})
    [lock] = inventory.entries[0].locks
    drifted = replace(lock, pins=(world.pin("numpy", Version("2.1.0")),))
    entries = (replace(inventory.entries[0], outcomes=(drifted,)), inventory.entries[1])
    result = finder.find(replace(inventory, entries=entries), world, deadline=lambda: False)
    assert [found.projects for found in result.conflicts] == [("a", "b")]


def test_projects_ask_the_indexes_that_they_name_and_no_others() -> None:
    world = Universe(releases=WORLD)
    inventory = world.inventory({"a": ["vllm"], "b": ["langchain-upstage"], "c": ["tokenizers<0.20", "numpy"]})
    own = IndexOptions(extra_index_urls=("https://index.example/cu118",))
    entries = (with_reading(inventory.entries[0], indexes=own), *inventory.entries[1:])
    finder.find(replace(inventory, entries=entries), world, deadline=lambda: False)
    for question in world.asked:
        assert question.indexes == (
            own if any(text.startswith("vllm") for text in question.requirements) else IndexOptions()
        )


def test_environments_are_searched_apart_and_told_once() -> None:
    world = Universe(releases=WORLD)
    inventory = world.inventory({"a": ["numpy<2"], "b": ["numpy>=2"]})
    later = Environment(python="3.12", platform=HERE.platform)
    entries = tuple(
        replace(entry, outcomes=(*entry.outcomes, *(replace(lock, environment=later) for lock in entry.locks)))
        for entry in inventory.entries
    )
    assert len(finder.find(replace(inventory, entries=entries), world, deadline=lambda: False).conflicts) == 1
    apart = (entries[0], replace(entries[1], outcomes=entries[1].outcomes[1:]))
    [found] = finder.find(replace(inventory, entries=apart), world, deadline=lambda: False).conflicts
    assert found.environment == later


def test_three_that_share_are_held_against_each_other_though_each_two_fit() -> None:
    releases = {
        "a": {"1": ["x!=1"]},
        "b": {"1": ["x!=2"]},
        "c": {"1": ["x!=3"]},
        "x": {"1": [], "2": [], "3": []},
    }
    world = Universe(releases=releases)
    fleet = {"p": ["a"], "q": ["b"], "r": ["c"]}
    assert finder.find(world.inventory(fleet), world, deadline=lambda: False).conflicts == ()
    [found] = finder.find(world.inventory(fleet, shared=["p", "q", "r"]), world, deadline=lambda: False).conflicts
    assert (found.subject, found.projects) == ("x", ("p", "q", "r"))


def test_no_project_no_question() -> None:
    inventory = Inventory(root=".", entries=(), targets=(), index_date=TODAY)
    assert finder.find(inventory, Universe(releases={}), deadline=lambda: False) == Conflicts()


def declare(lines: Sequence[str]) -> tuple[DeclaredRequirement, ...]:
    """Lines as a manifest states them."""
    return reading("a", lines).manifests[0].requirements
