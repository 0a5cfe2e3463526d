"""Three real services installed on top of one another until the environment is broken, and out of it into images."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import uv

from depdoctor import cli
from depdoctor.adapters.docker import DockerEngine

SIX = Path(__file__).parents[2] / "fixtures" / "fleets" / "six"

INSTALLED = ("tabular-scorer", "text-embedder", "image-gate")
"""In this order: the last takes click and idna back below what packages of the second need."""


def _uv(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([uv.find_uv_bin(), *map(str, words)], capture_output=True, text=True, check=False)


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    """The environment that all three share."""
    venv = tmp_path / "venv"
    made = _uv("venv", "--no-python-downloads", "--python", "3.11", venv)
    if made.returncode:
        pytest.skip(f"no Python 3.11 here: {made.stderr}")
    asked = _uv("pip", "install", "--dry-run", "--python", venv, "idna")
    if asked.returncode:
        pytest.skip(f"no package index answers: {asked.stderr}")
    for name in INSTALLED:
        done = _uv("pip", "install", "--python", venv, "-r", SIX / name / "requirements.txt")
        assert done.returncode == 0, done.stderr
    return venv


@pytest.mark.online
def test_three_services_out_of_one_broken_environment(
    tmp_path: Path,
    engine: DockerEngine,
    registry: str,
    base: str,
    prefix: str,
    venv: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    broken = _uv("pip", "check", "--python", venv)
    assert broken.returncode
    assert "huggingface-hub" in broken.stderr
    root = tmp_path / "fleet"
    for name in INSTALLED:
        shutil.copytree(SIX / name, root / name)
    (root / "depdoctor.toml").write_text(f'[image]\nbase = "{base}"\n', encoding="utf-8")
    monkeypatch.chdir(root)

    assert cli.run(["migrate", "--venv", str(venv), "--output", "../out"]) == 0
    report = Path("../out/report.md").read_text(encoding="utf-8")
    wrong = report.partition("## What is broken in it already")[2].partition("\n## ")[0]
    assert "huggingface-hub" in wrong
    assert "httpx2" in wrong
    subprocess.run(["git", "apply", "../out/changes.diff"], cwd=root, check=True)

    assert cli.run(["plan", "."]) == 0
    capsys.readouterr()
    assert cli.run(["build", ".", "--push", f"{registry}/{prefix}/services", "--format", "json"]) == 0
    built = json.loads(capsys.readouterr().out)["images"]
    assert sorted(image["name"] for image in built) == sorted(INSTALLED)
    for image in built:
        engine.pull(image["reference"])
        assert engine.run(image["reference"], ["python", "app.py"]) == f"{image['name']} ok\n"
