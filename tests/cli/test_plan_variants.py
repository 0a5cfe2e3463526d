"""Projects whose targets differ: from targets to images, for GPU nodes, small CPU platforms and arm64 boards."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import pytest
import yaml

from depdoctor import cli, planfile
from depdoctor.generate import generate

MB = 1_000_000
MACHINES = ("x86_64", "aarch64")
TARGETS = """
[[target]]
name = "gpu-pool"
driver = "550.54"
gpus = ["A10"]
[[target]]
name = "serverless"
max-image-bytes = 6_000_000
[[target]]
name = "board"
platform = "linux-aarch64"
"""


def release(name: str, *requires: str, mb: int = 0, version: str = "1.20.0", **more: Any) -> dict[str, Any]:
    padding = {"padding_bytes": mb * MB} if mb else {}
    told = {"name": name, "version": version, "uploaded": date(2026, 1, 1), "requires": list(requires)}
    return {**told, **padding, **more}


@pytest.fixture
def root(tmp_path: Path, make_index: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    intel, every = ["cp311-cp311-manylinux_2_17_x86_64"], [f"cp311-cp311-manylinux_2_17_{one}" for one in MACHINES]
    releases = [
        release("onnxruntime-gpu", "nvidia-cublas-cu12>=12", "shared", mb=3, wheels=intel),
        release("nvidia-cublas-cu12", mb=4, version="12.4.0"),
        release("onnxruntime", "shared", mb=1, wheels=every),
        release("shared", mb=2, version="1.0"),
        release("shared", mb=2, version="2.0", uploaded=date(2026, 6, 1)),
    ]
    folder = make_index.write_index(tmp_path / "index", releases)
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    fleet = tmp_path / "fleet"
    (fleet / "asr").mkdir(parents=True)
    (fleet / "asr" / "requirements.txt").write_text("onnxruntime-gpu>=1.20\nshared<2\n")
    (fleet / "asr" / "app.py").write_text("print('hello')\n")
    (fleet / "asr" / "model.onnx").write_bytes(Random(1).randbytes(1_500_000))
    configure(fleet, TARGETS)
    with make_index.served(folder) as address:
        monkeypatch.setenv("UV_DEFAULT_INDEX", address)
        yield fleet


def configure(fleet: Path, targets: str) -> None:
    project = '[[project]]\npath = "asr"\ncommand = ["python", "app.py"]\nport = 8000\n'
    (fleet / "depdoctor.toml").write_text(f'[image]\nbase = "scratch"\n{targets}\n{project}')


def planned(root: Path, *options: str) -> dict[str, dict[str, str]]:
    """The pins of each image."""
    assert cli.run(["plan", str(root), "--quiet", *options]) == 0
    made = planfile.load(root / planfile.PLAN_NAME)
    return {image.name: {pin.name: str(pin.version) for pin in made.pins(image)} for image in made.images}


def test_from_targets_to_images(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = planned(root)
    cpu = {"onnxruntime": "1.20.0", "shared": "1.0"}
    gpu = {"onnxruntime-gpu": "1.20.0", "nvidia-cublas-cu12": "12.4.0", "shared": "1.0"}
    assert images == {"asr-aarch64-cpu": cpu, "asr-x86-64": gpu, "asr-x86-64-cpu": cpu}
    told = " ".join(capsys.readouterr().out.split())
    why = "`serverless` takes 6 MB, and the image is 11 MB with it, 5 MB without"
    assert f"asr-x86-64-cpu: without CUDA for `serverless`, which names no GPU: {why}" in told
    assert "image-too-large" not in told
    made = planfile.load(root / planfile.PLAN_NAME)
    assert {image.name: image.targets for image in made.images} == {
        "asr-aarch64-cpu": ("board",),
        "asr-x86-64": ("gpu-pool",),
        "asr-x86-64-cpu": ("serverless",),
    }
    assert cli.run(["plan", str(root), "--check", "--quiet"]) == 0
    assert cli.run(["scan", str(root), "--quiet"]) == 0
    before = (root / planfile.PLAN_NAME).read_bytes()
    planned(root)
    assert (root / planfile.PLAN_NAME).read_bytes() == before
    assert cli.run(["plan", str(root), "--check", "--quiet", "--offline"]) == 0


def test_one_image_where_it_serves_all(root: Path) -> None:
    configure(root, TARGETS.replace("6_000_000", "60_000_000").partition('\n[[target]]\nname = "board"')[0])
    assert list(planned(root)) == ["asr"]


def test_what_fits_nowhere_is_a_finding_with_the_savings(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure(root, TARGETS.replace("6_000_000", "2_500_000"))
    assert cli.run(["plan", str(root), "--quiet", "--format", "json"]) == 0
    (found,) = [one for one in json.loads(capsys.readouterr().out)["findings"] if one["code"] == "DD602"]
    assert found["targets"] == ["serverless"]
    assert "shared==1.0 (2 MB)" in found["hint"]
    assert "weights kept outside the image (2 MB)" in found["hint"]


def test_variants_share_code_weights_and_what_is_not_cuda(root: Path) -> None:
    planned(root)
    output = root.parent / "images"
    assert cli.run(["build", str(root), "--quiet", "--output", str(output)]) == 0
    layers, platforms = {}, {}
    for layout in sorted(output.iterdir()):

        def blob(digest: str, layout: Path = layout) -> bytes:
            return (layout / "blobs" / "sha256" / digest.removeprefix("sha256:")).read_bytes()

        manifest = json.loads(blob(json.loads((layout / "index.json").read_bytes())["manifests"][0]["digest"]))
        configuration = json.loads(blob(manifest["config"]["digest"]))
        platforms[layout.name] = f"{configuration['os']}/{configuration['architecture']}"
        layers[layout.name] = [layer["digest"] for layer in manifest["layers"]]
        names = set()
        for layer in manifest["layers"]:
            with tarfile.open(fileobj=io.BytesIO(gzip.decompress(blob(layer["digest"])))) as archive:
                names |= set(archive.getnames())
        assert {"app/app.py", "app/model.onnx"} <= names
    assert platforms == {
        "asr-aarch64-cpu": "linux/arm64",
        "asr-x86-64": "linux/amd64",
        "asr-x86-64-cpu": "linux/amd64",
    }
    ends = {tuple(own[-2:]) for own in layers.values()}
    assert len(ends) == 1
    assert len(set(layers["asr-x86-64"]) & set(layers["asr-x86-64-cpu"])) >= 4  # environment, shared, weights, code


def test_each_target_gets_its_own_in_kubernetes(root: Path) -> None:
    planned(root)
    made = planfile.load(root / planfile.PLAN_NAME)
    from depdoctor.config import load
    from depdoctor.model.deployment import Deployment, Running

    config = load(root, lambda _: ("glibc", (2, 36)))
    deployment = Deployment(
        images={
            image.name: Running(reference="", gpu=None, weights_bytes=0, unpacked_bytes=1) for image in made.images
        },
        targets=config.targets,
    )
    files = generate(made, only=["kubernetes"], deployment=deployment).files
    resources = {
        path.split("/")[2]: [one.rpartition("/")[2] for one in yaml.safe_load(text)["resources"]]
        for path, text in files.items()
        if path.startswith("kubernetes/overlays/")
    }
    assert resources == {
        "board": ["asr-aarch64-cpu"],
        "gpu-pool": ["asr-x86-64"],
        "serverless": ["asr-x86-64-cpu"],
    }


def test_explain_leads_from_a_build_without_cuda_to_its_line(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    planned(root)
    monkeypatch.chdir(root)
    capsys.readouterr()
    assert cli.run(["explain", "asr-x86-64-cpu", "--quiet"]) == 0
    told = capsys.readouterr().out
    (line,) = [line for line in told.splitlines() if line.startswith("onnxruntime ")]
    assert "asr/requirements.txt:1  onnxruntime-gpu>=1.20" in line
