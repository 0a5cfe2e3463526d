"""Sessions reach the network as the user does, and end in time."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import requests

from depdoctor import __version__
from depdoctor.adapters.http import session

BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


@pytest.mark.parametrize(
    ("given", "verified"),
    [
        ({}, True),
        ({"SSL_CERT_FILE": "/a.pem"}, "/a.pem"),
        ({"SSL_CERT_FILE": "/a.pem", "REQUESTS_CA_BUNDLE": "/b.pem"}, "/b.pem"),
        ({"SSL_CERT_FILE": "/a.pem", "CURL_CA_BUNDLE": "/c.pem"}, "/c.pem"),
    ],
)
def test_the_ca_bundle_comes_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], verified: bool | str
) -> None:
    for name in BUNDLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    made = session()
    assert made.merge_environment_settings("https://index.example", {}, None, None, None)["verify"] == verified


def test_a_request_names_us_keeps_no_cookie_and_is_retried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password s3cret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    seen: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(dict(self.headers))
            self.send_response(503 if len(seen) == 1 else 200)
            self.send_header("Set-Cookie", "a=b")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            with session() as made:
                for _ in range(2):
                    assert made.get(f"http://127.0.0.1:{server.server_port}/").status_code == 200
        finally:
            server.shutdown()
            thread.join()
    assert len(seen) == 3
    assert {headers["User-Agent"] for headers in seen} == {f"depdoctor/{__version__}"}
    assert all("Authorization" in headers and "Cookie" not in headers for headers in seen)


def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("depdoctor.adapters.http.READ_TIMEOUT_S", 0.1)
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as silent,
        session(retries=0) as made,
        pytest.raises(requests.RequestException),
    ):
        made.get(f"http://127.0.0.1:{silent.server_port}/")
