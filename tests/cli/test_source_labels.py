"""Labels tell the commit that touched a project; one that touched another changes no digest."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from registry_server import serving
from repositories import commit, git

from depdoctor import cli

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="there is no git here")


def built(root: Path, output: Path) -> dict[str, tuple[str, dict[str, str]]]:
    """The digest and the labels of each image."""
    assert cli.run(["build", str(root), "--quiet", "--output", str(output)]) == 0
    found = {}
    for layout in output.iterdir():
        blobs = layout / "blobs" / "sha256"
        digest = json.loads((layout / "index.json").read_bytes())["manifests"][0]["digest"]
        config = json.loads((blobs / digest[7:]).read_bytes())["config"]["digest"]
        found[layout.name] = digest, json.loads((blobs / config[7:]).read_bytes())["config"]["Labels"]
    return found


def _counting(folder: Path, asked: Path) -> Path:
    """A folder with a git that notes what it is asked."""
    folder.mkdir()
    program = folder / "git"
    program.write_text(f'#!/bin/sh\necho "$@" >>{asked}\nexec {shutil.which("git")} "$@"\n')
    program.chmod(0o755)
    return folder


def test_revisions_are_those_of_the_project(
    package_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", package_server)
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    root = tmp_path / "fleet"
    for name in ("one", "two"):
        (root / name).mkdir(parents=True)
        (root / name / "requirements.txt").write_text("numlib\n")
        (root / name / ".dockerignore").write_text("notes.txt\n")
        (root / name / "notes.txt").write_text("one\n")
    (root / "depdoctor.toml").write_text('[image]\nbase = "scratch"\n')
    assert cli.run(["plan", str(root), "--quiet"]) == 0
    without = built(root, tmp_path / "without")
    assert "org.opencontainers.image.revision" not in without["one"][1]
    git(root, "init", "--quiet")
    first = commit(root, "first")
    before = built(root, tmp_path / "before")
    assert {labels["org.opencontainers.image.revision"] for _, labels in before.values()} == {first}
    (root / "two" / "app.py").write_text("print(2)\n")
    (root / "one" / "notes.txt").write_text("left out of the image\n")
    git(root, "add", "two")
    dirty = built(root, tmp_path / "dirty")
    assert dirty["one"] == before["one"]
    assert dirty["two"][1]["depdoctor.dirty"] == "true"
    git(root, "checkout", "--quiet", "one")
    second = commit(root, "second")
    after = built(root, tmp_path / "after")
    assert after["one"] == before["one"]
    assert after["two"][1]["org.opencontainers.image.revision"] == second
    assert "depdoctor.dirty" not in after["two"][1]
    asked = tmp_path / "asked"
    monkeypatch.setenv("PATH", f"{_counting(tmp_path / 'bin', asked)}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with serving() as registry:
        assert cli.run(["build", str(root), "--quiet", "--push", f"{registry.host}/team"]) == 0
    assert asked.read_text().count("rev-parse") == 1  # labels and tags follow from one look
