"""Model weights from the folder to the image: layers of their own, shared, or left outside; and what labels say."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
import tarfile
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import kubernetes_validate
import pytest
import yaml

from depdoctor import cli, planfile
from depdoctor.generate import generate
from depdoctor.model.weights import Keep, WeightFile, layered

SAME, OTHER = (Random(seed).randbytes(1_200_000) for seed in (1, 2))


@pytest.fixture
def root(tmp_path: Path, package_server: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UV_DEFAULT_INDEX", package_server)
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    folder = tmp_path / "fleet"
    for name, content in {"asr": SAME, "tts": SAME, "rag": OTHER}.items():
        (folder / name / "models").mkdir(parents=True)
        (folder / name / "requirements.txt").write_text("numlib==1.26.4\n")
        (folder / name / "app.py").write_text(f"print({name!r})\n")
        (folder / name / "models" / "model.onnx").write_bytes(content)
        (folder / name / "models" / "tiny.onnx").write_bytes(b"tiny")
    configure(folder, "")
    return folder


def configure(root: Path, lines: str) -> None:
    (root / "depdoctor.toml").write_text(f'[image]\nbase = "scratch"\n{lines}')


def plan_on_a_base(root: Path) -> None:
    """Plan on a base that no registry is asked for."""
    assert cli.run(["plan", str(root), "--quiet"]) == 0
    assert cli.run(["plan", str(root), "--quiet", "--base", "python:3.11-slim-bookworm", "--offline", "--fresh"]) == 0


def built(root: Path, *options: str) -> dict[str, dict[str, Any]]:
    """Plan and build; of each image its layers, top last (names of files, and digest), and its labels."""
    output = root.parent / "images"
    assert cli.run(["plan", str(root), "--quiet", *options]) == 0
    assert cli.run(["build", str(root), "--quiet", "--output", str(output)]) == 0
    found = {}
    for layout in sorted(output.iterdir()):

        def blob(digest: str, layout: Path = layout) -> bytes:
            return (layout / "blobs" / "sha256" / digest.removeprefix("sha256:")).read_bytes()

        manifest = json.loads(blob(json.loads((layout / "index.json").read_bytes())["manifests"][0]["digest"]))
        layers = []
        for layer in manifest["layers"]:
            with tarfile.open(fileobj=io.BytesIO(gzip.decompress(blob(layer["digest"])))) as archive:
                layers.append((layer["digest"], {member.name for member in archive if member.isfile()}))
        found[layout.name] = {
            "layers": layers,
            "labels": json.loads(blob(manifest["config"]["digest"]))["config"]["Labels"],
        }
    return found


def test_identical_weights_are_one_layer_below_the_code(root: Path) -> None:
    images = built(root)
    weights = {}
    for name, image in images.items():
        *_, (digest, files), (_, code) = image["layers"]
        assert files == {"app/models/model.onnx"}
        assert code == {"app/app.py", "app/requirements.txt", "app/models/tiny.onnx"}
        weights[name] = digest
    assert weights["asr"] == weights["tts"] != weights["rag"]
    assert images["asr"]["labels"]["depdoctor.weights"] == f"models/model.onnx@sha256:{sha256(SAME).hexdigest()}"


def test_weights_that_change_change_one_layer_and_the_plan(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = built(root)
    (root / "rag" / "models" / "model.onnx").write_bytes(OTHER[::-1])
    assert cli.run(["plan", str(root), "--check", "--quiet"]) == 1
    assert cli.run(["build", str(root), "--quiet", "--output", str(root.parent / "images")]) == 3
    assert "not those of the plan" in capsys.readouterr().err
    after = built(root)
    assert after["asr"] == before["asr"]
    changed = [old != new for old, new in zip(before["rag"]["layers"], after["rag"]["layers"], strict=True)]
    assert changed.count(True) == 1


@pytest.mark.parametrize("keep", ["volume", "omit"])
def test_weights_stay_outside(root: Path, keep: str) -> None:
    configure(root, f'weights = "{keep}"\n[[project]]\npath = "tts"\nweights = "layer"\nmodel-version = "2.1"\n')
    images = built(root)
    assert all("app/models/model.onnx" not in files for _, files in images["asr"]["layers"])
    assert any("app/models/model.onnx" in files for _, files in images["tts"]["layers"])
    assert images["tts"]["labels"]["depdoctor.model.version"] == "2.1"
    assert ("depdoctor.weights" in images["asr"]["labels"]) == (keep == "volume")


def test_what_dockerignore_leaves_out_is_no_weights(root: Path) -> None:
    (root / "rag" / ".dockerignore").write_text("models\n")
    image = built(root)["rag"]
    assert all("models" not in "".join(files) for _, files in image["layers"])


def test_pointer_of_git_lfs_is_said(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 5000000\n"
    (root / "rag" / "models" / "model.onnx").write_text(pointer)
    assert cli.run(["plan", str(root)]) == 0
    assert "git lfs pull" in capsys.readouterr().err
    committed = planfile.load(root / planfile.PLAN_NAME)
    assert {image.name: len(image.weights) for image in committed.images} == {"asr": 1, "rag": 0, "tts": 1}


def test_dockerfile_copies_weights_once_and_before_the_code(root: Path) -> None:
    plan_on_a_base(root)
    text = generate(planfile.load(root / planfile.PLAN_NAME)).files["Dockerfile"]
    stages = [line.split(" AS ")[1] for line in text.splitlines() if line.startswith("FROM") and "AS weights_" in line]
    assert len(stages) == len(set(stages)) == 2
    own = text[text.index("AS asr\n") :].partition("\nFROM")[0]
    (copy,) = [line for line in own.splitlines() if "--from=weights_" in line]
    assert own.index(copy) < own.index("--from=code_asr")
    code = text[text.index("AS code_asr") :].partition("\nFROM")[0]
    assert '"models/model.onnx"' in code


def test_compose_mounts_what_is_kept_in_a_volume(root: Path) -> None:
    configure(root, 'weights = "volume"\n[[project]]\npath = "asr"\ncommand = ["python", "app.py"]\n')
    plan_on_a_base(root)
    files = generate(planfile.load(root / planfile.PLAN_NAME), only=["compose"]).files
    (text,) = [text for name, text in files.items() if name.endswith("compose.yaml")]
    assert "target: /app/models/model.onnx" in text
    assert "asr/models/model.onnx" in text


def test_kubernetes_mounts_what_is_kept_in_a_volume(root: Path) -> None:
    configure(root, 'weights = "volume"\n[[project]]\npath = "asr"\ncommand = ["python", "app.py"]\n')
    plan_on_a_base(root)
    files = generate(planfile.load(root / planfile.PLAN_NAME), only=["kubernetes"]).files
    found = {name.rpartition("/")[2]: yaml.safe_load(text) for name, text in files.items() if "/asr/" in name}
    claim = found["weights.yaml"]
    assert claim["kind"] == "PersistentVolumeClaim"
    assert claim["spec"]["resources"]["requests"]["storage"] == "2Mi"
    assert sha256(SAME).hexdigest() in claim["metadata"]["annotations"]["depdoctor.weights"]
    assert "weights.yaml" in found["kustomization.yaml"]["resources"]
    pod = found["deployment.yaml"]["spec"]["template"]["spec"]
    (volume,) = [one for one in pod["volumes"] if one["name"] == "weights"]
    assert volume["persistentVolumeClaim"] == {"claimName": claim["metadata"]["name"], "readOnly": True}
    (mount,) = [one for one in pod["containers"][0]["volumeMounts"] if one["name"] == "weights"]
    assert (mount["mountPath"], mount["subPath"]) == ("/app/models/model.onnx", "models/model.onnx")
    for document in found.values():
        if not document["apiVersion"].startswith("kustomize"):
            kubernetes_validate.validate(document, "1.31", strict=True)


def test_version_of_a_model_comes_from_its_file_its_card_or_the_configuration(root: Path) -> None:
    header = json.dumps(
        {
            "__metadata__": {"format": "pt", "version": "3.1"},
            "w": {"dtype": "F32", "shape": [300, 1000], "data_offsets": [0, 1_200_000]},
        }
    ).encode()
    (root / "rag" / "models" / "model.onnx").unlink()
    (root / "rag" / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + OTHER)
    (root / "rag" / "README.md").write_text("---\nversion: 9\n---\n")
    (root / "asr" / "models" / "README.md").write_text("---\nlicense: mit\nversion: 1.10\n---\n# Speech\n")
    (root / "tts" / "README.md").write_text("---\nmodel_version: 1.1\n---\n")
    configure(root, '[[project]]\npath = "tts"\nmodel-version = "2.0"\n')
    images = built(root)
    versions = {name: image["labels"]["depdoctor.model.version"] for name, image in images.items()}
    assert versions == {"asr": "1.10", "rag": "3.1", "tts": "2.0"}
    (root / "asr" / "models" / "other.onnx").write_bytes(OTHER)
    (root / "asr" / "models" / "README.md").unlink()
    assert "depdoctor.model.version" not in built(root)["asr"]["labels"]


def test_bundle_refuses_weights_that_are_not_those_of_the_plan(root: Path, tmp_path: Path) -> None:
    plan_on_a_base(root)
    files = generate(planfile.load(root / planfile.PLAN_NAME)).files
    (line,) = [line for line in files["Dockerfile"].splitlines() if f"sha256:{sha256(SAME).hexdigest()}:" in line]
    arguments = json.loads(line[line.index("[") :])
    assert arguments[2] == "/app"
    (tmp_path / "settle.py").write_text(files["settle.py"])
    folder = tmp_path / "app" / "models"
    folder.mkdir(parents=True)
    command = [sys.executable, str(tmp_path / "settle.py"), str(folder.parent), *arguments[3:]]
    (folder / "model.onnx").write_bytes(SAME)
    assert subprocess.run(command, check=False).returncode == 0
    (folder / "model.onnx").write_bytes(SAME[::-1])
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "not those of the plan" in done.stderr


def test_memory_that_a_model_takes_beside_what_a_gpu_has(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    header = json.dumps({"w": {"dtype": "F32", "shape": [300, 1000], "data_offsets": [0, 1_200_000]}}).encode()
    (root / "rag" / "models" / "model.onnx").unlink()
    (root / "rag" / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + OTHER)
    configure(root, '[[target]]\nname = "edge"\ngpus = ["8.7"]\ngpu-memory-bytes = 1_000_000\n')
    assert cli.run(["plan", str(root)]) == 0
    told = capsys.readouterr().out
    assert "weights of rag: 0 M parameters, 1.2 MB at float32, 600 kB at float16, 300 kB at int8" in told
    assert "the GPU of edge has 1.0 MB: float32 does not fit, float16 does" in told
    assert cli.run(["plan", str(root), "--format", "json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)["memory"]
    assert (one["project"], one["parameters"]) == ("rag", 300_000)
    assert one["targets"] == [{"target": "edge", "gpu_memory_bytes": 1_000_000, "fits": "float16"}]


def test_unknown_place_is_a_configuration_error(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure(root, 'weights = "cloud"\n')
    assert cli.run(["plan", str(root)]) == 2
    assert "must be one of layer, volume, omit" in capsys.readouterr().err


def test_many_files_share_a_layer() -> None:
    files = [WeightFile(path=f"{number}.bin", sha256="0" * 64, size_bytes=1) for number in range(6)]
    assert [len(group) for group in layered(files[:5])] == [1] * 5
    assert [len(group) for group in layered(files)] == [6]
    assert Keep("layer") is Keep.LAYER
