"""Documents beside an image, and the metadata that they are made of."""

import hashlib
import json
from pathlib import Path

import pytest
from wheels import make_wheel, wheel_files

from depdoctor.adapters.fetch import WheelFetcher
from depdoctor.adapters.store import BlobStore
from depdoctor.build.oci.attach import attachment, metadata_of_files
from depdoctor.errors import FetchError, UnsafeWheelError
from depdoctor.model.distribution import DistributionFile
from depdoctor.model.image import Blob
from depdoctor.model.seams import NoProgress


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "cache")


def file_of(wheel: Path) -> DistributionFile:
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return DistributionFile(filename=wheel.name, url=wheel.as_uri(), sha256=sha256)


def test_metadata_is_read_once(store: BlobStore, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    files = [file_of(wheel)]
    fetcher = WheelFetcher(store)
    (text,) = metadata_of_files(files, store, fetcher, NoProgress()).values()
    assert text.startswith("Metadata-Version: 2.1\nName: demo\n")
    wheel.unlink()
    store.prune(unused_s=1e9)
    assert list(metadata_of_files(files, BlobStore(store.root), fetcher, NoProgress()).values()) == [text]
    with pytest.raises(FetchError, match="is not there"):
        metadata_of_files(files, BlobStore(tmp_path / "empty"), WheelFetcher(BlobStore(tmp_path / "x")), NoProgress())


def test_a_wheel_without_metadata_is_refused(store: BlobStore, tmp_path: Path) -> None:
    whole = wheel_files("demo", "1.0", {})
    del whole["demo-1.0.dist-info/METADATA"]
    files = [file_of(make_wheel(tmp_path, whole=whole))]
    with pytest.raises(UnsafeWheelError, match="no METADATA"):
        metadata_of_files(files, store, WheelFetcher(store), NoProgress())


def test_an_attachment_is_a_manifest_with_a_subject(store: BlobStore) -> None:
    subject = Blob(digest=f"sha256:{'a' * 64}", size_bytes=7, media_type="application/vnd.oci.image.manifest.v1+json")
    one = attachment({"b": 1, "a": "ü"}, "x/y", subject, store)
    document = json.loads(store.path(one.manifest.digest).read_bytes())
    assert document["artifactType"] == document["layers"][0]["mediaType"] == one.artifact_type == "x/y"
    assert document["subject"] == {"mediaType": subject.media_type, "digest": subject.digest, "size": 7}
    assert document["config"] == {
        "mediaType": "application/vnd.oci.empty.v1+json",
        "digest": f"sha256:{hashlib.sha256(b'{}').hexdigest()}",
        "size": 2,
    }
    assert json.loads(store.path(document["layers"][0]["digest"]).read_bytes()) == {"a": "ü", "b": 1}
    assert {blob.digest for blob in one.blobs} == {document["config"]["digest"], document["layers"][0]["digest"]}
    assert attachment({"a": "ü", "b": 1}, "x/y", subject, store) == one
