"""What is remembered of projects is what was read, or nothing; and no file in a cache folder gets code run."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from depdoctor import discover, read
from depdoctor.adapters.project_memory import MOST_FLEETS, ProjectMemory, Remembered, requirement
from depdoctor.adapters.watch import watching

LINES = [
    "numlib",
    "numlib>=1.2,<2,!=1.5.*",
    "Num.Lib[fast,Gpu_x]~=2.0; python_version < '3.11' and extra == 'All_Things'",
    "numlib===weird",
    "numlib @ https://index.example/numlib-1.0.zip ; sys_platform == 'linux' or (os_name != 'nt' and extra == 'a')",
    "numlib==1.0+local; 'x86' in platform_machine",
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "fleet" / "a").mkdir(parents=True)
    (tmp_path / "fleet" / "a" / "requirements.txt").write_text("\n".join(LINES))
    return tmp_path / "fleet"


def remembered(root: Path) -> Remembered:
    (project,) = discover.discover(root)
    with watching(root) as watch:
        reading = read.read(project, root)
    watch._began += 100  # as if the files had lain there for a while
    seen = watch.seen()
    assert seen is not None
    return Remembered(reading=reading, outcomes=None, seen=seen)


def test_a_project_is_told_as_it_was_read(root: Path, tmp_path: Path) -> None:
    before = remembered(root)
    memory = ProjectMemory(tmp_path / "cache", root, ["state"])
    memory.keep(before)
    after = memory.recall(before.reading.project)
    assert after == before
    assert repr(after) == repr(before)
    assert ProjectMemory(tmp_path / "cache", root, ["another"]).recall(before.reading.project) is None


CHANGES: dict[str, Callable[[Path], object]] = {
    "another line": lambda root: (root / "a" / "requirements.txt").write_text("numlib\n"),
    "a file that was not there": lambda root: (root / "a" / ".python-version").write_text("3.10"),
    "one further up": lambda root: (root / ".python-version").write_text("3.10"),
    "a file that is gone": lambda root: (root / "a" / "requirements.txt").unlink(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_changed_is_not_told(change: str, root: Path, tmp_path: Path) -> None:
    before = remembered(root)
    memory = ProjectMemory(tmp_path / "cache", root, ["state"])
    memory.keep(before)
    CHANGES[change](root)
    assert memory.recall(before.reading.project) is None


@pytest.mark.parametrize("line", LINES)
def test_a_requirement_of_parts_is_the_one_that_was_parsed(line: str) -> None:
    parsed = Requirement(line)
    marker = str(parsed.marker) if parsed.marker else ""
    made = requirement(parsed.name, parsed.url, tuple(sorted(parsed.extras)), str(parsed.specifier), marker)
    assert made == parsed
    assert (str(made), repr(made), hash(made), made.extras) == (str(parsed), repr(parsed), hash(parsed), parsed.extras)
    assert pickle.loads(pickle.dumps(made)) == parsed
    if parsed.marker and made.marker:
        for extra in ("all-things", "a", ""):
            assert made.marker.evaluate({"extra": extra}) == parsed.marker.evaluate({"extra": extra})


class Wicked:
    """Makes a file wherever it is unpickled."""

    def __init__(self, what: object, *arguments: object) -> None:
        self.made = what, arguments

    def __reduce__(self) -> object:
        return self.made


def test_no_pickle_gets_code_run(root: Path, tmp_path: Path) -> None:
    before = remembered(root)
    memory = ProjectMemory(tmp_path / "cache", root, ["state"])
    memory.keep(before)
    (path,) = (tmp_path / "cache").glob("projects-*/*/*")
    head = json.loads(path.read_bytes().partition(b"\n")[0])
    victim = tmp_path / "victim"
    for wicked in (
        Wicked(Path.touch, victim),
        Wicked(eval, f"open({str(victim)!r}, 'w')"),
        Wicked(__import__, "os"),
        Wicked(getattr, Requirement, "__init__"),
    ):
        content = pickle.dumps((wicked, None))
        head["content"] = hashlib.sha256(content).hexdigest()
        path.write_bytes(json.dumps(head).encode() + b"\n" + content)
        assert memory.recall(before.reading.project) is None
    assert not victim.exists()


def test_a_damaged_memory_is_none(root: Path, tmp_path: Path) -> None:
    before = remembered(root)
    memory = ProjectMemory(tmp_path / "cache", root, ["state"])
    memory.keep(before)
    (path,) = (tmp_path / "cache").glob("projects-*/*/*")
    whole = path.read_bytes()
    for damaged in (b"", b"[]\n", b"{}\n", whole[:-9], whole.replace(b"numlib", b"other1"), b"\xff" + whole):
        path.write_bytes(damaged)
        assert memory.recall(before.reading.project) is None


def test_only_what_is_there_is_kept(root: Path, tmp_path: Path) -> None:
    before = remembered(root)
    for number in range(MOST_FLEETS + 3):
        (tmp_path / str(number)).mkdir()
        memory = ProjectMemory(tmp_path / "cache", tmp_path / str(number), ["state"])
        memory.keep(before)
        memory.forget_others([before.reading.project])
    assert len(list((tmp_path / "cache").glob("projects-*/*"))) == MOST_FLEETS
    memory.forget_others([])
    assert len(list((tmp_path / "cache").glob("projects-*/*/*"))) == MOST_FLEETS - 1


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(root: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").touch()
    before = remembered(root)
    memory = ProjectMemory(tmp_path / "cache", root, ["state"])
    memory.keep(before)
    memory.forget_others([])
    assert memory.recall(before.reading.project) is None
