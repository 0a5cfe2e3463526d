"""Where a generated Dockerfile takes packages from: the indexes of the configuration and of manifests, by hand too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from depdoctor import cli

BASE = '[image]\nbase = "127.0.0.1:9/python:3.11"\n'
"""A base that no registry tells of, so that it is planned without a digest."""


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    (tmp_path / "fleet" / "one").mkdir(parents=True)
    return tmp_path / "fleet"


def layers(fleet: Path) -> list[str]:
    assert cli.run(["plan", str(fleet), "--quiet"]) == 0
    output = fleet.parent / "out"
    assert cli.run(["generate", str(fleet), "--output", str(output), "--only", "dockerfile", "--quiet"]) == 0
    return [path.read_text(encoding="utf-8") for path in sorted(output.glob("layers/*.txt"))]


def test_the_index_of_the_configuration_is_named(fleet: Path, package_server: str) -> None:
    (fleet / "depdoctor.toml").write_text(f'index-url = "{package_server}"\n{BASE}')
    (fleet / "one" / "requirements.txt").write_text("numlib==1.26.4\n")
    (layer,) = layers(fleet)
    assert layer.startswith(f"--index-url {package_server}\nnumlib==1.26.4 --hash=sha256:")


def test_the_additional_index_of_a_manifest_is_named_for_what_comes_from_it(
    fleet: Path, package_server: str, index_folder: Path
) -> None:
    empty = index_folder.parent / "no-packages"
    empty.mkdir(exist_ok=True)
    (fleet / "depdoctor.toml").write_text(f'index-url = "{empty.as_uri()}"\n{BASE}')
    (fleet / "one" / "requirements.txt").write_text(f"--extra-index-url {package_server}\nnumlib==1.26.4\n")
    (layer,) = layers(fleet)
    assert layer.startswith(f"--index-url {package_server}\nnumlib==1.26.4 --hash=sha256:")
    (package,) = json.loads((fleet / "depdoctor.plan.json").read_text())["packages"]
    assert package["index"] == package_server
