"""Registries as the user reaches the network: proxies, private authorities, redirects; strangers are told nothing."""

from __future__ import annotations

import hashlib
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from registry_server import Fake, serving
from surroundings import answering, private_certificate, without_surroundings
from urllib3 import HTTPConnectionPool
from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError

from depdoctor.adapters import registry_connections, registry_line
from depdoctor.adapters.http import why
from depdoctor.adapters.registry import OciRegistry
from depdoctor.adapters.registry_connections import Answer, Connections
from depdoctor.errors import RegistryError, UnreachableError

CONTENT = b"content"
DIGEST = f"sha256:{'0' * 64}"


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_surroundings(monkeypatch)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setattr(registry_line, "FIRST_PAUSE_S", 0.001)


@pytest.fixture
def fake() -> Iterator[Fake]:
    with serving() as running:
        yield running


def get(address: str, **headers: str) -> Answer:
    return Connections(2).send("GET", address, headers=headers, read_timeout_s=10)


def test_a_private_authority_is_trusted_where_the_user_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = private_certificate(tmp_path)
    with answering([], CONTENT, certificate=certificate) as host:
        with pytest.raises(HTTPError) as caught:
            get(f"https://{host}/")
        assert why(caught.value).startswith("its certificate is not trusted")
        for name in ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
            with monkeypatch.context() as patch:
                patch.setenv(name, str(certificate))
                assert get(f"https://{host}/").data == CONTENT


def test_a_folder_of_authorities_is_one_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = private_certificate(tmp_path)
    named = ["openssl", "x509", "-hash", "-noout", "-in", str(certificate)]
    name = subprocess.run(named, check=True, capture_output=True, text=True).stdout.strip()
    folder = tmp_path / "authorities"
    folder.mkdir()
    (folder / f"{name}.0").write_bytes(certificate.read_bytes())
    monkeypatch.setenv("SSL_CERT_FILE", str(folder))
    with answering([], CONTENT, certificate=certificate) as host:
        assert get(f"https://{host}/").data == CONTENT


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_bundle_that_cannot_be_read_is_named(
    content: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bundle = tmp_path / "authorities.pem"
    if content:
        bundle.write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    with pytest.raises(UnreachableError, match="no certificates can be read") as caught:
        OciRegistry().digest("registry.example/team/api:1")
    assert caught.value.where == str(bundle)
    assert "SSL_CERT_FILE" in caught.value.hint


def test_a_proxy_is_asked_in_the_place_of_the_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, str]] = []
    with answering(seen, CONTENT) as proxy:
        monkeypatch.setenv("http_proxy", proxy)
        assert get("http://registry.example/v2/").data == CONTENT
        monkeypatch.setenv("no_proxy", "127.0.0.0/8")
        with answering([], b"itself") as host:
            assert get(f"http://{host}/").data == b"itself"
    assert [address for address, _ in seen] == ["http://registry.example/v2/"]


def test_a_proxy_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(RegistryError, match="the proxy that is configured cannot be reached"):
        OciRegistry().digest("registry.example/team/api:1")


def test_a_redirect_is_followed_and_a_password_stays_where_it_is_known(fake: Fake) -> None:
    seen: list[tuple[str, str]] = []
    with answering(seen, CONTENT) as other:
        fake.redirects = {"/v2/api/blobs/here": f"http://{fake.host}/v2/api/blobs/there"}
        fake.redirects["/v2/api/blobs/there"] = f"http://{other}/blob"
        fake.user = "Basic abc"
        assert get(f"http://{fake.host}/v2/api/blobs/here", Authorization="Basic abc").data == CONTENT
    assert [path for _, path in fake.requests] == ["/v2/api/blobs/here", "/v2/api/blobs/there"]
    assert seen == [("/blob", "")]


def test_a_redirect_to_tls_trusts_the_authority_of_the_user(
    fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = private_certificate(tmp_path)
    monkeypatch.setenv("CURL_CA_BUNDLE", str(certificate))
    with answering([], CONTENT, certificate=certificate) as storage:
        fake.redirects = {"/v2/api/blobs/here": f"https://{storage}/blob"}
        assert get(f"http://{fake.host}/v2/api/blobs/here").data == CONTENT


@pytest.mark.parametrize("outside", [True, False])
def test_a_redirect_takes_the_proxy_of_where_it_leads(
    outside: bool, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, str]] = []
    with answering(seen, b"by proxy") as proxy, answering([], b"itself") as inside:
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        place = "http://storage.example/blob" if outside else f"http://{inside}/blob"
        fake.redirects = {"/v2/api/blobs/here": place}
        answer = get(f"http://{fake.host}/v2/api/blobs/here", Authorization="Basic abc")
    assert answer.data == (b"by proxy" if outside else b"itself")
    assert seen == ([(place, "")] if outside else [])


def test_a_file_is_sent_again_from_where_it_stood_to_where_a_redirect_leads(fake: Fake, tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(b"0123content")
    digest = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
    fake.redirects = {"/v2/api/blobs/old": f"http://{fake.host}/v2/api/blobs/new?digest={digest}"}
    with (tmp_path / "blob").open("rb") as content:
        content.seek(4)
        headers = {"Content-Length": str(len(CONTENT))}
        address = f"http://{fake.host}/v2/api/blobs/old"
        answer = Connections(1).send("PUT", address, headers=headers, data=content, read_timeout_s=10)
    assert answer.status == 201
    assert fake.blobs["api"] == {digest: CONTENT}


def test_redirects_that_go_round_come_to_an_end(fake: Fake) -> None:
    fake.redirects = {f"/v2/api/blobs/{DIGEST}": f"/v2/api/blobs/{DIGEST}"}
    with pytest.raises(RegistryError, match="does not answer"):
        OciRegistry().has_blob(f"{fake.host}/api", DIGEST)


def test_parameters_join_those_of_an_address() -> None:
    seen: list[tuple[str, str]] = []
    with answering(seen, CONTENT) as host:
        for end in ("", "?", "#part", "?state=a%3D"):
            address = f"http://{host}/up{end}"
            Connections(1).send("GET", address, headers={}, params={"digest": "sha256:0"}, read_timeout_s=10)
    assert [path for path, _ in seen] == ["/up?digest=sha256%3A0"] * 3 + ["/up?state=a%3D&digest=sha256%3A0"]


def test_a_redirect_may_be_spelled_as_it_is_read(fake: Fake) -> None:
    fake.redirects = {"/v2/api/blobs/here": "/v2/api/blobs/é".encode().decode("latin-1")}
    assert get(f"http://{fake.host}/v2/api/blobs/here").status == 404
    assert fake.requests[-1][1] == "/v2/api/blobs/%C3%A9"


@pytest.mark.parametrize("status", [301, 302, 303])
def test_what_is_sent_is_not_sent_on_as_something_else(status: int, fake: Fake) -> None:
    fake.redirects, fake.redirect_status = {"/v2/a/blobs/b": "/v2/a/blobs/c"}, status
    answer = Connections(1).send("PUT", f"http://{fake.host}/v2/a/blobs/b", headers={}, data=b"1", read_timeout_s=10)
    assert (answer.status, len(fake.requests)) == (status, 1)


@pytest.mark.parametrize("token", ["a\r\nX-Other: b", "a\nb", "\u2603"])
def test_a_token_that_is_no_header_is_an_error(token: str, fake: Fake) -> None:
    fake.tokens = True
    fake.token_answer = json.dumps({"token": token}).encode()
    with pytest.raises(RegistryError):
        OciRegistry().has_blob(f"{fake.host}/api", DIGEST)
    assert not [path for _, path in fake.requests if "X-Other" in path]


def test_nothing_is_sent_once_all_is_shut() -> None:
    connections, seen = Connections(1), list[tuple[str, str]]()
    with answering(seen, CONTENT) as host:
        connections.shut()
        with pytest.raises(HTTPError):
            connections.send("GET", f"http://{host}/", headers={}, read_timeout_s=10)
    assert seen == []


def test_what_connects_in_its_own_way_still_does() -> None:
    class Tunnel(HTTPConnection):
        pass

    class Tunnels(HTTPConnectionPool):
        ConnectionCls = Tunnel

    noted = registry_connections._noting(Tunnels, lambda _: None)
    assert issubclass(noted, Tunnels)
    assert issubclass(noted.ConnectionCls, Tunnel)


def test_tls_within_tls_is_shut_below_both() -> None:
    class Transport:  # as `urllib3.util.ssltransport.SSLTransport`, which has no `shutdown`
        def __init__(self, socket: socket.socket) -> None:
            self.socket = socket

    here, there = socket.socketpair()
    with here, there:
        registry_connections._shut_down(Transport(here))
        assert there.recv(1) == b""


@pytest.mark.parametrize("address", ["http://127.0.0.1:99999/x?sig=SECRET", "http://me:SECRET@127.0.0.1:99999"])
def test_an_address_that_is_none_is_not_told(address: str) -> None:
    with pytest.raises((HTTPError, ValueError)) as caught:
        get(address)
    assert "SECRET" not in why(caught.value)


def test_a_push_does_without_requests() -> None:
    script = """
import sys
from depdoctor.adapters.registry import OciRegistry
assert OciRegistry().has_blob(sys.argv[1], sys.argv[2]) is False
assert "requests" not in sys.modules, "requests was imported"
"""
    with serving() as fake:
        subprocess.run([sys.executable, "-c", script, f"{fake.host}/api", DIGEST], check=True)
