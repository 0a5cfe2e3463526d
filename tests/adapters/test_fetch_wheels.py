"""Fetching against a server on loopback that misbehaves as told."""

import base64
import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from registry_server import Fake, serving

from depdoctor.adapters import fetch as module
from depdoctor.adapters.fetch import WheelFetcher
from depdoctor.adapters.store import BlobStore
from depdoctor.errors import FetchError
from depdoctor.model.distribution import DistributionFile
from depdoctor.model.seams import NoProgress

CONTENT = bytes(range(256)) * 9000


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fake]:
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.001)
    with serving() as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "cache")


def a_file(fake: Fake, content: bytes = CONTENT, *, size: int | None = len(CONTENT)) -> DistributionFile:
    """A wheel that the server has as a blob."""
    (digest,) = fake.put("wheels", content)
    return DistributionFile(
        filename="demo-1.0-py3-none-any.whl",
        url=f"http://user:secret@{fake.host}/v2/wheels/blobs/{digest}",
        sha256=digest.removeprefix("sha256:"),
        size_bytes=size,
    )


def fetched(store: BlobStore, *files: DistributionFile, **options: bool) -> list[bytes]:
    paths = WheelFetcher(store, **options).fetch(files, NoProgress())
    return [paths[file.sha256].read_bytes() for file in files]


@pytest.mark.parametrize("size", [len(CONTENT), None])
@pytest.mark.parametrize("faults", [[], [503, 429], ["drop"], ["drop", 500, "drop"]])
def test_a_file_comes_whole(faults: list[int | str], size: int | None, fake: Fake, store: BlobStore) -> None:
    file = a_file(fake, size=size)
    fake.faults += [("GET", "blobs", fault) for fault in faults]
    assert fetched(store, file) == [CONTENT]


def test_what_is_in_the_store_is_not_fetched(fake: Fake, store: BlobStore) -> None:
    file = a_file(fake)
    fetched(store, file)
    asked = len(fake.requests)
    assert fetched(store, file) == [CONTENT]
    assert fetched(store, file, offline=True) == [CONTENT]
    assert len(fake.requests) == asked


@pytest.mark.parametrize("size", [len(CONTENT), None, 5])
def test_another_content_is_refused(size: int | None, fake: Fake, store: BlobStore) -> None:
    file = a_file(fake, size=size)
    if size != 5:
        fake.faults.append(("GET", "blobs", "lie"))
    with pytest.raises(FetchError, match="is not the file that was locked") as caught:
        fetched(store, file)
    assert "secret" not in str(caught.value)
    assert store.size().blobs == 0
    assert not list((store.root / "drafts").iterdir())


def test_a_file_that_is_gone(fake: Fake, store: BlobStore) -> None:
    file = a_file(fake)
    fake.blobs.clear()
    with pytest.raises(FetchError, match=r"demo-1\.0-py3-none-any\.whl: the server answers 404") as caught:
        fetched(store, file)
    assert "secret" not in str(caught.value)


def test_a_server_that_never_works(fake: Fake, store: BlobStore) -> None:
    file = a_file(fake)
    fake.faults += [("GET", "blobs", 503)] * module.TRIES
    with pytest.raises(FetchError, match="503"):
        fetched(store, file)


def test_a_server_that_is_not_there_is_asked_once(store: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 1e9)
    file = DistributionFile(filename="a.whl", url="http://127.0.0.1:1/a.whl", sha256="0" * 64)
    with pytest.raises(FetchError, match=r"cannot fetch a\.whl") as caught:
        fetched(store, file)
    assert caught.value.hint


def test_offline_is_said(fake: Fake, store: BlobStore) -> None:
    with pytest.raises(FetchError, match="--offline"):
        fetched(store, a_file(fake), offline=True)
    assert not fake.requests


def local(path: Path, url: str) -> DistributionFile:
    return DistributionFile(filename="x.whl", url=url, sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def test_local_files_by_address_and_path(store: BlobStore, tmp_path: Path) -> None:
    path = tmp_path / "some folder" / "ü.whl"
    path.parent.mkdir()
    path.write_bytes(b"wheel")
    for file in (local(path, path.as_uri()), local(path, str(path))):
        assert fetched(store, file, offline=True) == [b"wheel"]
    store.prune(unused_s=-1)
    paths = WheelFetcher(store, root=tmp_path).fetch([local(path, "some folder/ü.whl")], NoProgress())
    assert [found.read_bytes() for found in paths.values()] == [b"wheel"]


def test_a_local_file_that_changed_or_is_gone(store: BlobStore, tmp_path: Path) -> None:
    path = tmp_path / "x.whl"
    path.write_bytes(b"wheel")
    file = local(path, path.as_uri())
    path.write_bytes(b"other")
    with pytest.raises(FetchError, match="is not the file that was locked"):
        fetched(store, file)
    path.unlink()
    with pytest.raises(FetchError, match="is not there"):
        fetched(store, file)


def test_many_files_come_in_parallel(fake: Fake, store: BlobStore) -> None:
    files = [a_file(fake, content, size=len(content)) for content in (bytes([n]) * 5000 for n in range(20))]
    assert fetched(store, *files) == [bytes([n]) * 5000 for n in range(20)]


def test_an_interrupt_waits_for_nobody(fake: Fake, store: BlobStore, tmp_path: Path) -> None:
    hanging = [a_file(fake, bytes([n]) * 5000, size=5000) for n in range(4)]
    fake.faults += [("GET", "blobs", "hang")] * 4
    path = tmp_path / "x.whl"
    path.write_bytes(b"wheel")

    class Interrupting(NoProgress):
        def advance(self, task: str, amount: int = 1) -> None:  # noqa: ARG002
            if amount == len(b"wheel"):
                while len(fake.requests) < len(hanging):
                    time.sleep(0.01)
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        WheelFetcher(store).fetch([*hanging, local(path, path.as_uri())], Interrupting())
    assert not list((store.root / "drafts").iterdir())
    assert fetched(store, *hanging) == [bytes([n]) * 5000 for n in range(4)]


@pytest.fixture
def keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `keyring` command that knows one account, and notes what it is asked."""
    program = tmp_path / "bin" / "keyring"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n'
        f'[ "$4" = "$(cat {tmp_path}/host)" ] || exit 1\nprintf "team\\ns3cr3t\\n"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    return tmp_path


@pytest.mark.parametrize("provider", ["subprocess", "disabled"])
def test_the_keyring_is_asked_as_uv_asks_it(
    provider: str, fake: Fake, store: BlobStore, keyring: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_KEYRING_PROVIDER", provider)
    fake.user = f"Basic {base64.b64encode(b'team:s3cr3t').decode()}"
    (keyring / "host").write_text(fake.host)
    contents = [bytes([n]) * 5000 for n in range(12)]
    given = [a_file(fake, content, size=5000) for content in contents]
    files = [replace(file, url=file.url.replace("user:secret@", "")) for file in given]
    if provider == "disabled":
        with pytest.raises(FetchError, match="401") as caught:
            fetched(store, *files)
        assert "UV_KEYRING_PROVIDER" in caught.value.hint
        assert not (keyring / "asked").exists()
        return
    assert fetched(store, *files) == contents
    asked = (keyring / "asked").read_text().splitlines()
    assert asked == [f"--mode creds get http://{fake.host}", f"--mode creds get {fake.host}"]


def test_a_password_that_is_refused_is_not_tried_for_ever(
    fake: Fake, store: BlobStore, keyring: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_KEYRING_PROVIDER", "subprocess")
    fake.user = "Basic nobody"
    (keyring / "host").write_text(fake.host)
    file = a_file(fake)
    with pytest.raises(FetchError, match="401") as caught:
        fetched(store, replace(file, url=file.url.replace("user:secret@", "")))
    assert "s3cr3t" not in str(caught.value)
    assert len(fake.requests) <= module.TRIES
