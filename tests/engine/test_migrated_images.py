"""Out of a shared environment that is broken, into images that run."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from shared_environment import PROJECTS, fleet, installed

from depdoctor import cli
from depdoctor.adapters.docker import DockerEngine


def test_from_a_broken_environment_to_images_that_run(
    tmp_path: Path,
    package_server: str,
    base: str,
    engine: DockerEngine,
    registry: str,
    prefix: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", package_server)
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    venv = installed(tmp_path / "venv", package_server)
    root = fleet(tmp_path / "fleet")
    (root / "depdoctor.toml").write_text(f'[image]\nbase = "{base}"\n', encoding="utf-8")
    monkeypatch.chdir(root)
    assert cli.run(["migrate", "--venv", str(venv), "--output", "../out"]) == 0
    subprocess.run(["git", "apply", "../out/changes.diff"], cwd=root, check=True)
    capsys.readouterr()
    assert cli.run(["build", ".", "--push", f"{registry}/{prefix}/migrated", "--format", "json"]) == 0
    built = json.loads(capsys.readouterr().out)["images"]
    for image in built:
        engine.pull(image["reference"])
    said = {image["name"]: engine.run(image["reference"], ["python", "app.py"]) for image in built}
    assert said == {name: f"{name} ok\n" for name in PROJECTS}
