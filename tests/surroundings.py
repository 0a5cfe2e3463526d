"""What lies between a user and the network: proxies, authorities, accounts."""

from __future__ import annotations

import base64
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

_NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def without_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what the environment of the tests says about the network."""
    for name in (*_NAMES, *map(str.lower, _NAMES), "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)


@contextmanager
def answering(
    seen: list[tuple[str, str]], content: bytes, *, certificate: Path | None = None, account: str = ""
) -> Iterator[str]:
    """A server, or a proxy, that answers every GET alike; its host and port. It notes addresses and credentials."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            given = self.headers.get("Authorization", "")
            seen.append((self.path, given))
            refused = account and given != f"Basic {base64.b64encode(account.encode()).decode()}"
            self.send_response(401 if refused else 200)
            self.send_header("Content-Length", str(0 if refused else len(content)))
            self.end_headers()
            self.wfile.write(b"" if refused else content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, certificate.with_suffix(".key"))
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def private_certificate(folder: Path) -> Path:
    """A certificate for 127.0.0.1 that only those trust who are told to, its key beside it."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl to make a certificate with")
    path = folder / "private.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=private"]
    made += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(path.with_suffix(".key")), "-out", str(path)]
    subprocess.run(made, check=True, capture_output=True)
    return path
