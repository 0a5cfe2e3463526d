from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from depdoctor.adapters.docker_archive import archive, full_name
from depdoctor.errors import EngineError


def put(layout: Path, content: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    path = layout / "blobs/sha256" / digest
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return {"digest": f"sha256:{digest}", "size": len(content)}


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """A layout whose layers are 0, 511, 512 and 3,000,000 bytes, so that every kind of padding is met."""
    contents = [b"", b"a" * 511, b"b" * 512, b"c" * 3_000_000]
    layers = [put(tmp_path, content) for content in contents]
    config = put(tmp_path, json.dumps({"rootfs": {"diff_ids": ["d0", "d1", "d2", "d3"]}}).encode())
    manifest = put(tmp_path, json.dumps({"config": config, "layers": layers}).encode())
    (tmp_path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))
    return tmp_path


def members(chunks: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(chunks)) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]


def test_the_archive_holds_every_blob_under_its_digest_and_both_indexes(layout: Path) -> None:
    found = members(b"".join(archive(layout, "team/app:v1")))
    blobs = {name: content for name, content in found.items() if name.startswith("blobs/")}
    assert len(blobs) == 6
    for name, content in blobs.items():
        assert hashlib.sha256(content).hexdigest() == name.rpartition("/")[2]
    (entry,) = json.loads(found["manifest.json"])
    assert entry["RepoTags"] == ["docker.io/team/app:v1"]
    assert [len(found[path]) for path in entry["Layers"]] == [0, 511, 512, 3_000_000]
    (descriptor,) = json.loads(found["index.json"])["manifests"]
    assert descriptor["annotations"]["io.containerd.image.name"] == "docker.io/team/app:v1"


def test_what_the_engine_holds_is_left_out_but_only_along_its_chain(layout: Path) -> None:
    chain = frozenset({("d0",), ("d0", "d1"), ("d2",)})
    found = members(b"".join(archive(layout, "app", chain)))
    (entry,) = json.loads(found["manifest.json"])
    assert [path in found for path in entry["Layers"]] == [False, False, True, True]


def test_a_missing_blob_and_what_to_do_are_named(layout: Path) -> None:
    victim = next(path for path in (layout / "blobs/sha256").iterdir() if path.stat().st_size == 512)
    victim.unlink()
    with pytest.raises(EngineError, match=victim.name) as caught:
        list(archive(layout, "app"))
    assert "base" in caught.value.hint


@pytest.mark.parametrize(
    ("index", "words"),
    [
        ('{"manifests": []}', "0 images"),
        ('{"manifests": [{"digest": "sha256:../../etc"}]}', "not a SHA-256 digest"),
        ("{", "not an OCI image layout"),
    ],
)
def test_a_bad_layout_is_refused(tmp_path: Path, index: str, words: str) -> None:
    (tmp_path / "index.json").write_text(index)
    with pytest.raises(EngineError, match=words):
        list(archive(tmp_path, "app"))


def test_a_folder_that_is_no_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="not an OCI image layout"):
        list(archive(tmp_path / "nowhere", "app"))


@pytest.mark.parametrize(
    ("reference", "full"),
    [
        ("app", "docker.io/library/app:latest"),
        ("team/app", "docker.io/team/app:latest"),
        ("team/app:v1", "docker.io/team/app:v1"),
        ("localhost/app", "localhost/app:latest"),
        ("127.0.0.1:5000/team/app", "127.0.0.1:5000/team/app:latest"),
        ("registry.example/team/app:v1", "registry.example/team/app:v1"),
    ],
)
def test_names_are_completed_as_the_engine_does(reference: str, full: str) -> None:
    assert full_name(reference) == full
