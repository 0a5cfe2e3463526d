"""A scan runs nothing of what it scans: every place where code could start leaves a mark if it does."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from depdoctor import cli

BACKEND = """
def get_requires_for_build_wheel(config_settings=None):
    mark("hook")
    return []

prepare_metadata_for_build_wheel = build_wheel = build_editable = build_sdist = lambda *_, **__: mark("build")
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    marks = tmp_path / "marks"
    marks.mkdir()

    def marking(name: str) -> str:
        return f"def mark(name): open({str(marks)!r} + '/' + name, 'w').close()\nmark({name!r})\n"

    files = {
        "old/setup.py": marking("setup")
        + "from setuptools import setup\nsetup(name='old', install_requires=['numlib'])",
        "old/conftest.py": marking("conftest"),
        "old/sitecustomize.py": marking("sitecustomize"),
        "old/app.py": marking("app"),
        "old/a.pth": f"import builtins; builtins.open({str(marks / 'pth')!r}, 'w')\n",
        "new/pyproject.toml": (
            "[project]\nname = 'new'\ndynamic = ['version', 'dependencies']\n"
            "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"
        ),
        "new/backend.py": marking("backend") + BACKEND,
        "user/requirements.txt": "-e ../old\n../new\npacked==1.0\n",
        "depdoctor.toml": f'find-links = ["{(tmp_path / "links").as_uri()}"]\n',
        "user/Dockerfile": f"FROM python:3.11\nRUN touch {marks}/run && pip install ../new\n",
        "env/pyvenv.cfg": "version = 3.11.0\n",
        "env/lib/python3.11/site-packages/a.pth": f"import builtins; builtins.open({str(marks / 'env')!r}, 'w')\n",
        "env/bin/python": f"#!/bin/sh\ntouch {marks}/python\n",
    }
    for path, text in files.items():
        (tmp_path / "root" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / path).write_text(text, encoding="utf-8")
    (tmp_path / "root/env/bin/python").chmod(0o755)
    (tmp_path / "links").mkdir()
    with tarfile.open(tmp_path / "links/packed-1.0.tar.gz", "w:gz") as archive:
        packed = {
            "PKG-INFO": "Metadata-Version: 2.1\nName: packed\nVersion: 1.0\n",
            "backend.py": marking("sdist") + BACKEND,
            "pyproject.toml": "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n",
        }
        for name, text in packed.items():
            member = tarfile.TarInfo(f"packed-1.0/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return tmp_path / "root"


@pytest.mark.parametrize("arguments", [(), ("--list",), ("--offline",)], ids=["scan", "list", "offline"])
def test_scan_leaves_no_mark(root: Path, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["scan", str(root), "--venv", str(root / "env"), "--format", "json", *arguments]) in {0, 1}
    found = json.loads(capsys.readouterr().out)
    assert [project["name"] for project in found["projects"]] == ["new", "old", "user"]
    assert [mark.name for mark in (root.parent / "marks").iterdir()] == []


def test_marks_are_left_where_builds_are_allowed(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The marks of the other test would be seen: with leave to build, the backend of an sdist runs, and no other."""
    (root / "user/requirements.txt").write_text("packed==1.0\n", encoding="utf-8")
    cli.run(["scan", str(root), "--build-sdists", "--format", "json"])
    capsys.readouterr()
    marks = {mark.name for mark in (root.parent / "marks").iterdir()}
    assert "sdist" in marks
    assert marks <= {"sdist", "hook", "build"}
