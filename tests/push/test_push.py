"""Pushing to a registry that counts what it is asked."""

import hashlib
import json
import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest
from registry_server import Fake, serving

from depdoctor.adapters import registry_line as adapter
from depdoctor.adapters.registry import OciRegistry
from depdoctor.adapters.store import BlobStore
from depdoctor.errors import BuildError, DepdoctorError, RegistryError
from depdoctor.model.image import Attachment, Blob, BuiltImage
from depdoctor.model.seams import NoProgress
from depdoctor.push import Ahead, push, push_all

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fake]:
    monkeypatch.setattr(adapter, "FIRST_PAUSE_S", 0.001)
    with serving() as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "cache")


def blob(content: bytes, media_type: str = LAYER) -> Blob:
    return Blob(digest=f"sha256:{hashlib.sha256(content).hexdigest()}", size_bytes=len(content), media_type=media_type)


def kept(store: BlobStore, content: bytes, media_type: str = LAYER) -> Blob:
    found = blob(content, media_type)
    store.add(found.digest, [content])
    return found


def an_image(store: BlobStore, name: str, *contents: bytes, base: tuple[str, bytes] | None = None) -> BuiltImage:
    config = kept(store, json.dumps({"name": name}).encode(), CONFIG)
    layers = ([blob(base[1])] if base else []) + [kept(store, content) for content in contents]
    document = {
        "schemaVersion": 2,
        "config": {"digest": config.digest, "size": config.size_bytes, "mediaType": CONFIG},
        "layers": [{"digest": one.digest, "size": one.size_bytes, "mediaType": LAYER} for one in layers],
    }
    return BuiltImage(
        name=name,
        manifest=kept(store, json.dumps(document).encode(), MANIFEST),
        config=config,
        layers=tuple(layers),
        base_layers=1 if base else 0,
        base_reference=base[0] if base else "",
    )


def test_an_image_stands_under_its_name_and_tags(fake: Fake, store: BlobStore) -> None:
    image = an_image(store, "api", b"one", b"two")
    pushed = push(image, f"{fake.host}/team", OciRegistry(), store, ["1", "latest"], NoProgress())
    assert pushed.reference == f"{fake.host}/team/api:1"
    assert pushed.digest == image.manifest.digest
    assert pushed.uploaded_bytes == 6 + image.config.size_bytes
    assert pushed.reused_bytes == 0
    for tag in ("1", "latest", image.manifest.digest):
        assert fake.manifests["team/api"][tag][1] == store.path(image.manifest.digest).read_bytes()


def test_a_refusal_is_told_at_once(fake: Fake, store: BlobStore) -> None:
    class Refusing(OciRegistry):
        def stop(self) -> None:
            stopped.set()
            super().stop()

    def documents(*_: object) -> list[Attachment]:
        was_told.append(stopped.wait(10))
        return []

    stopped, was_told = threading.Event(), list[bool]()
    fake.faults += [("POST", "blobs", 403)] * 9
    images = [an_image(store, name, name.encode()) for name in "ab"]
    with pytest.raises(RegistryError, match="403"):
        push_all(images, fake.host, Refusing(), store, ["1"], NoProgress(), documents)
    assert was_told == [True]


def test_what_stands_is_not_sent_again(fake: Fake, store: BlobStore) -> None:
    image = an_image(store, "api", b"one", b"two")
    push(image, f"{fake.host}/team", OciRegistry(), store, ["1"], NoProgress())
    fake.requests.clear()
    again = push(image, f"{fake.host}/team", OciRegistry(), store, ["1"], NoProgress())
    assert (again.uploaded_bytes, again.reused_bytes) == (0, 6 + image.config.size_bytes)
    assert set(fake.counted()) == {"HEAD"}
    assert len(fake.requests) == 1


def test_nothing_is_asked_of_what_the_image_before_shares(fake: Fake, store: BlobStore) -> None:
    push(an_image(store, "api", b"one", b"two"), fake.host, OciRegistry(), store, ["1"], NoProgress())
    fake.requests.clear()
    image = an_image(store, "api", b"one", b"two", b"three")
    assert push(image, fake.host, OciRegistry(), store, ["1"], NoProgress()).uploaded_bytes == 5
    asked = [path for method, path in fake.requests if method == "HEAD" and "/blobs/" in path]
    assert asked == [f"/v2/api/blobs/{blob(b'three').digest}"]


def test_an_image_before_that_was_deleted_answers_for_nothing(fake: Fake, store: BlobStore) -> None:
    push(an_image(store, "api", b"one", b"two"), fake.host, OciRegistry(), store, ["1"], NoProgress())
    fake.manifests["api"].clear()
    fake.blobs["api"].clear()
    image = an_image(store, "api", b"one", b"three")
    push(image, fake.host, OciRegistry(), store, ["1"], NoProgress())
    assert {one.digest for one in (*image.layers, image.config)} <= set(fake.blobs["api"])


def test_a_tag_is_enough_to_put_an_image(fake: Fake, store: BlobStore) -> None:
    image = an_image(store, "api", b"one")
    push(image, fake.host, OciRegistry(), store, ["1", "2"], NoProgress())
    put = [path for method, path in fake.requests if method == "PUT" and "/manifests/" in path]
    assert sorted(put) == ["/v2/api/manifests/1", "/v2/api/manifests/2"]
    fake.requests.clear()
    push(image, fake.host, OciRegistry(), store, [], NoProgress())
    assert fake.requests == [("HEAD", f"/v2/api/manifests/{image.manifest.digest}")]


def test_only_the_layer_that_changed_is_sent(fake: Fake, store: BlobStore) -> None:
    push(an_image(store, "api", b"one", b"two"), fake.host, OciRegistry(), store, ["1"], NoProgress())
    image = an_image(store, "api", b"one", b"three")
    assert push(image, fake.host, OciRegistry(), store, ["1"], NoProgress()).uploaded_bytes == 5


def test_a_layer_of_several_images_is_sent_once(fake: Fake, store: BlobStore) -> None:
    images = [an_image(store, name, b"shared", name.encode()) for name in ("a", "b", "c")]
    pushed = push_all(images, fake.host, OciRegistry(), store, ["1"], NoProgress())
    configs = sum(image.config.size_bytes for image in images)
    assert sum(one.uploaded_bytes for one in pushed) == len(b"shared") + 3 + configs == fake.received_bytes
    assert all(blob(b"shared").digest in fake.blobs[name] for name in ("a", "b", "c"))


def test_what_was_sent_ahead_is_sent_once_and_counts(fake: Fake, store: BlobStore) -> None:
    images = [an_image(store, name, b"shared", name.encode()) for name in ("a", "b")]
    registry = OciRegistry()
    with Ahead(fake.host, registry, store) as ahead:
        for layer in images[0].layers:
            ahead.send("a", layer)
    assert set(fake.blobs["a"]) == {layer.digest for layer in images[0].layers}
    fake.requests.clear()
    pushed = push_all(images, fake.host, registry, store, ["1"], NoProgress(), ahead=ahead)
    assert [one.uploaded_bytes - image.config.size_bytes for one, image in zip(pushed, images, strict=True)] == [7, 1]
    assert not [path for method, path in fake.requests if "a/blobs" in path and images[0].layers[0].digest in path]
    assert set(fake.manifests) == {"a", "b"}


def test_what_cannot_be_sent_ahead_is_sent_later(fake: Fake, store: BlobStore) -> None:
    image = an_image(store, "api", b"one", b"two")
    fake.faults += [("POST", "/blobs/uploads/", 400)]
    with Ahead(fake.host, OciRegistry(), store) as ahead:
        ahead.send("api", image.layers[0])
    assert not ahead.sent
    assert not fake.faults
    [pushed] = push_all([image], fake.host, OciRegistry(), store, ["1"], NoProgress(), ahead=ahead)
    assert pushed.uploaded_bytes == 6 + image.config.size_bytes


def test_an_error_ends_what_is_sent_ahead(fake: Fake, store: BlobStore) -> None:
    image, registry = an_image(store, "api", b"one"), OciRegistry()

    def built() -> None:
        with Ahead(fake.host, registry, store) as ahead:
            ahead.send("api", image.layers[0])
            raise BuildError("no such base")

    with pytest.raises(BuildError, match="no such base"):
        built()
    with pytest.raises(RegistryError, match="given up"):
        registry.has_blob(f"{fake.host}/api", image.layers[0].digest)


def test_without_mounting_it_is_sent_for_each(fake: Fake, store: BlobStore) -> None:
    fake.mounts = False
    images = [an_image(store, name, b"shared") for name in ("a", "b")]
    push_all(images, fake.host, OciRegistry(), store, ["1"], NoProgress())
    assert all(blob(b"shared").digest in fake.blobs[name] for name in ("a", "b"))


def test_the_base_is_mounted_from_its_repository(fake: Fake, store: BlobStore) -> None:
    fake.put("base/python", b"base" * 1000)
    image = an_image(store, "api", b"one", base=(f"{fake.host}/base/python", b"base" * 1000))
    pushed = push(image, fake.host, OciRegistry(), store, ["1"], NoProgress())
    assert pushed.reused_bytes == 4000
    assert fake.blobs["api"][blob(b"base" * 1000).digest] == b"base" * 1000
    assert not store.has(blob(b"base" * 1000).digest)


def test_the_base_is_copied_from_another_registry(fake: Fake, store: BlobStore) -> None:
    with serving() as other:
        other.put("base/python", b"base" * 1000)
        image = an_image(store, "api", b"one", base=(f"{other.host}/base/python", b"base" * 1000))
        push(image, fake.host, OciRegistry(), store, ["1"], NoProgress())
    assert fake.blobs["api"][blob(b"base" * 1000).digest] == b"base" * 1000


def test_no_manifest_is_put_before_its_blobs_stand(fake: Fake, store: BlobStore) -> None:
    image = an_image(store, "api", b"one", b"two")
    fake.faults += [("PUT", "blobs", 403)]
    with pytest.raises(RegistryError, match="403"):
        push(image, fake.host, OciRegistry(), store, ["1"], NoProgress())
    assert not fake.manifests["api"]
    push(image, fake.host, OciRegistry(), store, ["1"], NoProgress())
    assert "1" in fake.manifests["api"]


def test_faults_on_the_way_change_nothing(fake: Fake, store: BlobStore) -> None:
    images = [an_image(store, name, b"shared" * 999, name.encode() * 999) for name in ("a", "b")]
    fake.faults += [("PUT", "", "drop"), ("POST", "", 500), ("HEAD", "", 429), ("PUT", "manifests", 503)] * 2
    push_all(images, fake.host, OciRegistry(), store, ["1"], NoProgress())
    for image in images:
        assert fake.manifests[image.name]["1"][1] == store.path(image.manifest.digest).read_bytes()
    assert not fake.faults


@pytest.mark.parametrize("tags", [["1", "latest"], []])
def test_a_registry_that_says_to_have_what_it_has_not_gets_it(tags: list[str], fake: Fake, store: BlobStore) -> None:
    fake.put("library/base", b"base")
    image = an_image(store, "api", b"one", b"two", base=(f"{fake.host}/library/base", b"base"))
    subject = an_image(store, "about", b"text")
    document = Attachment(
        artifact_type="text/plain", manifest=subject.manifest, blobs=(subject.config, *subject.layers)
    )
    fake.faults += [("HEAD", "/blobs/", 200)] * 6
    pushed = push_all([image], f"{fake.host}/team", OciRegistry(), store, tags, NoProgress(), lambda *_: [document])
    assert [one.digest for one in pushed] == [image.manifest.digest]
    assert not fake.faults
    held = fake.blobs["team/api"]
    assert {one.digest for one in (*image.layers, image.config, *document.blobs)} <= set(held)
    for tag in (*tags, image.manifest.digest):
        assert fake.manifests["team/api"][tag][1] == store.path(image.manifest.digest).read_bytes()


def test_a_layer_that_is_gone_is_said(fake: Fake, store: BlobStore) -> None:
    image = an_image(store, "api", b"one")
    store.path(image.layers[0].digest).unlink()
    with pytest.raises(BuildError, match="gone from the cache"):
        push(image, fake.host, OciRegistry(), store, ["1"], NoProgress())


def a_document(store: BlobStore, subject: Blob, kind: str) -> Attachment:
    content = kept(store, kind.encode(), kind)
    document = {
        "schemaVersion": 2,
        "config": {"digest": content.digest},
        "layers": [],
        "subject": {"digest": subject.digest},
    }
    manifest = kept(store, json.dumps({**document, "artifactType": kind}).encode(), MANIFEST)
    return Attachment(artifact_type=kind, manifest=manifest, blobs=(content,))


def test_a_refused_document_is_told_while_layers_are_sent(fake: Fake, store: BlobStore) -> None:
    class Slow(OciRegistry):
        def upload(self, repository: str, blob: Blob, content: BinaryIO) -> None:
            if blob.media_type == "x/bill":
                raise RegistryError("denied")
            was_told.append(stopped.wait(10))
            super().upload(repository, blob, content)

        def stop(self) -> None:
            stopped.set()
            super().stop()

    stopped, was_told = threading.Event(), list[bool]()
    image = an_image(store, "api", b"one")
    document = a_document(store, image.manifest, "x/bill")
    with pytest.raises(RegistryError, match="denied"):
        push_all([image], fake.host, Slow(), store, ["1"], NoProgress(), lambda *_: [document])
    assert was_told
    assert all(was_told)


@pytest.mark.parametrize("knows_referrers", [True, False])
def test_documents_are_there_before_the_image_is(knows_referrers: bool, fake: Fake, store: BlobStore) -> None:
    fake.referrers = knows_referrers
    image = an_image(store, "api", b"one")
    documents = [a_document(store, image.manifest, kind) for kind in ("x/bill", "x/provenance")]
    asked: list[str] = []

    def attachments(built: BuiltImage, repository: str) -> list[Attachment]:
        assert not fake.manifests["team/api"].get(built.manifest.digest)
        asked.append(repository)
        return documents

    for _ in range(2):
        push_all([image], f"{fake.host}/team", OciRegistry(), store, ["1"], NoProgress(), attachments)
    assert asked == [f"{fake.host}/team/api"], "what stands gets no documents again"
    held = fake.manifests["team/api"]
    assert {one.manifest.digest for one in documents} <= held.keys()
    tag = image.manifest.digest.replace(":", "-")
    if knows_referrers:
        assert tag not in held
        return
    media_type, content = held[tag]
    assert media_type == "application/vnd.oci.image.index.v1+json"
    assert {(one["digest"], one["artifactType"]) for one in json.loads(content)["manifests"]} == {
        (one.manifest.digest, one.artifact_type) for one in documents
    }


@pytest.mark.parametrize("listed", ["[]", "{}", '{"manifests": [3]}', "<html>"])
def test_a_list_of_documents_that_makes_no_sense_is_an_error(listed: str, fake: Fake, store: BlobStore) -> None:
    image = an_image(store, "api", b"one")
    document = a_document(store, image.manifest, "x/bill")
    tag = image.manifest.digest.replace(":", "-")
    fake.manifests["api"][tag] = ("text/html", listed.encode())
    with pytest.raises(RegistryError, match="makes no sense"):
        push_all([image], fake.host, OciRegistry(), store, [], NoProgress(), lambda *_: [document])
    assert image.manifest.digest not in fake.manifests["api"]


@pytest.mark.parametrize("seed", range(12))
def test_whatever_a_registry_does_no_wrong_image_stands(seed: int, fake: Fake, store: BlobStore) -> None:
    chance = random.Random(seed)
    images = [an_image(store, name, b"shared" * 999, name.encode() * 999) for name in ("a", "b")]
    documents = {image.name: a_document(store, image.manifest, "bill") for image in images}
    methods = ("HEAD", "POST", "PUT", "PUT", "GET")
    kinds: tuple[int | str | bytes, ...] = (500, 503, 429, 404, 401, "drop", "lie", b"<html>", b"{}")
    fake.faults += [
        (chance.choice(methods), chance.choice(("blobs", "manifests", "")), chance.choice(kinds)) for _ in range(9)
    ]
    for _ in range(8):
        try:
            push_all(images, fake.host, OciRegistry(), store, ["1"], NoProgress(), lambda one, _: [documents[one.name]])
        except DepdoctorError:
            continue
        else:
            break
    else:
        pytest.fail("it never came through")
    for image in images:
        for name in ("1", image.manifest.digest):
            assert fake.manifests[image.name][name][1] == store.path(image.manifest.digest).read_bytes()
        assert {layer.digest for layer in image.layers} <= fake.blobs[image.name].keys()
        assert documents[image.name].manifest.digest in fake.manifests[image.name]
        assert {one.digest for one in documents[image.name].blobs} <= fake.blobs[image.name].keys()
    held = {**fake.blobs["a"], **fake.blobs["b"]}
    assert all(f"sha256:{hashlib.sha256(content).hexdigest()}" == digest for digest, content in held.items())
    assert not store.verify()
