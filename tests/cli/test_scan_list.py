"""`scan --list`: what a folder holds, as it was understood, and what was passed over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from depdoctor.__main__ import main
from depdoctor.discover import discover
from depdoctor.model.formats import format_of

CORPUS = Path(__file__).parents[2] / "fixtures" / "read" / "corpus"


def put(root: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    return root


def listed(root: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert main(["scan", "--list", "--format", "json", str(root)]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    return put(
        tmp_path / "fleet",
        {
            "asr/requirements.txt": "torch\n",
            "asr/requirements-dev.txt": "-r requirements.txt\npytest\n",
            "asr/Dockerfile": "FROM python:3.11\nCOPY requirements.txt .\nRUN pip install -r requirements.txt\n",
            "ui/Dockerfile": "FROM node:20\nRUN npm ci\n",
            "broken/pyproject.toml": "[project\n",
            "work/pyproject.toml": '[tool.uv.workspace]\nmembers = ["one"]\n',
            "work/uv.lock": 'version = 1\n[[package]]\nname = "one"\nversion = "1"\nsource = { editable = "one" }\n',
            "work/one/pyproject.toml": '[project]\nname = "one"\nversion = "1"\n',
            "requirements.txt": "-r asr/requirements.txt\n",
            "env/pyvenv.cfg": "home = /usr/bin\n",
        },
    )


def test_json_tells_groups_ties_and_reasons(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = listed(fleet, capsys)
    projects = {project["name"]: project for project in found["projects"]}
    assert sorted(projects) == ["asr", "broken", "work/one"]
    files = {file["path"]: file for file in projects["asr"]["files"]}
    assert files["asr/requirements-dev.txt"]["groups"] == ["dev"]
    assert files["asr/requirements.txt"]["groups"] == ["default"]
    assert files["asr/requirements.txt"]["drawn_in_by"] == ["asr/requirements-dev.txt:1", "asr/Dockerfile:3"]
    assert files["asr/Dockerfile"]["bases"] == ["python:3.11"]
    assert "TOML" in projects["broken"]["files"][0]["problem"]
    assert projects["work/one"]["reason"] == "has pyproject.toml; shares work/uv.lock"
    assert found["counts"] == {
        "requirements.txt": 2,
        "Dockerfile": 1,
        "pyproject.toml": 1,
        "uv.lock": 1,
        "unreadable": 1,
    }
    assert found["environments"] == ["env"]
    assert {one["path"] for one in found["passed_over"]} == {
        "requirements.txt",
        "ui/Dockerfile",
        "work/pyproject.toml",
    }


def test_the_console_tells_the_same(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scan", "--list", str(fleet)]) == 0
    out = capsys.readouterr().out
    for words in (
        "drawn in by requirements-dev.txt:1",
        "FROM python:3.11",
        "is not valid TOML",
        "3 projects, 6 files: 2 requirements.txt",
        "passed over: 3",
        "ui/Dockerfile installs nothing of Python",
        "`depdoctor scan env`",
    ):
        assert words in out


def test_every_manifest_is_listed_or_passed_over(capsys: pytest.CaptureFixture[str]) -> None:
    found = listed(CORPUS, capsys)
    known = {file["path"] for project in found["projects"] for file in project["files"]}
    known |= {one["path"] for one in found["passed_over"]}
    there = {str(path.relative_to(CORPUS)) for path in CORPUS.rglob("*") if path.is_file()}
    manifests = {path for path in there if format_of(path) not in {"", "config.yaml"}}
    assert manifests
    assert manifests <= known
    assert len(found["projects"]) == len(discover(CORPUS))
