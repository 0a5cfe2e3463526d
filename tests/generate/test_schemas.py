"""Recipes and Compose files are what their readers' own schemas take (those that SchemaStore and Compose publish)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from fleets import fleet, pin
from packaging.version import Version

from depdoctor.generate import generate
from depdoctor.model.config import Config, ProjectConfig
from depdoctor.model.deployment import Deployment, GpuNeed, Running
from depdoctor.model.target import Gpu, Platform, Target
from depdoctor.plan import plan

POOL = Target(name="pool", platform=Platform(), gpus=(Gpu(name="H100", capability=(9, 0)),))
SCHEMAS = {
    ".github/workflows/depdoctor.yml": ("vendor.github-workflows", "jobs"),
    "depdoctor.gitlab-ci.yml": ("vendor.gitlab-ci", "stages"),
    "compose.yaml": ("vendor.compose-spec", "services"),
}
"""For each file its schema, and a key that this wants no number under."""


def files() -> dict[str, str]:
    served = ProjectConfig(path="a", command=("python", "app.py"), port=8000, health="/healthz")
    made = plan(fleet({"a": [pin("x")], "b": []}), Config(projects=(served,)), {})
    running = {"a": Running(gpu=GpuNeed(cuda=Version("12.4"), ways=()))}
    return dict(generate(made, only=["ci", "compose"], deployment=Deployment(images=running, targets=(POOL,))).files)


def judged(path: Path, schema: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)]
    if schema.endswith("gitlab-ci"):
        command += ["--data-transform", "gitlab-ci"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", SCHEMAS)
def test_schema_takes_it_and_not_anything(name: str, tmp_path: Path) -> None:
    schema, key = SCHEMAS[name]
    path = tmp_path / Path(name).name
    path.write_text(files()[name])
    found = judged(path, schema)
    assert found.returncode == 0, found.stdout
    path.write_text(yaml.safe_dump(yaml.safe_load(files()[name]) | {key: 3}))
    assert "Schema validation errors were encountered" in judged(path, schema).stdout
