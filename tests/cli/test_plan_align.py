"""`plan --align`: what moves, what is written of it, and that a committed plan stays put."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from depdoctor import cli, planfile

MB = 1_000_000


def release(name: str, version: str, uploaded: date, *requires: str, mb: int = 0) -> dict[str, Any]:
    return {
        "name": name,
        "version": version,
        "uploaded": uploaded,
        "requires": list(requires),
        "padding_bytes": mb * MB,
    }


RELEASES = [
    release("arrays", "2.0", date(2025, 12, 1), mb=5),
    release("arrays", "2.1", date(2026, 5, 1), mb=5),
    release("near", "1.0", date(2026, 1, 1), "arrays<2.1"),
    release("free", "1.0", date(2026, 1, 1), "arrays>=1"),
]
LATER = [
    *RELEASES,
    release("arrays", "2.0.5", date(2026, 7, 1), mb=5),
    release("free", "1.1", date(2026, 7, 1), "arrays>=1"),
]


@pytest.fixture
def index(tmp_path: Path, make_index: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = make_index.write_index(tmp_path / "index", LATER)
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    with make_index.served(folder) as address:
        monkeypatch.setenv("UV_DEFAULT_INDEX", address)
        yield


@pytest.fixture
def root(tmp_path: Path, index: None) -> Path:
    folder = tmp_path / "fleet"
    for name, lines in {"a": "near\n", "b": "free\n"}.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "requirements.txt").write_text(lines)
    (folder / "depdoctor.toml").write_text('[image]\nbase = "scratch"\n')
    return folder


def plan(root: Path, *options: str, newer: str = "2026-06-01") -> int:
    return cli.run(["plan", str(root), "--quiet", "--exclude-newer", newer, *options])


def pins(root: Path) -> dict[str, dict[str, str]]:
    committed = planfile.load(root / planfile.PLAN_NAME)
    return {image.project: {pin.name: str(pin.version) for pin in committed.pins(image)} for image in committed.images}


def test_safe_is_the_default_and_is_told(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert plan(root) == 0
    told = capsys.readouterr().out
    assert "arrays 2.1 → 2.0 in b, shared with a" in told
    assert pins(root) == {"a": {"near": "1.0", "arrays": "2.0"}, "b": {"free": "1.0", "arrays": "2.0"}}
    rows = [line for line in (root / planfile.PLAN_NAME).read_text().splitlines() if '"saved_bytes"' in line]
    assert [json.loads(row.strip().rstrip(","))["reason"] for row in rows] == ["shared with a"]
    assert plan(root, "--format", "json", "--check") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["alignment"]["saved_bytes"] > 4 * MB
    assert [(move["package"], move["projects"]) for move in report["alignment"]["moves"]] == [("arrays", ["b"])]


def test_markdown_tells_what_moved(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert plan(root, "--format", "markdown") == 0
    told = capsys.readouterr().out
    assert "| arrays | 2.1 | 2.0 | b | shared with a | +5 MB |" in told
    assert "5.0 MB less in all images together" in told


def test_none_moves_nothing(root: Path) -> None:
    assert plan(root, "--align", "none") == 0
    assert pins(root)["b"]["arrays"] == "2.1"
    assert planfile.load(root / planfile.PLAN_NAME).moves == ()


def test_committed_plan_stays_whatever_is_released_or_aligned(root: Path) -> None:
    assert plan(root, "--align", "none") == 0
    before = (root / planfile.PLAN_NAME).read_bytes()
    for options in ((), ("--align", "deep"), ("--align", "none")):
        assert plan(root, *options, newer="2026-08-01") == 0
        assert (root / planfile.PLAN_NAME).read_bytes() == before
    assert plan(root, "--check", newer="2026-08-01") == 0


def test_relock_chooses_anew(root: Path) -> None:
    assert plan(root) == 0
    assert plan(root, "--relock", newer="2026-08-01") == 0
    assert pins(root) == {"a": {"near": "1.0", "arrays": "2.0.5"}, "b": {"free": "1.1", "arrays": "2.0.5"}}


def test_an_edit_moves_nothing_of_others(root: Path) -> None:
    assert plan(root) == 0
    before = planfile.load(root / planfile.PLAN_NAME)
    (root / "a" / "requirements.txt").write_text("near\nfree==1.1\n")
    assert plan(root, newer="2026-08-01") == 0
    after = planfile.load(root / planfile.PLAN_NAME)
    assert pins(root)["a"] == {"near": "1.0", "arrays": "2.0", "free": "1.1"}
    assert [image for image in before.images if image.project == "b"] == [
        image for image in after.images if image.project == "b"
    ]
    assert after.moves == before.moves


def test_a_lockfile_stays_unless_relocked(root: Path) -> None:
    lines = []
    for pinned in ("free-1.0", "arrays-2.1"):
        wheel = (root.parent / "index" / "files" / f"{pinned}-py3-none-any.whl").read_bytes()
        lines.append(f"{pinned.replace('-', '==')} --hash=sha256:{sha256(wheel).hexdigest()}\n")
    (root / "b" / "requirements.txt").write_text("".join(lines))
    (root / "b" / "requirements.in").write_text("free\n")
    assert plan(root) == 0
    assert pins(root)["b"] == {"free": "1.0", "arrays": "2.1"}
    assert planfile.load(root / planfile.PLAN_NAME).moves == ()
    assert plan(root, "--relock") == 0
    assert pins(root)["b"] == {"free": "1.0", "arrays": "2.0"}
    assert plan(root) == 0
    assert pins(root)["b"] == {"free": "1.0", "arrays": "2.1"}


def test_no_time_left_means_each_alone(root: Path) -> None:
    """The scan has its answers from before; alignment may take what is left, and unknown means to stay."""
    assert cli.run(["scan", str(root), "--quiet", "--exclude-newer", "2026-06-01"]) == 0
    assert plan(root, "--budget", "0.001") == 0
    assert pins(root)["b"]["free"] == "1.0"
