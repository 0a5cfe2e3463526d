"""The registry client against a registry that misbehaves as told."""

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from registry_server import Fake, serving
from urllib3 import HTTPResponse

from depdoctor.adapters import registry as adapter
from depdoctor.adapters import registry_line as module
from depdoctor.adapters import registry_upload
from depdoctor.adapters.registry import OciRegistry
from depdoctor.adapters.registry_names import Reference, is_loopback, parse
from depdoctor.errors import RegistryError
from depdoctor.model.image import Blob

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONTENT = bytes(range(256)) * 4000


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Fake]:
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.001)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with serving() as running:
        yield running


@pytest.fixture
def registry() -> OciRegistry:
    return OciRegistry()


def blob(content: bytes) -> Blob:
    return Blob(digest=f"sha256:{hashlib.sha256(content).hexdigest()}", size_bytes=len(content), media_type="x/y")


def log_in(folder: Path, host: str) -> str:
    secret = base64.b64encode(b"user:pass").decode()
    (folder / "config.json").write_text(json.dumps({"auths": {host: {"auth": secret}}}))
    return f"Basic {secret}"


REFERENCES = {
    "python": Reference(host="registry-1.docker.io", repository="library/python", tag="latest"),
    "python:3.11": Reference(host="registry-1.docker.io", repository="library/python", tag="3.11"),
    "team/api:1": Reference(host="registry-1.docker.io", repository="team/api", tag="1"),
    "docker.io/team/api": Reference(host="registry-1.docker.io", repository="team/api", tag="latest"),
    "registry.example/team/api:1": Reference(host="registry.example", repository="team/api", tag="1"),
    "registry.example:5000/api": Reference(host="registry.example:5000", repository="api", tag="latest"),
    "localhost/api:1": Reference(host="localhost", repository="api", tag="1"),
    f"127.0.0.1:5000/a/b@sha256:{'0' * 64}": Reference(
        host="127.0.0.1:5000", repository="a/b", digest=f"sha256:{'0' * 64}"
    ),
    f"registry.example/a:1@sha256:{'0' * 64}": Reference(
        host="registry.example", repository="a", tag="1", digest=f"sha256:{'0' * 64}"
    ),
}


@pytest.mark.parametrize("text", REFERENCES)
def test_references_are_read_as_docker_reads_them(text: str) -> None:
    assert parse(text) == REFERENCES[text]


@pytest.mark.parametrize("text", ["", "UPPER/case", "a b", "registry.example/a@sha256:12", "-x:y:z", "http://a/b"])
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(RegistryError, match="not an image reference"):
        parse(text)


def test_only_loopback_speaks_plain_http() -> None:
    assert all(map(is_loopback, ["localhost:5000", "127.0.0.1", "127.8.9.1:80", "[::1]:5000"]))
    assert not any(map(is_loopback, ["registry.example", "localhost.example", "128.0.0.1", "10.0.0.1:5000"]))
    assert parse("registry.example/a").base == "https://registry.example/v2/a"


def test_a_manifest_is_read_by_tag_and_digest(fake: Fake, registry: OciRegistry) -> None:
    digest = fake.put_manifest("team/api", "1", {"schemaVersion": 2}, MANIFEST)
    for name in ("1", digest):
        reference = f"{fake.host}/team/api{'@' if name == digest else ':'}{name}"
        found, content = registry.manifest(reference)
        assert (found.digest, found.media_type, found.size_bytes) == (digest, MANIFEST, len(content))
        assert json.loads(content) == {"schemaVersion": 2}
        assert registry.digest(reference) == digest
    assert registry.digest(f"{fake.host}/team/api:2") == ""
    with pytest.raises(RegistryError, match="there is no image"):
        registry.manifest(f"{fake.host}/team/api:2")


def test_a_manifest_that_is_not_its_digest_is_refused(fake: Fake, registry: OciRegistry) -> None:
    digest = fake.put_manifest("api", "1", {"schemaVersion": 2}, MANIFEST)
    fake.faults.append(("GET", "manifests", "lie"))
    with pytest.raises(RegistryError, match="when asked for"):
        registry.manifest(f"{fake.host}/api@{digest}")


def test_a_blob_is_read_on_after_broken_connections(fake: Fake, registry: OciRegistry) -> None:
    (digest,) = fake.put("api", CONTENT)
    fake.faults += [("GET", "blobs", "drop"), ("GET", "blobs", 503), ("GET", "blobs", "drop")]
    assert b"".join(registry.blob(f"{fake.host}/api", digest)) == CONTENT


def test_a_blob_that_is_not_its_digest_is_refused(fake: Fake, registry: OciRegistry) -> None:
    (digest,) = fake.put("api", CONTENT)
    fake.faults.append(("GET", "blobs", "lie"))
    with pytest.raises(RegistryError, match="something else"):
        list(registry.blob(f"{fake.host}/api", digest))


@pytest.mark.parametrize("faults", [[], ["drop"], [500, "drop", 429], [503] * 4])
def test_an_upload_survives(faults: list[int | str], fake: Fake, registry: OciRegistry) -> None:
    fake.faults += [("PUT", "blobs", fault) for fault in faults]
    registry.upload(f"{fake.host}/api", blob(CONTENT), BytesIO(CONTENT))
    assert fake.blobs["api"] == {blob(CONTENT).digest: CONTENT}
    assert registry.has_blob(f"{fake.host}/api", blob(CONTENT).digest)


def test_an_upload_that_never_works_is_an_error(fake: Fake, registry: OciRegistry) -> None:
    fake.faults += [("PUT", "blobs", 500)] * module.TRIES
    with pytest.raises(RegistryError, match=r"answers 500: FAULT as told"):
        registry.upload(f"{fake.host}/api", blob(CONTENT), BytesIO(CONTENT))


def test_an_upload_is_not_repeated_where_that_cannot_help(fake: Fake, registry: OciRegistry) -> None:
    fake.faults.append(("PUT", "blobs", 413))
    with pytest.raises(RegistryError, match="413"):
        registry.upload(f"{fake.host}/api", blob(CONTENT), BytesIO(CONTENT))
    assert fake.counted()["PUT"] == 1


def test_a_registry_that_stores_another_digest_is_refused(fake: Fake, registry: OciRegistry) -> None:
    fake.faults.append(("PUT", "blobs", "lie"))
    with pytest.raises(RegistryError, match="stored"):
        registry.upload(f"{fake.host}/api", blob(CONTENT), BytesIO(CONTENT))


def test_a_blob_is_mounted_from_another_repository(fake: Fake, registry: OciRegistry) -> None:
    (digest,) = fake.put("base", CONTENT)
    assert registry.mount(f"{fake.host}/api", digest, f"{fake.host}/base")
    assert fake.blobs["api"][digest] == CONTENT
    assert not registry.mount(f"{fake.host}/api", digest, "registry.example/base")


def test_a_registry_need_not_mount(fake: Fake, registry: OciRegistry) -> None:
    fake.mounts = False
    (digest,) = fake.put("base", CONTENT)
    assert not registry.mount(f"{fake.host}/api", digest, f"{fake.host}/base")
    assert fake.counted()["DELETE"] == 1


def test_a_manifest_is_put(fake: Fake, registry: OciRegistry) -> None:
    content = b'{"schemaVersion": 2}'
    manifest = Blob(digest=blob(content).digest, size_bytes=len(content), media_type=MANIFEST)
    assert registry.put_manifest(f"{fake.host}/api:1", manifest, content) == manifest.digest
    assert fake.manifests["api"]["1"] == (MANIFEST, content)


def test_basic_login(fake: Fake, registry: OciRegistry, tmp_path: Path) -> None:
    fake.user = log_in(tmp_path, fake.host)
    registry.upload(f"{fake.host}/api", blob(CONTENT), BytesIO(CONTENT))
    assert fake.blobs["api"]


def test_token_login(fake: Fake, registry: OciRegistry, tmp_path: Path) -> None:
    fake.user, fake.tokens = log_in(tmp_path, fake.host), True
    (digest,) = fake.put("base", b"base")
    assert b"".join(registry.blob(f"{fake.host}/base", digest)) == b"base"
    registry.upload(f"{fake.host}/api", blob(CONTENT), BytesIO(CONTENT))
    assert registry.mount(f"{fake.host}/api", digest, f"{fake.host}/base")
    asked = [path for _, path in fake.requests if path.startswith("/token")]
    assert any("repository%3Aapi%3Apull%2Cpush" in path for path in asked)
    assert any("repository%3Abase%3Apull" in path for path in asked)


@pytest.mark.parametrize("tokens", [False, True])
def test_without_login_the_error_says_so(tokens: bool, fake: Fake, registry: OciRegistry) -> None:
    fake.user, fake.tokens = "Basic nobody", tokens
    with pytest.raises(RegistryError) as caught:
        registry.has_blob(f"{fake.host}/api", blob(CONTENT).digest)
    assert "401" in caught.value.message
    assert "docker login" in caught.value.hint


@pytest.mark.parametrize("tokens", [False, True])
def test_a_registry_that_takes_none_of_its_tokens_is_believed(tokens: bool, fake: Fake, registry: OciRegistry) -> None:
    fake.tokens, fake.refuses, fake.user = tokens, tokens, "" if tokens else "Basic nobody"
    for ask in (registry.manifest, lambda name: b"".join(registry.blob(name, blob(CONTENT).digest))):
        fake.requests.clear()
        with pytest.raises(RegistryError, match="401") as caught:
            ask(f"{fake.host}/api")
        assert "docker login" in caught.value.hint
        assert [path for _, path in fake.requests if path.startswith("/token")] == [
            "/token?service=fake&scope=repository%3Aapi%3Apull"
        ] * tokens


def test_where_a_redirect_leads_nobody_asks_for_passwords(fake: Fake, registry: OciRegistry, tmp_path: Path) -> None:
    fake.user, digest = log_in(tmp_path, fake.host), blob(CONTENT).digest
    with serving() as storage:
        storage.tokens = True
        fake.redirects = {f"/v2/api/blobs/{digest}": f"http://{storage.host}/v2/api/blobs/{digest}"}
        with pytest.raises(RegistryError, match="401"):
            list(registry.blob(f"{fake.host}/api", digest))
        assert [path for _, path in storage.requests] == [f"/v2/api/blobs/{digest}"]


def test_a_refresh_token_goes_nowhere_else(fake: Fake, registry: OciRegistry, tmp_path: Path) -> None:
    account = {"auth": base64.b64encode(b"<token>:").decode(), "identitytoken": "refresh"}
    (tmp_path / "config.json").write_text(json.dumps({"auths": {fake.host: account}}))
    fake.tokens = True
    with serving() as other:
        fake.redirects = {"/token": f"http://{other.host}/token"}
        with pytest.raises(RegistryError, match="gives no token: 307"):
            registry.has_blob(f"{fake.host}/api", blob(CONTENT).digest)
        assert other.requests == []
    assert ("POST", "/token") in fake.requests


def test_a_refusal_that_breaks_off_is_one(fake: Fake, registry: OciRegistry) -> None:
    fake.faults += [("GET", "", "broken")] * 2
    with pytest.raises(RegistryError, match="answers 403"):
        registry.manifest(f"{fake.host}/api:1")
    with pytest.raises(RegistryError, match="answers 403"):
        list(registry.blob(f"{fake.host}/api", blob(CONTENT).digest))


def test_a_token_for_another_host_is_not_sent_there(fake: Fake, registry: OciRegistry, tmp_path: Path) -> None:
    with serving() as other:
        fake.user = log_in(tmp_path, fake.host)
        other.put("api", CONTENT)
        registry.has_blob(f"{fake.host}/api", blob(CONTENT).digest)
        assert registry.has_blob(f"{other.host}/api", blob(CONTENT).digest)


@pytest.mark.parametrize("host", ["127.0.0.1:1", "[::1]:1"])
def test_a_registry_that_is_not_there_is_asked_once(
    host: str, registry: OciRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 1e9)
    with pytest.raises(RegistryError, match=r"does not answer") as caught:
        registry.digest(f"{host}/api:1")
    assert caught.value.hint


def test_a_registry_that_goes_away_for_a_moment_is_asked_again(
    registry: OciRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.001)
    pauses: list[int] = []
    monkeypatch.setattr(module.Line, "pause", lambda _, attempt, __=None: pauses.append(attempt))
    with serving() as first:
        host = first.host
        first.faults.append(("HEAD", "api", "last"))
        registry.digest(f"{host}/api:1")
    with pytest.raises(RegistryError, match="does not answer"):
        registry.digest(f"{host}/api:1")
    assert pauses == [0, 1, 2, 3]


def test_a_manifest_that_is_cut_off_is_asked_for_again(fake: Fake, registry: OciRegistry) -> None:
    digest = fake.put_manifest("api", "1", {"schemaVersion": 2}, MANIFEST)
    fake.faults += [("GET", "manifests", "drop")] * 2
    assert registry.manifest(f"{fake.host}/api:1")[0].digest == digest
    fake.faults += [("GET", "manifests", "drop")] * module.TRIES
    with pytest.raises(RegistryError, match="does not answer"):
        registry.manifest(f"{fake.host}/api:1")


def test_a_registry_that_tells_no_digest_is_read(fake: Fake, registry: OciRegistry) -> None:
    digest = fake.put_manifest("api", "1", {"schemaVersion": 2}, MANIFEST)
    fake.quiet = True
    assert registry.digest(f"{fake.host}/api:1") == digest


@pytest.mark.parametrize("token", [b"<html>", b"[]", b"{}", b'{"token": 3}', b""])
def test_a_token_service_that_makes_no_sense(token: bytes, fake: Fake, registry: OciRegistry) -> None:
    fake.tokens, fake.token_answer = True, token
    with pytest.raises(RegistryError, match="without a token"):
        registry.digest(f"{fake.host}/api:1")


def test_a_registry_that_answers_in_html_anywhere(fake: Fake, registry: OciRegistry) -> None:
    fake.faults += [(method, "api", b"<html>") for method in ("POST", "GET", "PUT", "POST")]
    name = f"{fake.host}/api"
    assert not registry.mount(name, blob(CONTENT).digest, name)
    with pytest.raises(RegistryError, match="something else"):
        list(registry.blob(name, blob(CONTENT).digest))
    with pytest.raises(RegistryError, match="answers 200"):
        registry.put_manifest(f"{name}:1", blob(CONTENT), CONTENT)
    with pytest.raises(RegistryError, match="answers 200"):
        registry.upload(name, blob(CONTENT), BytesIO(CONTENT))


@pytest.mark.parametrize("faults", [[], ["drop"], [500, "drop", 429], ["forget"]])
def test_a_large_blob_goes_in_pieces(
    faults: list[int | str], fake: Fake, registry: OciRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_upload, "WHOLE_BYTES", 1)
    monkeypatch.setattr(registry_upload, "PIECE_BYTES", len(CONTENT) // 4 + 7)
    fake.faults += [("PATCH", "blobs", fault) for fault in faults]
    registry.upload(f"{fake.host}/api", blob(CONTENT), BytesIO(CONTENT))
    assert fake.blobs["api"] == {blob(CONTENT).digest: CONTENT}
    assert fake.counted()["PATCH"] == 4 + len(faults)


def test_a_gateway_that_takes_little_gets_pieces(
    fake: Fake, registry: OciRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_upload, "PIECE_BYTES", len(CONTENT) // 2)
    fake.largest_bytes = len(CONTENT) // 2
    registry.upload(f"{fake.host}/api", blob(CONTENT), BytesIO(CONTENT))
    assert fake.blobs["api"] == {blob(CONTENT).digest: CONTENT}


@pytest.mark.parametrize("closes", [False, True])
def test_stopping_ends_what_hangs(
    closes: bool, fake: Fake, registry: OciRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "CHUNK_BYTES", 1000)
    fake.closes = closes
    (digest,) = fake.put("api", CONTENT)
    fake.faults.append(("GET", "blobs", "hang"))
    chunks = registry.blob(f"{fake.host}/api", digest)
    next(chunks)
    threading.Timer(0.05, registry.stop).start()
    with pytest.raises(RegistryError, match="given up"):
        list(chunks)
    with pytest.raises(RegistryError, match="given up"):
        registry.digest(f"{fake.host}/api:1")


@pytest.mark.parametrize("method", ["HEAD", "PUT"])
def test_stopping_ends_what_waits_for_an_answer(method: str, fake: Fake, registry: OciRegistry) -> None:
    asks: dict[str, Callable[[], object]] = {
        "HEAD": lambda: registry.digest(f"{fake.host}/api:1"),
        "PUT": lambda: registry.upload(f"{fake.host}/api", blob(CONTENT), BytesIO(CONTENT)),
    }
    fake.faults.append((method, "", "hang"))
    threading.Timer(0.05, registry.stop).start()
    with pytest.raises(RegistryError, match="given up"):
        asks[method]()
    assert not fake.closing.is_set()


@given(
    content=st.binary(max_size=99),
    start=st.integers(0, 99),
    size=st.integers(0, 99),
    reads=st.lists(st.one_of(st.integers(-1, 40), st.just("again"))),
)
def test_a_part_of_a_file_is_a_file(content: bytes, start: int, size: int, reads: list[int | str]) -> None:
    part, oracle = registry_upload._Part(BytesIO(content), start, size), BytesIO(content[start : start + size])
    for count in [*reads, -1]:
        if isinstance(count, str):
            part.seek(0)
            oracle.seek(0)
            continue
        assert part.read(count) == oracle.read(count)
        assert part.tell() == oracle.tell()


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [
        ("3", 3, 3),
        ("20 s from now", 15, 20),
        ("9999", 60, 60),
        ("soon", 0.001, 0.001),
        ("", 0.001, 0.001),
    ],
)
def test_a_pause_is_as_long_as_asked_for(
    asked: str, least: float, most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    if asked == "20 s from now":
        asked = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
    line, waited = module.Line(offline=False), list[float]()
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(line._stopped, "wait", waited.append)
    line.pause(0, HTTPResponse(headers={"Retry-After": asked} if asked else {}))
    assert least <= waited[0] <= most


def test_offline_means_offline() -> None:
    with pytest.raises(RegistryError, match="--offline"):
        OciRegistry(offline=True).digest("registry.example/api:1")
