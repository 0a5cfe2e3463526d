"""A build from a plan that is behind its configuration or manifests says so, and of one that is not says nothing."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from depdoctor import cli
from depdoctor.pipeline import outdated

BROUGHT = "nvcr.io/nvidia/pytorch:22.11-py3"
"""An image of which the tables know that it brings torch."""

SAID = "run `depdoctor plan` to bring it up to date"


@pytest.fixture
def root(package_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UV_DEFAULT_INDEX", package_server)
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # what stands on a base is of the tables
    root = tmp_path / "root"
    for name, lines in (("one", "numlib<2\n"), ("two", "numlib\ntokenkit; python_version < '3'\n")):
        (root / name).mkdir(parents=True)
        (root / name / "requirements.txt").write_text(lines)
        (root / name / "app.py").write_text("import numlib\n")
    (root / "upon").mkdir()
    (root / "upon" / "requirements.txt").write_text("torch>=1.12\nnumlib<2\n")
    (root / "upon" / "Dockerfile").write_text(f"FROM {BROUGHT}\n")
    (root / "depdoctor.toml").write_text('[image]\nbase = "scratch"\n\n[[project]]\npath = "one"\nport = 8001\n')
    assert cli.run(["plan", str(root), "--quiet"]) == 0
    return root


def told(root: Path, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert cli.run(["build", str(root), "--dry-run"]) == 0
    return capsys.readouterr().err


def test_nothing_is_said_of_a_plan_that_is_up_to_date(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli.run(["plan", str(root), "--check", "--quiet"]) == 0
    assert "plan" not in told(root, capsys)
    monkeypatch.chdir(root)
    assert cli.run(["hook"]) == 0, capsys.readouterr().out
    (root / "depdoctor.toml").write_text((root / "depdoctor.toml").read_text() + "# a comment\n")
    (root / "one" / "requirements.txt").write_text("numlib<2  # and another\n")
    assert "plan" not in told(root, capsys)


@pytest.mark.parametrize(
    ("file", "before", "after", "expected"),
    [
        ("depdoctor.toml", '"scratch"', '"python:3.11-slim"', "`base` is python:3.11-slim, and scratch in the plan"),
        ("depdoctor.toml", "8001", "8002", "`port` is another for one"),
        ("depdoctor.toml", "[image]", '[[target]]\nname = "a"\nglibc = "2.28"\n[image]', "the targets are others"),
        ("depdoctor.toml", "[image]", "[image]\ncompile = true", "`compile`, `compression` or `clobber` is another"),
        ("two/requirements.txt", "numlib\n", "numlib<2\n", "the committed plan does not have what two asks for"),
        ("one/requirements.txt", "<2", "<2\nchatkit", "the committed plan does not have what one asks for: `chatkit`"),
    ],
)
def test_what_changed_since_is_said(
    root: Path, capsys: pytest.CaptureFixture[str], file: str, before: str, after: str, expected: str
) -> None:
    told(root, capsys)
    content = (root / file).read_text()
    assert before in content
    (root / file).write_text(content.replace(before, after, 1))
    first, again = told(root, capsys), told(root, capsys)
    assert expected in first
    assert first.count(" is not as the plan has it: ") == (file == "depdoctor.toml"), "of one edit one thing is said"
    assert SAID in first
    assert again == first, "it is remembered, and not forgotten"
    (root / file).write_text(content)
    assert "plan" not in told(root, capsys)


def test_what_was_just_planned_is_read_again_only_where_a_file_changed_meanwhile(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class ReadError(Exception):
        pass

    def refuse(*_: object) -> None:
        raise ReadError

    monkeypatch.setattr(outdated, "_read_anew", refuse)
    assert "plan" not in told(root, capsys)
    manifest = root / "one" / "requirements.txt"
    manifest.write_text("numlib<2  # and another\n")
    with pytest.raises(ReadError):
        told(root, capsys)
    assert cli.run(["plan", str(root), "--quiet"]) == 0
    assert "plan" not in told(root, capsys)
    soon = time.time() + 3600
    os.utime(manifest, (soon, soon))  # as if it were written while the plan was made
    assert cli.run(["plan", str(root), "--quiet"]) == 0
    with pytest.raises(ReadError):
        told(root, capsys)
