"""What is read is seen, and so is every change of it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from depdoctor.adapters.watch import LARGE_BYTES, Seen, Watch, unchanged, watching

PAST_S = 1_000_000_000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "fleet"
    (folder / "inner").mkdir(parents=True)
    (folder / "requirements.txt").write_text("numlib\n")
    (folder / "inner" / "notes.txt").write_text("old")
    return folder


def look(root: Path) -> Seen:
    """Read as a scan does, and give what was seen."""
    time.sleep(0.06)  # what was written just now may still be written
    with watching(root) as watch:
        (root / "requirements.txt").read_text()
        (root / "inner" / ".." / "inner" / "notes.txt").read_bytes()
        list(os.scandir(root / "inner"))
        list(root.iterdir())
        with pytest.raises(FileNotFoundError):
            (root / "pyproject.toml").read_text()
        Path(__file__).read_text()
    seen = watch.seen()
    assert seen is not None
    return seen


def test_all_that_is_read_below_the_root_is_seen(root: Path) -> None:
    assert set(look(root)) == {"", "requirements.txt", "inner", "inner/notes.txt", "pyproject.toml"}


def test_nothing_is_seen_once_nobody_watches(root: Path) -> None:
    with watching(root) as watch:
        pass
    (root / "requirements.txt").read_text()
    assert watch.seen() == {}


CHANGES: dict[str, Callable[[Path], object]] = {
    "content": lambda root: (root / "requirements.txt").write_text("numlab\n"),
    "gone": lambda root: (root / "inner" / "notes.txt").unlink(),
    "new file": lambda root: (root / "inner" / "requirements.txt").touch(),
    "new folder": lambda root: (root / "other").mkdir(),
    "what was absent": lambda root: (root / "pyproject.toml").touch(),
    "a folder where a file was": lambda root: [
        (root / "requirements.txt").unlink(),
        (root / "requirements.txt").mkdir(),
    ],
    "a symlink where a folder was": lambda root: [
        (root / "inner").rename(root.parent / "inner"),
        (root / "inner").symlink_to(root.parent / "inner"),
    ],
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_noticed(root: Path, change: str) -> None:
    seen = look(root)
    assert unchanged(root, seen)
    CHANGES[change](root)
    assert not unchanged(root, seen)


def test_times_do_not_matter_but_content_does(root: Path) -> None:
    seen = look(root)
    os.utime(root / "requirements.txt", (PAST_S, PAST_S))
    (root / "inner" / "notes.txt").write_text("old")
    assert unchanged(root, seen)


def test_a_large_file_is_told_by_its_size_and_times(root: Path) -> None:
    weights = root / "requirements.txt"
    with weights.open("wb") as file:
        file.truncate(LARGE_BYTES)
    seen = look(root)
    assert unchanged(root, seen)
    os.utime(weights, (PAST_S, PAST_S))
    assert not unchanged(root, seen)


def test_what_changes_while_it_is_read_is_not_vouched_for(root: Path) -> None:
    time.sleep(0.06)
    with watching(root) as watch:
        (root / "requirements.txt").read_text()
        (root / "requirements.txt").write_text("later")
    assert watch.seen() is None


def test_a_root_may_be_spelled_in_any_way(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    link = root.parent / "link"
    link.symlink_to(root)
    for spelling, opened in ((Path(), "requirements.txt"), (link, link / "requirements.txt"), (link, root / "x")):
        watch = Watch(spelling)
        watch.note("open", opened)
        assert watch.files == {Path(opened).name}
    outside = Watch(root)
    outside.note("open", root.parent / "fleet-2" / "requirements.txt")
    outside.note("open", 7)
    assert outside.files == set()
