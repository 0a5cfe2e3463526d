"""Without any index: a folder of wheels that the configuration names, relative to the root wherever one stands."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest
from wheels import make_wheel

from depdoctor import cli
from depdoctor.read import pyproject_toml


@pytest.mark.parametrize("stated", ["wheels", "./wheels", "../wheels"])
def test_a_folder_of_wheels_will_do(
    stated: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    root = tmp_path / "root"
    links = root / stated
    (root / "app").mkdir(parents=True)
    links.mkdir(parents=True)
    make_wheel(links, "tinylib", "1.2")
    (root / "app" / "requirements.txt").write_text("tinylib\n", encoding="utf-8")
    (root / "depdoctor.toml").write_text(f'find-links = ["{stated}"]\n[image]\nbase = "scratch"\n', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert cli.run(["scan", "root", "--offline", "--strict", "--format", "json"]) == 0
    (project,) = json.loads(capsys.readouterr().out)["projects"]
    assert (project["status"], project["packages"]) == ("resolved", 1)
    assert cli.run(["plan", "root", "--offline", "--quiet"]) == 0
    assert cli.run(["build", "root", "--offline", "--output", "images"]) == 0
    assert (tmp_path / "images" / "app" / "index.json").is_file()


def test_folders_of_a_manifest_are_relative_to_it() -> None:
    text = """
    [project]
    name = "app"
    version = "1"
    [tool.uv]
    find-links = ["wheels", "../shared", "https://index.example/wheels", "../../out"]
    """
    manifest = pyproject_toml.parse(textwrap.dedent(text), "app/pyproject.toml")
    assert manifest.indexes.find_links == ("./app/wheels", "./shared", "https://index.example/wheels")
    assert [(problem.kind, problem.location.line) for problem in manifest.problems] == [("outside", 6)]
