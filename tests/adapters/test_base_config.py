"""What an image says of itself, read from a registry without a layer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from registry_server import Fake, serving

from depdoctor.adapters.base_config import BaseConfigs
from depdoctor.adapters.registry import OciRegistry
from depdoctor.adapters.store import BlobStore
from depdoctor.model.inventory import BaseConfig

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
SAID = ["PATH=/usr/bin", "CUDA_VERSION=12.8.1", "NVIDIA_REQUIRE_CUDA=cuda>=12.8 brand=tesla,driver>=535,driver<536"]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Fake]:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with serving() as running:
        yield running


def publish(fake: Fake, environment: list[str], tag: str = "7") -> str:
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Env": environment}}).encode()
    layer = b"a layer that nobody needs"
    described, _ = fake.put("team/base", config, layer)
    manifest = {"schemaVersion": 2, "config": {"digest": described, "size": len(config)}, "layers": []}
    return fake.put_manifest("team/base", tag, manifest, MANIFEST)


def read(fake: Fake, cache: Path, reference: str, *, offline: bool = False) -> BaseConfig | None:
    configs, unknown = BaseConfigs(OciRegistry(offline=offline), BlobStore(cache)).read([reference])
    assert len(configs) + len(unknown) == 1
    return configs[0] if configs else None


def test_the_variables_of_an_image_are_read_and_remembered(fake: Fake, tmp_path: Path) -> None:
    digest = publish(fake, SAID)
    reference = f"{fake.host}/team/base:7"
    config = read(fake, tmp_path, reference)
    assert config is not None
    assert config.digest == digest
    assert dict(config.environment) == {
        "CUDA_VERSION": "12.8.1",
        "NVIDIA_REQUIRE_CUDA": "cuda>=12.8 brand=tesla,driver>=535,driver<536",
    }
    assert fake.counted()["GET"] == 2
    assert read(fake, tmp_path, reference, offline=True) == config
    assert fake.counted()["GET"] == 2


def test_of_an_index_the_image_of_the_machine_is_taken(fake: Fake, tmp_path: Path) -> None:
    digest = publish(fake, SAID, "amd64")
    platforms = [("arm64", "sha256:" + "0" * 64), ("amd64", digest)]
    entries = [
        {"digest": found, "platform": {"os": "linux", "architecture": machine}, "mediaType": MANIFEST}
        for machine, found in platforms
    ]
    fake.put_manifest("team/base", "7", {"schemaVersion": 2, "manifests": entries}, INDEX)
    config = read(fake, tmp_path, f"{fake.host}/team/base:7")
    assert config is not None
    assert dict(config.environment)["CUDA_VERSION"] == "12.8.1"


def test_an_image_that_is_not_there_is_unknown(fake: Fake, tmp_path: Path) -> None:
    assert read(fake, tmp_path, f"{fake.host}/team/absent:1") is None


def test_offline_nothing_is_known_of_an_image_never_seen(tmp_path: Path) -> None:
    assert BaseConfigs(OciRegistry(offline=True), BlobStore(tmp_path)).read(["registry.example/a:1"]) == (
        (),
        ("registry.example/a:1",),
    )


def test_a_configuration_that_is_no_object_is_unknown(fake: Fake, tmp_path: Path) -> None:
    config = b"[]"
    (described,) = fake.put("team/base", config)
    fake.put_manifest("team/base", "7", {"config": {"digest": described, "size": 2}, "layers": []}, MANIFEST)
    assert read(fake, tmp_path, f"{fake.host}/team/base:7") is None


def test_a_registry_is_asked_once_an_hour_what_a_tag_means_and_once_for_a_digest(fake: Fake, tmp_path: Path) -> None:
    old = publish(fake, SAID)
    tag, exact = f"{fake.host}/team/base:7", f"{fake.host}/team/base@{old}"

    def told(reference: str, hour: str) -> str:
        reader = BaseConfigs(OciRegistry(), BlobStore(tmp_path), hour=hour)
        (config,), unknown = reader.read([reference])
        assert not unknown
        return config.digest

    assert told(tag, "noon") == told(exact, "noon") == old
    new = publish(fake, ["CUDA_VERSION=13.0.0"])
    asked = len(fake.requests)
    assert told(tag, "noon") == old
    assert told(exact, "one o'clock") == old
    assert len(fake.requests) == asked
    assert told(tag, "") == new
    assert told(tag, "one o'clock") == new
