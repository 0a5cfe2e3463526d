"""Weights in images of both builders: the file is there, in a layer that two images share."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest

from depdoctor import cli
from depdoctor.adapters.docker import DockerEngine

CONTENT = Random(3).randbytes(1_500_000)
APP = 'import hashlib; print(hashlib.sha256(open("model.onnx", "rb").read()).hexdigest())\n'


@pytest.fixture
def root(tmp_path: Path, package_server: str, base: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UV_DEFAULT_INDEX", package_server)
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    folder = tmp_path / "fleet"
    for name in ("asr", "tts"):
        (folder / name).mkdir(parents=True)
        (folder / name / "requirements.txt").write_text("# nothing but Python\n")
        (folder / name / "app.py").write_text(f"# {name}\n{APP}")
        (folder / name / "model.onnx").write_bytes(CONTENT)
    (folder / "depdoctor.toml").write_text(f'[image]\nbase = "{base}"\n')
    return folder


@pytest.mark.parametrize("builder", ["oci", "docker"])
def test_weights_are_in_a_layer_that_images_share(
    builder: str, root: Path, engine: DockerEngine, registry: str, prefix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["plan", str(root), "--quiet"]) == 0
    capsys.readouterr()
    destination = f"{registry}/{prefix}/weights-{builder}"
    assert cli.run(["build", str(root), "--builder", builder, "--push", destination, "--format", "json"]) == 0
    built = json.loads(capsys.readouterr().out)["images"]
    layers = []
    for image in built:
        engine.pull(image["reference"])
        assert engine.run(image["reference"], ["python", "app.py"]).strip() == sha256(CONTENT).hexdigest()
        layers.append(engine.client.images.get(image["reference"]).attrs["RootFS"]["Layers"])
    shared = [one for one, other in zip(*layers, strict=True) if one == other]
    assert len(shared) >= len(layers[0]) - 2  # all but the code, and what is on top of it
    assert layers[0] != layers[1]


@pytest.mark.parametrize("builder", ["oci", "docker"])
def test_weights_that_changed_after_the_plan_are_refused(
    builder: str, root: Path, engine: DockerEngine, prefix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert engine
    assert cli.run(["plan", str(root), "--quiet"]) == 0
    (root / "tts" / "model.onnx").write_bytes(CONTENT[::-1])
    assert cli.run(["build", str(root), "--builder", builder, "--load", "--quiet"]) == 3
    assert "not those of the plan" in capsys.readouterr().err


def test_images_are_listed_with_their_models(
    root: Path, engine: DockerEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "asr" / "README.md").write_text("---\nversion: 1.10\n---\n")
    assert cli.run(["plan", str(root), "--quiet"]) == 0
    capsys.readouterr()
    assert cli.run(["build", str(root), "--load", "--format", "json"]) == 0
    built = json.loads(capsys.readouterr().out)["images"]
    try:
        assert cli.run(["images", "list", str(root), "--format", "json"]) == 0
        listed = json.loads(capsys.readouterr().out)["images"]
        models = {one["project"]: (one["model_version"], one["weights"]) for one in listed if one["state"] == "current"}
        weights = [f"model.onnx@sha256:{sha256(CONTENT).hexdigest()}"]
        assert models == {"asr": ("1.10", weights), "tts": (None, weights)}
        assert cli.run(["images", "list", str(root)]) == 0
        assert "1.10" in capsys.readouterr().out
    finally:
        for one in built:
            engine.remove(one["reference"])
