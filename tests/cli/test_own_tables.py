"""`[rules] path`: tables of one's own, in every command that goes by facts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from depdoctor import cli
from depdoctor.pipeline import scanning

HEAD = 'schema = 1\ntitle = "ours"\ndate = 2026-11-01\nsource = "our own pool"\nconfidence = "primary"\n'
NEEDS_600 = HEAD + '[[major]]\nmajor = 12\nminor-compatible = true\nlinux-floor = "600"\n'
TARGET = '[[target]]\nname = "pool"\ndriver = "580.65.06"\n'


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    folder = tmp_path / "fleet"
    folder.mkdir()
    (folder / "requirements.txt").write_text("torch==2.1.0\n", encoding="utf-8")
    return folder


def configure(root: Path, path: str = "") -> None:
    rules = f'[rules]\npath = "{path}"\n' if path else ""
    (root / "depdoctor.toml").write_text(TARGET + rules, encoding="utf-8")


def table(root: Path, stem: str, text: str) -> None:
    (root / "facts").mkdir(exist_ok=True)
    (root / "facts" / f"{stem}.toml").write_text(text, encoding="utf-8")


def scanned(root: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    cli.run(["scan", str(root), "--offline", "--format", "json"])
    return [one for one in json.loads(capsys.readouterr().out)["findings"] if one["kind"] == "driver-too-old"]


def test_a_row_of_ones_own_is_what_a_scan_goes_by(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table(root, "cuda_majors", NEEDS_600)
    configure(root)
    assert scanned(root, capsys) == []
    configure(root, "facts")
    [finding] = scanned(root, capsys)
    assert "our own pool" in json.dumps(finding["evidence"])


def test_a_base_of_ones_own_tells_the_libc_of_targets(root: Path) -> None:
    row = '[[base]]\nimage = "registry\\\\.example/ml"\ntag = "(?P<release>bullseye)-v\\\\d+"\n'
    table(root, "base_images", HEAD + row)
    image = '[image]\nbase = "registry.example/ml:bullseye-v7"\n[rules]\npath = "facts"\n'
    (root / "depdoctor.toml").write_text(image, encoding="utf-8")
    config, facts = scanning.configured(scanning.Settings(root=root, cache=root))
    assert config.targets[0].platform.libc_version == (2, 31)
    assert facts.base(config.image.base).known


def test_a_broken_table_stops_with_its_file_and_key(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table(root, "cuda_majors", NEEDS_600.replace("linux-floor", "floor"))
    configure(root, "facts")
    assert cli.run(["scan", str(root), "--offline"]) == 2
    told = capsys.readouterr().err
    assert "unknown key `floor`" in told
    assert "facts/cuda_majors.toml:9: major 1: floor" in told


def test_a_row_that_is_taken_away_is_unknown_again(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table(root, "cuda_majors", "schema = 1\n[[major]]\nmajor = 12\nremove = true\n")
    old = TARGET.replace("580.65.06", "470.57.02")
    (root / "depdoctor.toml").write_text(old, encoding="utf-8")
    assert scanned(root, capsys)
    (root / "depdoctor.toml").write_text(f'{old}[rules]\npath = "facts"\n', encoding="utf-8")
    assert scanned(root, capsys) == []
    assert cli.run(["rules", "check", str(root)]) == 0
    assert "cuda_majors (yours): rows added: 0, replaced: 0, removed: 1" in capsys.readouterr().out
    table(root, "cuda_majors", "schema = 1\n[[major]]\nmajor = 99\nremove = true\n")
    assert cli.run(["rules", "check", str(root)]) == 2
    assert "facts/cuda_majors.toml:2: major 1" in capsys.readouterr().err


def test_tables_that_are_not_there(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure(root, "nowhere")
    assert cli.run(["scan", str(root), "--list"]) == 2
    assert "see `path` under `[rules]`" in capsys.readouterr().err
