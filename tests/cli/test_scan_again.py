"""A scan of what has not changed prints the same again and works nothing out; any change makes it work."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from depdoctor import cli
from depdoctor.adapters import scan_memory
from depdoctor.adapters.scan_memory import MOST_ANSWERS, ScanMemory, Told

EARLY_S = 1_600_000_000


@pytest.fixture
def root(tmp_path: Path, package_server: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UV_DEFAULT_INDEX", package_server)
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    folder = tmp_path / "fleet"
    (folder / "rag").mkdir(parents=True)
    (folder / "rag" / "requirements.txt").write_text("numlib\n")
    (folder / "rag" / "app.py").write_text("import numlib\n")
    time.sleep(0.06)  # what was written just now may still be written
    return folder


@pytest.fixture
def scanned(root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., bool]:
    """Scan and say whether the answer was found again; what is printed must be the same but for the seconds."""
    from depdoctor.pipeline import scanning

    worked: list[bool] = []
    whole = scanning.scan

    def scan(*arguments: object) -> object:
        worked.append(True)
        return whole(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(scanning, "scan", scan)
    told: list[object] = []

    def run(*options: str, same: bool = True) -> bool:
        worked.clear()
        assert cli.run(["scan", str(root), "--format", "json", *options]) == 0
        document = json.loads(capsys.readouterr().out)
        assert isinstance(document["summary"].pop("elapsed_s"), float)
        if same and told:
            assert document == told[-1]
        told.append(document)
        return not worked

    return run


def test_an_unchanged_scan_is_told_again(scanned: Callable[..., bool]) -> None:
    assert [scanned(), scanned(), scanned("--offline"), scanned("--budget", "1")] == [False, True, True, True]


CHANGES: dict[str, Callable[[Path], object]] = {
    "a line": lambda root: (root / "rag" / "requirements.txt").write_text("numlib>=1\n"),
    "an import": lambda root: (root / "rag" / "app.py").write_text("import other\n"),
    "a project": lambda root: (root / "new").mkdir(),
    "a Python": lambda root: (root / ".python-version").write_text("3.10"),
    "a configuration": lambda root: (root / "depdoctor.toml").write_text('python = "3.10"\n'),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_changes_is_scanned_again(change: str, root: Path, scanned: Callable[..., bool]) -> None:
    scanned()
    CHANGES[change](root)
    assert not scanned(same=False)


def test_other_options_are_another_scan(scanned: Callable[..., bool]) -> None:
    scanned()
    assert not scanned("--exclude-newer", "2024-12-24", same=False)
    assert not scanned("--fail-on", "never", same=False)


def test_another_index_is_another_scan(scanned: Callable[..., bool], monkeypatch: pytest.MonkeyPatch) -> None:
    scanned()
    monkeypatch.setenv("UV_HTTP_TIMEOUT", "29")
    assert not scanned()


def test_the_index_moves_on_with_the_hour(scanned: Callable[..., bool], monkeypatch: pytest.MonkeyPatch) -> None:
    scanned()
    monkeypatch.setattr("depdoctor.cli.again.this_hour", lambda: "2031-01-01T00:00:00+00:00")
    assert not scanned()


def test_a_date_that_is_given_stands_still(scanned: Callable[..., bool], monkeypatch: pytest.MonkeyPatch) -> None:
    scanned("--exclude-newer", "2024-12-24")
    monkeypatch.setattr("depdoctor.cli.again.this_hour", lambda: "2031-01-01T00:00:00+00:00")
    assert scanned("--exclude-newer", "2024-12-24")


def test_what_could_not_be_known_is_asked_again(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    cli.run(["scan", str(root), "--offline", "--format", "json"])
    assert json.loads(capsys.readouterr().out)["summary"]["incomplete"]
    assert not list((tmp_path / "cache").glob("scans-*/*"))


def test_a_folder_of_wheels_may_change_unseen(root: Path, tmp_path: Path, package_index: str) -> None:
    (root / "rag" / "requirements.txt").write_text(f"--find-links {package_index}\nnumlib\n")
    time.sleep(0.06)
    cli.run(["scan", str(root), "--format", "json"])
    assert not list((tmp_path / "cache").glob("scans-*/*"))


def test_the_console_is_told_again_with_the_seconds_of_now(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["scan", str(root)]) == 0
    first = capsys.readouterr().out
    assert cli.run(["scan", str(root)]) == 0
    second = capsys.readouterr().out
    assert first.rpartition(" in ")[0] == second.rpartition(" in ")[0]
    assert re.fullmatch(r"\d+\.\d s\n", second.rpartition(" in ")[2])


def told(text: str) -> Told:
    return Told(before=text, after="", timed=False, status=0, hour="", seen={})


def test_a_damaged_answer_is_none(tmp_path: Path) -> None:
    memory = ScanMemory(tmp_path, tmp_path, {})
    memory.keep(told("all is well"))
    assert memory.recall("now") == told("all is well")
    [path] = (tmp_path / scan_memory.FOLDER).iterdir()
    for damaged in (b"", b"[]", b"{}", path.read_bytes()[:-9]):
        path.write_bytes(damaged)
        assert memory.recall("now") is None


def test_so_many_answers_are_kept(tmp_path: Path) -> None:
    for number in range(MOST_ANSWERS + 3):
        ScanMemory(tmp_path, tmp_path, {"number": number}).keep(told(str(number)))
        newest = max((tmp_path / scan_memory.FOLDER).iterdir(), key=lambda path: path.stat().st_mtime)
        os.utime(newest, (EARLY_S + number,) * 2)
    assert len(list((tmp_path / scan_memory.FOLDER).iterdir())) == MOST_ANSWERS
    assert ScanMemory(tmp_path, tmp_path, {"number": 0}).recall("now") is None
    assert ScanMemory(tmp_path, tmp_path, {"number": MOST_ANSWERS}).recall("now") == told(str(MOST_ANSWERS))


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(tmp_path: Path) -> None:
    (tmp_path / "cache").touch()
    memory = ScanMemory(tmp_path / "cache", tmp_path, {})
    memory.keep(told("all is well"))
    assert memory.recall("now") is None
