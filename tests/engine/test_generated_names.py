"""Folder names and commands that a shell or a Dockerfile would take for something else, on a real BuildKit."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from fleets import fleet

from depdoctor.adapters.buildx import Buildx
from depdoctor.adapters.docker import DockerEngine
from depdoctor.build.docker import DockerBuilder
from depdoctor.generate import generate
from depdoctor.model.config import Config, ImageConfig, ProjectConfig
from depdoctor.model.seams import NoProgress
from depdoctor.plan import plan

NAMES = ("blank $(touch x) `y`", "d $HOME ${PATH} %{x}", "q'uo\"te", "g [ab] c", "h <<EOF", "ünï-#x", "--from=b")
ARGUMENT = "a 'b' \"c\" $HOME ${PATH} \\ \n # <<EOF"


def test_code_and_command_arrive_as_they_are(
    engine: DockerEngine, base: str, prefix: str, uv_binary: Path, tmp_path: Path
) -> None:
    for name in NAMES:
        (tmp_path / name).mkdir()
        (tmp_path / name / "name.txt").write_text(name)
    script = "import sys; print(repr((open('name.txt').read(), sys.argv[1])))"
    config = Config(
        projects=tuple(ProjectConfig(path=name, command=("python", "-c", script, ARGUMENT)) for name in NAMES),
        image=ImageConfig(base=base),
    )
    made = plan(fleet({name: [] for name in NAMES}), config, {})
    assert len(made.images) == len(NAMES)
    own = DockerEngine(buildx=Buildx(uv=uv_binary, registry=prefix, tag="names"))
    builder = DockerBuilder(engine=own, bundle=generate(made), context=tmp_path)
    for image, built in zip(made.images, builder.build(made, made.images, NoProgress()), strict=True):
        output = engine.client.containers.run(built.reference, remove=True, network_disabled=True)
        assert output.decode() == f"{(image.project, ARGUMENT)!r}\n"
        labels = engine.client.images.get(built.reference).labels
        assert labels["depdoctor.project"] == image.project


@pytest.mark.usefixtures("engine")
def test_both_bake_files_say_the_same(tmp_path: Path) -> None:
    config = Config(image=ImageConfig(base="python:3.11-slim"))
    files = generate(plan(fleet({"a": [], "uv": [], "3d/b": []}), config, {}), only=["bake", "hcl"]).files
    (tmp_path / "ca.pem").touch()
    printed = []
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        command = ["docker", "buildx", "bake", "--print", "--file", name]
        environment = {**os.environ, "CA": "ca.pem", "TAG": "t"}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=True)
        printed.append(json.loads(done.stdout))
    assert len(printed) == 2
    assert printed[0] == printed[1]
    assert printed[0]["target"]["a"]["secret"] == ["id=ca,src=ca.pem"]
    assert set(printed[0]["target"]) == {"a", "image_uv", "3d-b"}
