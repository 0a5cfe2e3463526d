"""Several builders that push; here two Docker contexts of one engine, which is all that a test may count on."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from depdoctor.adapters.buildx import Buildx
from depdoctor.adapters.docker import DockerEngine
from depdoctor.adapters.registry import OciRegistry
from depdoctor.build.buildx import BuildxBuilder
from depdoctor.errors import BuildError
from depdoctor.model.image import Bundle
from depdoctor.model.plan import Base, Image, Plan
from depdoctor.model.seams import NoProgress
from depdoctor.model.target import Environment, Platform


class Lines(NoProgress):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


def bare_bundle(base: str) -> Bundle:
    dockerfile = f'FROM {base} AS one\nRUN echo one >/said\nCMD ["cat", "/said"]\n'
    dockerfile += f'FROM {base} AS two\nRUN echo two >/said\nCMD ["cat", "/said"]\n'
    targets = {
        name: {
            "context": "${PROJECTS}",
            "dockerfile": "cwd://Dockerfile",
            "target": name,
            "tags": [f"${{REGISTRY}}/{name}:${{TAG}}"],
        }
        for name in ("one", "two")
    }
    variables = {name: {"default": ""} for name in ("PROJECTS", "REGISTRY", "TAG")}
    return Bundle(
        files={"Dockerfile": dockerfile, "docker-bake.json": json.dumps({"variable": variables, "target": targets})}
    )


def plan_of(base: str) -> Plan:
    environment = Environment(python="3.11", platform=Platform())
    images = (
        Image(name=name, project=name, environment=environment, base=Base(reference=base), node="", code=name)
        for name in ("one", "two")
    )
    return Plan(packages=(), nodes=(), images=tuple(images))


@pytest.fixture
def contexts(engine: DockerEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Two contexts in a configuration of their own, and no `DOCKER_HOST`."""
    host = engine.api.base_url.replace("http+docker://localhost", os.environ.get("DOCKER_HOST", ""))
    usual = Path(os.environ.get("DOCKER_CONFIG", Path.home() / ".docker"))
    configuration = tmp_path / "docker"
    configuration.mkdir()
    (configuration / "config.json").write_text(json.dumps({"cliPluginsExtraDirs": [str(usual / "cli-plugins")]}))
    monkeypatch.setenv("DOCKER_CONFIG", str(configuration))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    for name in ("first", "second"):
        subprocess.run(
            ["docker", "context", "create", name, "--docker", f"host={host}"], check=True, capture_output=True
        )
    return "first", "second"


def test_two_contexts_share_the_work(
    engine: DockerEngine,
    base: str,
    registry: str,
    prefix: str,
    project: Path,
    uv_binary: Path,
    contexts: tuple[str, str],
) -> None:
    destination = f"{registry}/{prefix}/farm"
    lines = Lines()
    asked: list[list[str]] = []

    class Watched(Buildx):
        def build(self, bundle, context, targets, progress=None):  # type: ignore[no-untyped-def]
            asked.append(list(targets))
            return super().build(bundle, context, targets, progress)

    builders = [
        Watched(uv=uv_binary, docker_context=name, push=True, registry=destination, tag="v1") for name in contexts
    ]
    plan = plan_of(base)
    builder = BuildxBuilder(builders=builders, registry=OciRegistry(), bundle=bare_bundle(base), context=project)
    built = builder.build(plan, plan.images, lines)
    assert sorted(asked) == [["one"], ["two"]]
    assert all(any(f"RUN echo {name}" in line for line in lines.said) for name in ("one", "two"))
    for image in built:
        assert image.reference == f"{destination}/{image.name}:v1@{image.manifest.digest}"
        assert len(image.layers) == 2
        assert all(layer.size_bytes and layer.diff_id for layer in image.layers)
        assert engine.run(image.reference) == f"{image.name}\n"


def test_a_cache_goes_to_the_registry_and_comes_back(
    engine: DockerEngine, base: str, registry: str, prefix: str, project: Path, uv_binary: Path
) -> None:
    destination = f"{registry}/{prefix}/cached"
    builder = Buildx(uv=uv_binary, registry=destination, cache=f"{destination}/cache", push=True)
    if not engine.stores_blobs():
        with pytest.raises(BuildError) as caught:
            builder.build(bare_bundle(base), project, ["one"])
        assert "containerd image store" in caught.value.hint
        return
    builder.build(bare_bundle(base), project, ["one"])
    _, content = OciRegistry().manifest(f"{destination}/cache:one")
    assert "application/vnd.buildkit.cacheconfig.v0" in {row["mediaType"] for row in json.loads(content)["manifests"]}
    again = builder.build(bare_bundle(base), project, ["one"])["one"]
    assert engine.run(again) == "one\n"


def test_one_builder_that_fails_fails_the_build(
    base: str, registry: str, prefix: str, project: Path, uv_binary: Path, engine: DockerEngine
) -> None:
    plan = plan_of(base)
    bundle = bare_bundle(base)
    broken = Bundle(files={**bundle.files, "Dockerfile": bundle.files["Dockerfile"].replace("echo two", "false")})
    pushes = Buildx(uv=uv_binary, push=True, registry=f"{registry}/{prefix}/broken")
    builder = BuildxBuilder(builders=[pushes, pushes], registry=OciRegistry(), bundle=broken, context=project)
    with pytest.raises(BuildError, match="RUN false"):
        builder.build(plan, plan.images, NoProgress())
