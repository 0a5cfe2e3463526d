"""Fetching as the user reaches the network: through a proxy, a private authority, with the credentials of netrc."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from surroundings import answering, private_certificate, without_surroundings
from wheel_server import Server

from depdoctor.adapters import fetch as module
from depdoctor.adapters.fetch import WheelFetcher
from depdoctor.adapters.store import BlobStore
from depdoctor.errors import FetchError
from depdoctor.model.distribution import DistributionFile
from depdoctor.model.seams import NoProgress

CONTENT = bytes(range(256)) * 400


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.001)
    without_surroundings(monkeypatch)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


def fetched(file: DistributionFile, folder: Path, root: Path | None = None) -> bytes:
    paths = WheelFetcher(BlobStore(folder / "cache"), root=root).fetch([file], NoProgress())
    return paths[file.sha256].read_bytes()


def wheel(address: str) -> DistributionFile:
    return replace(Server(CONTENT).file(), url=f"{address}/demo-1.0-py3-none-any.whl")


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return private_certificate(tmp_path)


def test_a_private_authority_is_trusted_where_the_user_says_so(
    certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering([], CONTENT, certificate=certificate) as host:
        with pytest.raises(FetchError, match="its certificate is not trusted"):
            fetched(wheel(f"https://{host}"), tmp_path)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert fetched(wheel(f"https://{host}"), tmp_path) == CONTENT


def test_a_proxy_is_asked_in_the_place_of_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, str]] = []
    with answering(seen, CONTENT) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://{proxy}")
        monkeypatch.setenv("http_proxy", f"http://{proxy}")
        file = wheel("http://files.index.example/packages")
        assert fetched(file, tmp_path) == CONTENT
        assert [address for address, _ in seen] == [file.url]


def test_a_proxy_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(FetchError, match="the proxy that is configured cannot be reached"):
        fetched(wheel("http://files.index.example/packages"), tmp_path)


def test_netrc_knows_the_password(tmp_path: Path) -> None:
    seen: list[tuple[str, str]] = []
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login someone password s3cret\n")
    with answering(seen, CONTENT, account="someone:s3cret") as host:
        assert fetched(wheel(f"http://{host}"), tmp_path) == CONTENT


def test_the_environment_knows_the_password_of_an_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering([], CONTENT, account="team:s3cret") as host:
        monkeypatch.setenv("UV_INDEX", f"private=http://{host}/simple")
        monkeypatch.setenv("UV_INDEX_PRIVATE_USERNAME", "team")
        monkeypatch.setenv("UV_INDEX_PRIVATE_PASSWORD", "s3cret")
        assert fetched(wheel(f"http://{host}"), tmp_path) == CONTENT


def test_a_wheelhouse_takes_no_network(tmp_path: Path) -> None:
    house = tmp_path / "wheelhouse"
    house.mkdir()
    file = replace(wheel("https://index.example"), url="wheelhouse/demo-1.0-py3-none-any.whl")
    (house / "demo-1.0-py3-none-any.whl").write_bytes(CONTENT)
    assert fetched(file, tmp_path, root=tmp_path) == CONTENT


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("http://127.0.0.1:9", "nothing listens there"),
        ("https://registry.invalid", "its name is not known"),
    ],
)
def test_what_cannot_be_reached_is_said_in_words(address: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=words) as caught:
        fetched(wheel(address), tmp_path)
    assert "HTTPConnection" not in str(caught.value)
