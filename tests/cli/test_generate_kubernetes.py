"""`generate --only kubernetes`: images by the digest that a registry has for the plan's tag."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from registry_server import serving

from depdoctor import cli


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    root = tmp_path / "fleet"
    (root / "one").mkdir(parents=True)
    (root / "one" / "requirements.txt").touch()
    (root / "one" / "model.safetensors").write_bytes(bytes(300 << 20))
    (root / "depdoctor.toml").write_text(
        '[image]\nbase = "scratch"\n[[project]]\npath = "one"\ncommand = ["python", "app.py"]\nport = 8000\n'
        '[[target]]\nname = "pool"\ndriver = "550.54.15"\n'
    )
    return root


def generate(fleet: Path, *arguments: str) -> int:
    return cli.run(["generate", str(fleet), "--output", str(fleet / "out"), "--only", "kubernetes", *arguments])


def test_images_are_named_by_the_digest_of_the_registry(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving() as registry:
        place = f"{registry.host}/team"
        assert generate(fleet, "--registry", place) == 3
        assert f"depdoctor push --to {place}" in capsys.readouterr().err
        assert cli.run(["push", str(fleet), "--to", place, "--format", "json"]) == 0
        (image,) = json.loads(capsys.readouterr().out)["images"]
        assert generate(fleet, "--registry", place) == 0
    deployment = yaml.safe_load((fleet / "out/kubernetes/base/one/deployment.yaml").read_text())
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"{place}/one@{image['digest']}"
    assert container["resources"]["limits"] == {"memory": "1280Mi"}, "512 MiB and the weights twice, in steps of 256"
    assert (fleet / "out/kubernetes/overlays/pool/kustomization.yaml").is_file()


def test_without_a_registry_it_is_a_usage_error(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate(fleet) == 2
    assert "--registry" in capsys.readouterr().err
