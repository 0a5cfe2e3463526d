"""`images list --registry`: what stands in a registry, by labels; what no plan wants; bases that moved on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from registry_server import Fake, serving

from depdoctor import cli

BASE_TYPE = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture
def registry() -> Iterator[Fake]:
    with serving() as fake:
        fake.page = 2
        yield fake


@pytest.fixture
def fleet(registry: Fake, tmp_path: Path, package_server: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two projects that share a wheel, pushed; then one of them changes, and is pushed beside the other."""
    monkeypatch.setenv("UV_DEFAULT_INDEX", package_server)
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    root = tmp_path / "fleet"
    for name, requirement in {"one": "numlib\n", "two": "numlib\ntokenkit\n"}.items():
        (root / name).mkdir(parents=True)
        (root / name / "requirements.txt").write_text(requirement)
        (root / name / "app.py").write_text("print('ok')\n")
    (root / "depdoctor.toml").write_text('[image]\nbase = "scratch"\n')
    for requirement in ("numlib\ntokenkit\n", "numlib\n"):
        (root / "two" / "requirements.txt").write_text(requirement)
        assert cli.run(["plan", str(root), "--quiet"]) == 0
        assert cli.run(["push", str(root), "--to", f"{registry.host}/team", "--quiet"]) == 0
    return root


def listed(root: Path, registry: Fake, capsys: pytest.CaptureFixture[str], *options: str) -> list[dict[str, Any]]:
    capsys.readouterr()
    command = ["images", "list", str(root), "--registry", f"{registry.host}/team", "--format", "json", *options]
    assert cli.run(command) == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["images"]
    return found


def test_current_and_superseded_images_with_what_they_share(
    fleet: Path, registry: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    found = listed(fleet, registry, capsys)
    assert sorted((one["project"], one["state"]) for one in found) == [
        ("one", "current"),
        ("two", "current"),
        ("two", "superseded"),
    ]
    tags = [tag for one in found for tag in one["references"]]
    assert len(tags) == len(set(tags)) == 4  # of each plan one; `one` is the same image in both
    layers_of = {}
    for one in found:
        name = one["references"][0].rpartition(":")[0].partition("/")[2]
        layers = json.loads(registry.manifests[name][one["identity"]][1])["layers"]
        layers_of[one["identity"]] = {layer["digest"]: layer["size"] for layer in layers}
        assert one["since"] is None  # 1980, as it says, is nobody's answer
        assert one["containers"] == 0
    for one in found:
        own = layers_of[one["identity"]]
        others = {digest for image, layers in layers_of.items() if image != one["identity"] for digest in layers}
        assert one["bytes"] == sum(own.values())
        assert one["shared_bytes"] == sum(size for digest, size in own.items() if digest in others)


def test_others_in_the_registry_are_no_business_of_ours(
    fleet: Path, registry: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    before = listed(fleet, registry, capsys)
    (config,) = registry.put("team/foreign", json.dumps({"config": {"Labels": {"who": "me"}}}).encode())
    document = {"config": {"digest": config}, "layers": []}
    registry.put_manifest("team/foreign", "v1", document, BASE_TYPE)
    registry.put_manifest("team/index", "v1", {"manifests": []}, BASE_TYPE)
    registry.put_manifest("other/two", "v1", document, BASE_TYPE)
    assert listed(fleet, registry, capsys) == before


def test_a_registry_that_tells_no_names_is_asked_for_those_of_the_plan(
    fleet: Path, registry: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    before = listed(fleet, registry, capsys)
    registry.catalog = False
    assert listed(fleet, registry, capsys) == before


def test_bases_that_moved_on_are_told(fleet: Path, registry: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    labels = {"depdoctor.section": "sha256:" + "0" * 64, "depdoctor.project": "old"}
    for name in ("still", "moved", "gone"):
        base = registry.put_manifest(f"base/{name}", "3.11", {"of": name}, BASE_TYPE)
        named = {"org.opencontainers.image.base.name": f"{registry.host}/base/{name}:3.11"}
        named["org.opencontainers.image.base.digest"] = base
        (config,) = registry.put(f"team/{name}", json.dumps({"config": {"Labels": {**labels, **named}}}).encode())
        document = {"config": {"digest": config}, "layers": []}
        registry.put_manifest(f"team/{name}", "v1", document, BASE_TYPE)
    registry.put_manifest("base/moved", "3.11", {"of": "another"}, BASE_TYPE)
    del registry.manifests["base/gone"]["3.11"]
    found = {one["references"][0]: one["base_state"] for one in listed(fleet, registry, capsys, "--bases")}
    assert found[f"{registry.host}/team/still:v1"] is None
    assert found[f"{registry.host}/team/moved:v1"] == "its base has moved on"
    assert found[f"{registry.host}/team/gone:v1"] == "its base is gone"
    assert cli.run(["images", "list", str(fleet), "--registry", f"{registry.host}/team", "--bases"]) == 0
    assert "of no project here; its base has moved on" in " ".join(capsys.readouterr().out.split())
