"""`plan --check` and `--diff`: what changed, image by image, also where no index is in reach."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest

from depdoctor import cli, planfile


@pytest.fixture
def root(tmp_path: Path, package_server: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UV_DEFAULT_INDEX", package_server)
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    folder = tmp_path / "fleet"
    for name, lines in {"a": "numlib==1.26.4\n", "b": "numlib<2\n"}.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "requirements.txt").write_text(lines)
    (folder / "b" / "model.onnx").write_bytes(Random(1).randbytes(1_100_000))
    (folder / "depdoctor.toml").write_text('[image]\nbase = "scratch"\n')
    assert cli.run(["plan", str(folder), "--quiet"]) == 0
    return folder


def check(root: Path, *options: str) -> int:
    return cli.run(["plan", str(root), "--check", "--quiet", *options])


def test_check_needs_no_index_and_no_cache(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (root / planfile.PLAN_NAME).read_bytes()
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "elsewhere"))
    assert check(root, "--offline") == 0
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    assert check(root) == 0
    assert "is up to date" in capsys.readouterr().out
    assert cli.run(["plan", str(root), "--offline"]) == 0
    assert "the committed plan has what they declare" in capsys.readouterr().err
    assert (root / planfile.PLAN_NAME).read_bytes() == before
    (root / "a" / "requirements.txt").write_text("numlib==1.25.0\n")
    assert check(root, "--offline") == 1


def test_diff_tells_packages_layers_and_bytes(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    (root / "a" / "requirements.txt").write_text("numlib>=2\n")
    (root / "b" / "model.onnx").write_bytes(Random(2).randbytes(1_200_000))
    before = (root / planfile.PLAN_NAME).read_bytes()
    assert cli.run(["plan", str(root), "--diff", "--format", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    a, b = report["diff"]["images"]
    assert [(move["name"], move["before"]) for move in a["moves"]] == [("numlib", "1.26.4")]
    assert a["new_layers"] == 1
    assert a["push_bytes"] == a["pull_bytes"] > 0
    assert (b["moves"], b["besides"]) == ([], ["weights model.onnx"])
    assert b["push_bytes"] == b["fetch_bytes"] == b["pull_bytes"] == 1_200_000
    for options in (["--diff"], ["--diff", "--format", "markdown"], ["--check"]):
        assert cli.run(["plan", str(root), "--quiet", *options]) == (options == ["--check"])
        told = capsys.readouterr().out
        assert "1.2 MB" in told
        assert "written" not in told
    assert (root / planfile.PLAN_NAME).read_bytes() == before


def test_how_an_image_is_started_is_told(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (root / "depdoctor.toml").read_text()
    (root / "depdoctor.toml").write_text(f'{text}[[project]]\npath = "a"\ncommand = ["python", "a.py"]\n')
    capsys.readouterr()
    assert cli.run(["plan", str(root), "--diff", "--quiet"]) == 0
    told = capsys.readouterr().out
    assert "changed a  0 new layers, 0 B to push, 0 B to pull" in told
    assert "how it is started" in told
