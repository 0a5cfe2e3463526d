"""What `generate` writes, used as its own head says, by somebody who has uv and Docker and no depdoctor."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from depdoctor import cli
from depdoctor.adapters.docker import DockerEngine


@pytest.fixture
def generated(
    base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefix: str, engine: DockerEngine
) -> Iterator[Path]:
    root = tmp_path / "the $fleet ${x}"
    for name in ("one", "deep/two"):
        (root / name).mkdir(parents=True)
        (root / name / "requirements.txt").touch()
        (root / name / "app.py").write_text(f"print({name!r}, 'ok')\n")
    (root / "depdoctor.toml").write_text(f'[image]\nbase = "{base}"\n')
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    output = tmp_path / "elsewhere" / "dep loy"
    assert cli.run(["generate", str(root), "--output", str(output), "--only", "dockerfile,bake,hcl"]) == 0
    monkeypatch.setenv("REGISTRY", f"{prefix}/hand")
    yield output
    assert engine


@pytest.mark.parametrize("file", ["Dockerfile", "docker-bake.hcl"])
def test_command_of_the_head_builds_all_images(
    generated: Path, file: str, engine: DockerEngine, prefix: str, uv_binary: Path
) -> None:
    (command,) = re.findall(r"^# +(BUILDX.*docker buildx bake .*)$", (generated / file).read_text(), re.MULTILINE)
    environment = os.environ | {"PATH": f"{uv_binary.parent}:{os.environ['PATH']}", "TAG": "head"}
    done = subprocess.run(
        ["sh", "-c", command], cwd=generated, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    said = [engine.run(f"{prefix}/hand/{name}:head", ["python", "app.py"]) for name in ("one", "deep-two")]
    assert said == ["one ok\n", "deep/two ok\n"]
