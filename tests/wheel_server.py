"""A server of one wheel on loopback, which honours byte ranges as it is told."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from depdoctor.model.distribution import DistributionFile


class Server:
    """Serves one body; `ranges` says which it honours: "all", "absolute" or "none". Counts what it sent."""

    def __init__(self, body: bytes, ranges: str = "all", status: int = 0) -> None:
        self.body, self.ranges, self.status = body, ranges, status
        self.requests = 0
        self.sent_bytes = 0
        self.address = ""

    def file(self, name: str = "big-1.0-py3-none-any.whl") -> DistributionFile:
        return DistributionFile(
            filename=name, url=f"{self.address}/{name}", sha256=hashlib.sha256(self.body).hexdigest()
        )


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            server.requests += 1
            wanted = self.headers.get("Range", "")
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            size = len(server.body)
            honoured = server.ranges == "all" or (server.ranges == "absolute" and first)
            if server.status:
                self.answer(server.status, b"")
            elif not wanted or not honoured:
                self.answer(200, server.body)
            else:
                start = int(first) if first else max(size - int(last), 0)
                end = min(int(last) + 1, size) if first and last else size
                self.answer(206, server.body[start:end], f"bytes {start}-{end - 1}/{size}")

        def answer(self, status: int, content: bytes, content_range: str = "") -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            if content_range:
                self.send_header("Content-Range", content_range)
            self.end_headers()
            try:
                self.wfile.write(content)
                server.sent_bytes += len(content)
            except ConnectionError:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        server.address = f"http://127.0.0.1:{listening.server_port}"
        thread = threading.Thread(target=listening.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown()
            thread.join()
