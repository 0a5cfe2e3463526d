"""Alignment, asked of uv against an index of real wheels with sizes and upload times."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from universe import reading

from depdoctor.adapters.index import RemoteWheels
from depdoctor.adapters.oracle import MemoOracle
from depdoctor.adapters.uv import UvResolver
from depdoctor.lock import enrich, lock, question
from depdoctor.model.alignment import Align, Alignment, Movable
from depdoctor.model.lock import Lock
from depdoctor.model.project import IndexOptions
from depdoctor.model.target import Environment, Platform
from depdoctor.plan.moves import align, settled

HERE = Environment(python="3.11", platform=Platform(libc_version=(2, 36)))
NOW = datetime(2026, 6, 1, tzinfo=UTC)
MB = 1_000_000


def release(name: str, version: str, uploaded: str, *requires: str, mb: int = 5) -> dict[str, Any]:
    return {
        "name": name,
        "version": version,
        "uploaded": datetime.fromisoformat(uploaded).date(),
        "requires": list(requires),
        "padding_bytes": mb * MB,
    }


RELEASES = [
    # a framework, what it pins, and what is released for one version of it alone
    release("frame", "2.0", "2025-01-01", "cuda==12.0"),
    release("frame", "2.1", "2025-09-01", "cuda==12.0"),
    release("frame", "3.0", "2026-05-01", "cuda==13.0"),
    release("cuda", "12.0", "2024-01-01", mb=9),
    release("cuda", "13.0", "2026-01-01", mb=9),
    release("vision", "0.2", "2025-01-01", "frame==2.0", mb=2),
    release("vision", "0.3", "2026-05-01", "frame==3.0", mb=2),
    # a library that others bring in, of which an older release is within the year, and one that is not
    release("arrays", "1.0", "2023-01-01"),
    release("arrays", "2.0", "2025-12-01"),
    release("arrays", "2.1", "2026-05-01"),
    release("old", "1.0", "2026-01-01", "arrays<2", mb=1),
    release("near", "1.0", "2026-01-01", "arrays<2.1", mb=1),
    release("free", "1.0", "2026-01-01", "arrays>=1", mb=1),
    # worth an advice
    release("giant", "1.0", "2024-01-01", mb=25),
    release("giant", "2.0", "2026-05-01", mb=25),
    release("small", "1.0", "2024-01-01", "giant<2", mb=1),
]

Ask = Callable[..., Alignment]


class Fleet:
    """Projects against the index: each a name with its lines."""

    def __init__(self, resolver: MemoOracle, wheels: RemoteWheels, index: str) -> None:
        self.resolver = resolver
        self.wheels = wheels
        self.indexes = IndexOptions(index_url=index)

    def lock(self, name: str, lines: Sequence[str]) -> Lock:
        found = lock(reading(name, lines), HERE, self.resolver, indexes=self.indexes, exclude_newer=NOW)
        assert isinstance(found, Lock)
        return enrich(found, self.wheels.facts(pin.file for pin in found.pins if pin.file))

    def movable(self, name: str, lines: Sequence[str]) -> Movable:
        read = reading(name, lines)
        return Movable(
            lock=self.lock(name, lines),
            question=question(read, HERE, indexes=self.indexes, exclude_newer=NOW),
            declared=read.manifests[0].requirements,
        )

    def align(
        self,
        projects: Mapping[str, Sequence[str]],
        mode: Align = Align.SAFE,
        worse: Callable[[Lock, Lock], bool] = lambda *_: False,
        settled: Sequence[str] = (),
    ) -> Alignment:
        movable = [replace(self.movable(name, lines), settled=name in settled) for name, lines in projects.items()]
        return align(movable, self.resolver, mode, worse)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, make_index: Any) -> Iterator[Fleet]:
    folder = make_index.write_index(tmp_path_factory.mktemp("heavy"), RELEASES)
    cache = tmp_path_factory.mktemp("cache")
    with make_index.served(folder) as address:
        resolver = UvResolver(cache)
        yield Fleet(MemoOracle(resolver), RemoteWheels(cache), address)
        resolver.close()


def versions(done: Alignment) -> dict[str, dict[str, str]]:
    return {one.project: {pin.name: str(pin.version) for pin in one.pins} for one in done.locks}


def saved(done: Alignment) -> int:
    return done.before_bytes - done.after_bytes


def test_what_nobody_names_may_go_a_year_back(fleet: Fleet) -> None:
    done = fleet.align({"a": ["near"], "b": ["free"]})
    assert versions(done)["b"] == {"free": "1.0", "arrays": "2.0"}
    (move,) = done.moves
    assert (move.package, move.before, move.after, move.projects) == ("arrays", "2.1", "2.0", ("b",))
    assert move.reason == "shared with a"
    assert move.saved_bytes == saved(done) > 4 * MB


def test_no_further_than_a_year(fleet: Fleet) -> None:
    done = fleet.align({"a": ["old"], "b": ["free"]})
    assert (done.moves, saved(done)) == ((), 0)
    assert versions(fleet.align({"a": ["old"], "b": ["free"]}, Align.DEEP))["b"]["arrays"] == "1.0"


def test_what_a_project_names_stays_unless_deep(fleet: Fleet) -> None:
    projects = {"a": ["near"], "b": ["free", "arrays"]}
    assert fleet.align(projects).moves == ()
    assert versions(fleet.align(projects, Align.DEEP))["b"]["arrays"] == "2.0"


def test_not_at_all(fleet: Fleet) -> None:
    done = fleet.align({"a": ["near"], "b": ["free"]}, Align.NONE)
    assert (done.moves, saved(done)) == ((), 0)
    assert versions(done)["b"]["arrays"] == "2.1"


def test_families_move_together(fleet: Fleet) -> None:
    done = fleet.align({"a": ["frame==2.0"], "b": ["frame", "vision"], "c": ["frame>=2"]}, Align.DEEP)
    assert versions(done)["b"] == {"frame": "2.0", "cuda": "12.0", "vision": "0.2"}
    assert versions(done)["c"] == {"frame": "2.0", "cuda": "12.0"}
    rows = {(move.package, move.before, move.after): move for move in done.moves}
    assert rows["frame", "3.0", "2.0"].projects == ("b", "c")
    assert rows["frame", "3.0", "2.0"].reason == "shared with a"
    assert rows["cuda", "13.0", "12.0"].reason == "goes with frame 2.0"
    assert rows["vision", "0.3", "0.2"].reason == "goes with frame 2.0"
    assert sum(move.saved_bytes for move in done.moves) == saved(done) > 13 * MB


def test_a_version_is_left_only_by_all_at_once(fleet: Fleet) -> None:
    """One project cannot follow, so the bytes stay, and nobody is moved for nothing."""
    done = fleet.align({"a": ["frame==2.0"], "b": ["frame"], "c": ["frame>=3"]}, Align.DEEP)
    assert (done.moves, saved(done)) == ((), 0)


def test_settled_ones_stay_and_are_followed(fleet: Fleet) -> None:
    projects = {"a": ["near"], "b": ["free"]}
    assert fleet.align(projects, settled=["b"]).moves == ()
    assert versions(fleet.align(projects, settled=["a"]))["b"]["arrays"] == "2.0"


def test_a_project_that_would_get_worse_keeps_its_own(fleet: Fleet) -> None:
    seen: list[tuple[str, str]] = []

    def worse(before: Lock, after: Lock) -> bool:
        seen.append((before.project, after.project))
        return True

    done = fleet.align({"a": ["near"], "b": ["free"]}, worse=worse)
    assert (done.moves, seen) == ((), [("b", "b")])


def test_advice_names_the_line_that_stands_in_the_way(fleet: Fleet) -> None:
    done = fleet.align({"a": ["giant==1.0"], "b": ["free", "giant==2.0"], "c": ["giant>=1"]}, Align.DEEP)
    assert versions(done)["c"]["giant"] == "2.0"
    assert done.moves == ()
    (advice, *_) = done.advice
    assert (advice.package, advice.before, advice.after, advice.projects) == ("giant", "1.0", "2.0", ("a",))
    assert [(edit.project, str(edit.location), edit.requirement) for edit in advice.edits] == [
        ("a", "a/requirements.txt:1", "giant==1.0")
    ]
    assert advice.saved_bytes > 24 * MB


def test_no_advice_that_does_not_resolve(fleet: Fleet) -> None:
    done = fleet.align({"a": ["giant==1.0", "small==1.0"], "b": ["giant==2.0"]}, Align.DEEP)
    assert [(one.before, one.after) for one in done.advice] == [("2.0", "1.0")]


def test_safe_tells_what_deep_would_do(fleet: Fleet) -> None:
    projects = {"a": ["giant==1.0"], "b": ["giant"]}
    done = fleet.align(projects)
    assert done.moves == ()
    deep = next(one for one in done.advice if not one.edits)
    assert (deep.package, deep.before, deep.after, deep.projects) == ("giant", "2.0", "1.0", ("b",))
    assert deep.saved_bytes == saved(fleet.align(projects, Align.DEEP))


def test_little_is_no_advice(fleet: Fleet) -> None:
    assert fleet.align({"a": ["frame==2.0"], "b": ["frame==3.0"]}, Align.DEEP).advice == ()


def test_settled_takes_the_committed_pins_where_they_still_stand(fleet: Fleet) -> None:
    one = fleet.movable("b", ["free"])
    earlier = fleet.lock("b", ["free", "arrays==2.0"])
    kept = settled(one, earlier, fleet.resolver)
    assert kept.settled
    assert {str(pin) for pin in kept.lock.pins} == {"free==1.0", "arrays==2.0"}
    widened = settled(fleet.movable("b", ["free", "arrays>=2.1"]), earlier, fleet.resolver)
    assert not widened.settled
    assert {str(pin) for pin in widened.lock.pins} == {"free==1.0", "arrays==2.1"}
    more = settled(fleet.movable("b", ["free", "cuda"]), earlier, fleet.resolver)
    assert not more.settled
    assert {str(pin) for pin in more.lock.pins} == {"free==1.0", "arrays==2.0", "cuda==13.0"}


def test_committed_pins_stay_where_nobody_can_tell(fleet: Fleet, tmp_path: Path) -> None:
    earlier = fleet.lock("b", ["free", "arrays==2.0"])
    unable = UvResolver(tmp_path, remaining_s=lambda: 0.0)
    kept = settled(fleet.movable("b", ["free"]), earlier, unable)
    assert (kept.settled, kept.lock.pins) == (True, earlier.pins)
    for lines in (["free", "arrays>=2.1"], ["free", "cuda"]):
        moved = fleet.movable("b", lines)
        assert settled(moved, earlier, unable) == moved


def test_order_of_projects_never_matters(fleet: Fleet) -> None:
    projects = {"a": ["near"], "b": ["free"], "c": ["frame==2.0"], "d": ["frame", "vision"], "e": ["old"]}
    forwards = fleet.align(projects, Align.DEEP)
    backwards = fleet.align(dict(reversed(projects.items())), Align.DEEP)
    assert versions(forwards) == versions(backwards)
    assert {replace(move, reason="") for move in forwards.moves} == {
        replace(move, reason="") for move in backwards.moves
    }


def test_every_lock_satisfies_its_project(fleet: Fleet) -> None:
    projects = {"a": ["near"], "b": ["free"], "c": ["frame==2.0"], "d": ["frame", "vision"], "e": ["frame>=2.1"]}
    for mode in Align:
        for one, lines in zip(fleet.align(projects, mode).locks, projects.values(), strict=True):
            pins = one.by_name
            demands = [*map(Requirement, lines), *(each for pin in one.pins for each in pin.requires or ())]
            assert all(each.specifier.contains(pins[each.name].version) for each in demands)  # type: ignore[index]
