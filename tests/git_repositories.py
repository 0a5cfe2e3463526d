"""Git repositories for tests: packages that bring their own build backend, and a server that git itself answers for."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest
from sdists import BACKEND, HASH

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed here")

PYPROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "demo"
{version}
"""
KNOWN = {"GIT_AUTHOR_NAME": "x", "GIT_AUTHOR_EMAIL": "x@example", "GIT_CONFIG_GLOBAL": os.devnull}
KNOWN |= {"GIT_COMMITTER_NAME": "x", "GIT_COMMITTER_EMAIL": "x@example", "GIT_CONFIG_SYSTEM": os.devnull}


def git(folder: Path, *arguments: str) -> str:
    """What git says."""
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], env={**os.environ, **KNOWN}, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def a_repository(folder: Path, count: Path, *, version: str = 'version = "1.0"', tag: str = "py3-none-any") -> str:
    """A repository of the package demo 1.0, which notes in `count` that its code was run; its one commit."""
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    (folder / "pyproject.toml").write_text(PYPROJECT.format(version=version))
    (folder / "backend.py").write_text(BACKEND.format(tag=tag, count=str(count), hash=HASH))
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=demo")
    git(folder, "tag", "v1")
    return git(folder, "rev-parse", "HEAD")


class _Handler(BaseHTTPRequestHandler):
    """Git's smart protocol over HTTP, answered by `git http-backend` (RFC 3875)."""

    root = Path()
    account = ""

    def _answer(self) -> None:
        if self.account and self.headers.get("Authorization") != self.account:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        variables = {
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": parts.path,
            "QUERY_STRING": parts.query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        done = subprocess.run(
            ["git", "http-backend"],
            input=body,
            env={**os.environ, **KNOWN, **variables},
            capture_output=True,
            check=False,
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().splitlines() if ": " in line)
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = _answer  # noqa: N815 - as http.server calls them
    do_POST = _answer  # noqa: N815

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - as http.server has it
        """Say nothing."""


@contextmanager
def serving(root: Path, host: str = "127.0.0.1", account: str = "") -> Iterator[str]:
    """Serve the repositories below a folder, to who names an account ("user:password") if there is one; the address."""
    asked = f"Basic {base64.b64encode(account.encode()).decode()}" if account else ""
    handler = type("Handler", (_Handler,), {"root": root, "account": asked})
    with ThreadingHTTPServer((host, 0), handler) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://{host}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
