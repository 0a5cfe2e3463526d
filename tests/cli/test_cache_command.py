from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from depdoctor import cli
from depdoctor.adapters.store import BlobStore

DAY_S = 86_400


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def blob(folder: Path, content: bytes) -> Path:
    return BlobStore(folder / "store").add(f"sha256:{hashlib.sha256(content).hexdigest()}", [content])


def database(folder: Path, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    with closing(sqlite3.connect(folder / name)) as connection, connection:
        connection.execute("CREATE TABLE wheel (sha256 TEXT)")
    return folder / name


def answer(folder: Path, name: str) -> Path:
    path = folder / "scans-0" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"z" * 30)
    return path


def aged(path: Path, days: float) -> Path:
    os.utime(path, (time.time() - days * DAY_S,) * 2)
    return path


def told(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> dict[str, object]:
    assert cli.run(["cache", *arguments, "--format", "json"]) == status
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_a_folder_that_is_not_there_is_empty(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for action in ("size", "prune"):
        assert told(capsys, action)["size_bytes"] == 0
    assert told(capsys, "verify")["removed"] == []
    assert not folder.exists()


def test_size_counts_every_part(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blob(folder, b"x" * 1000)
    size_bytes = database(folder, "wheel-facts.sqlite").stat().st_size
    (folder / "uv" / "simple").mkdir(parents=True)
    (folder / "uv" / "simple" / "page").write_bytes(b"y" * 70)
    answer(folder, "a")
    (folder / "of-somebody-else").write_bytes(b"z" * 5)
    found = told(capsys, "size")
    assert found["parts"] == [
        {"name": "wheels and layers", "files": 1, "size_bytes": 1000},
        {"name": "answers of the resolver", "files": 0, "size_bytes": 0},
        {"name": "facts of wheels", "files": 1, "size_bytes": size_bytes},
        {"name": "what scans printed", "files": 1, "size_bytes": 30},
        {"name": "uv", "files": 1, "size_bytes": 70},
    ]
    assert cli.run(["cache", "size"]) == 0
    assert str(folder) in capsys.readouterr().out


def test_prune_removes_what_was_not_used_lately_and_nothing_of_others(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = aged(blob(folder, b"old"), 10), blob(folder, b"new")
    stale, fresh = aged(database(folder, "verdicts-0.sqlite"), 10), database(folder, "verdicts-1.sqlite")
    forgotten, asked_for = aged(answer(folder, "a"), 10), answer(folder, "b")
    foreign = aged(database(folder, "photos.sqlite"), 10)
    assert told(capsys, "prune")["parts"] == [
        {"name": "wheels and layers", "files": 0, "size_bytes": 0},
        {"name": "answers of the resolver", "files": 0, "size_bytes": 0},
        {"name": "facts of wheels", "files": 0, "size_bytes": 0},
        {"name": "what scans printed", "files": 0, "size_bytes": 0},
    ]
    assert cli.run(["cache", "prune", "--unused", "7"]) == 0
    assert capsys.readouterr().out.startswith("3 files removed")
    assert (old.exists(), new.exists(), stale.exists(), fresh.exists()) == (False, True, False, True)
    assert (forgotten.exists(), asked_for.exists()) == (False, True)
    assert foreign.exists()


def test_a_database_whose_log_is_written_is_in_use(folder: Path) -> None:
    path = aged(database(folder, "wheel-facts.sqlite"), 10)
    path.with_name(path.name + "-wal").touch()
    assert cli.run(["cache", "prune", "--unused", "7"]) == 0
    assert path.exists()


def test_verify_removes_what_has_gone_bad(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sound, rotten = blob(folder, b"sound"), blob(folder, b"rotten")
    rotten.chmod(0o644)
    rotten.write_bytes(b"spoilt")
    kept = database(folder, "wheel-facts.sqlite")
    spoilt = database(folder, "verdicts-1.sqlite")
    spoilt.write_bytes(b"no database at all" * 100)
    assert told(capsys, "verify", status=1)["removed"] == [f"sha256:{rotten.name}", spoilt.name]
    assert (sound.exists(), rotten.exists(), kept.exists(), spoilt.exists()) == (True, False, True, False)
    assert told(capsys, "verify")["removed"] == []


def test_a_cache_that_is_a_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder.write_text("", encoding="utf-8")
    assert cli.run(["cache", "size"]) == 3
    assert "DEPDOCTOR_CACHE_DIR" in capsys.readouterr().err


@pytest.mark.parametrize("days", ["-1", "nan", "soon"])
def test_days_that_are_none(folder: Path, days: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.run(["cache", "prune", f"--unused={days}"])
    assert ended.value.code == 2
