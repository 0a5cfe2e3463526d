"""What asks a running image whether it is healthy, run as an engine runs it."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from ports import free_ports

from depdoctor.model.context import probe


def is_healthy(port: int, health: str) -> bool:
    _, *arguments = probe(port, health)
    return subprocess.run([sys.executable, *arguments], capture_output=True, check=False).returncode == 0


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/up" else 503)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize(("health", "expected"), [("/up", True), ("/down", False), ("", True)])
def test_a_service_that_answers_is_asked_for_its_path(health: str, expected: bool) -> None:
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        assert is_healthy(server.server_port, health) is expected
        server.shutdown()
        thread.join()


def test_a_service_without_a_path_is_well_that_takes_connections() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        assert is_healthy(listening.getsockname()[1], "")
    assert not is_healthy(free_ports(1), "")
