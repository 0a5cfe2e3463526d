"""A registry on loopback (distribution specification 1.1) that can be told to misbehave."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import SplitResult, parse_qs, urlsplit

PATH = re.compile(r"/v2/(?P<name>.+?)/(?P<kind>manifests|blobs)/(?P<rest>.+)")


@dataclass(kw_only=True)
class Fake:
    """What the registry holds and what was asked of it. `faults` are taken one by one by matching requests.

    A fault is a method, a part of the path, and what happens: a status, "drop" (the connection breaks half way), "lie"
    (other bytes come), "hang" (nothing more comes half way, or nothing at all), "broken" (a refusal that breaks off),
    "forget" (an upload is not known), "last" (the connection ends after the answer) or bytes, the answer.
    """

    blobs: dict[str, dict[str, bytes]] = field(default_factory=lambda: defaultdict(dict))
    manifests: dict[str, dict[str, tuple[str, bytes]]] = field(default_factory=lambda: defaultdict(dict))
    requests: list[tuple[str, str]] = field(default_factory=list)
    faults: list[tuple[str, str, int | str | bytes]] = field(default_factory=list)
    host: str = ""
    user: str = ""
    tokens: bool = False
    mounts: bool = True
    received_bytes: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    largest_bytes: int = 0
    """What it takes in one request; 0 for anything."""
    token_answer: bytes | None = None
    refuses: bool = False
    """Whether it takes none of the tokens that it gives, each of which is another."""
    referrers: bool = False
    """Whether it knows referrers of its own (distribution specification 1.1)."""
    catalog: bool = True
    """Whether it tells of its repositories."""
    page: int = 1000
    """How many names it tells at a time."""
    closes: bool = False
    """Whether it ends each connection after an answer, and says so."""
    quiet: bool = False
    """Whether it does not tell the digest of what it has."""
    redirects: dict[str, str] = field(default_factory=dict)
    """Where what is asked for by a path is to be had."""
    redirect_status: int = 307
    pieces: dict[str, bytearray] = field(default_factory=dict)
    closing: threading.Event = field(default_factory=threading.Event)

    def put(self, name: str, *blobs: bytes) -> list[str]:
        digests = [f"sha256:{hashlib.sha256(blob).hexdigest()}" for blob in blobs]
        self.blobs[name].update(zip(digests, blobs, strict=True))
        return digests

    def put_manifest(self, name: str, tag: str, document: object, media_type: str) -> str:
        content = json.dumps(document).encode()
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self.manifests[name][tag] = self.manifests[name][digest] = media_type, content
        return digest

    def counted(self) -> Counter[str]:
        return Counter(method for method, _ in self.requests)

    def fault(self, method: str, path: str) -> int | str | bytes | None:
        with self.lock:
            for index, (wanted, part, what) in enumerate(self.faults):
                if wanted == method and part in path:
                    del self.faults[index]
                    return what
        return None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    fake: Fake

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        closing = {"Connection": "close"} if self.fake.closes else {}
        for name, value in {"Content_Length": str(len(body)), **closing, **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def handle_one(self) -> None:
        fake = self.fake
        url = urlsplit(self.path)
        with fake.lock:
            fake.requests.append((self.command, self.path))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if url.path == "/token":
            self.token(parse_qs(url.query))
            return
        fault = fake.fault(self.command, self.path)
        if self.misbehaved(fault):
            return
        if fake.largest_bytes and len(body) > fake.largest_bytes:
            self.answer(413)
        elif self.allowed():
            if place := fake.redirects.get(url.path):
                self.answer(fake.redirect_status, Location=place)
            else:
                self.route(url, body, fault)

    def misbehaved(self, fault: object) -> bool:
        """Do what a fault says; whether there is nothing left to answer."""
        if isinstance(fault, int):
            self.answer(fault, json.dumps({"errors": [{"code": "FAULT", "message": "as told"}]}).encode())
        elif isinstance(fault, bytes):
            self.answer(200, fault, Content_Type="text/html")
        elif fault == "broken":
            self.close_connection = True
            self.answer(403, b'{"errors"', Content_Length="99")
        elif fault == "drop" and self.command != "GET":
            self.close_connection = True
            self.connection.close()
        else:
            self.close_connection |= fault == "last"
            if fault == "hang" and self.command != "GET":
                self.fake.closing.wait(30)
            return False
        return True

    def route(self, url: SplitResult, body: bytes, fault: object) -> None:
        if url.path == "/v2/_catalog" and self.fake.catalog:
            self.listed("repositories", sorted({*self.fake.manifests, *self.fake.blobs}), url)
            return
        if url.path.endswith("/tags/list"):
            found = self.fake.manifests.get(url.path.removeprefix("/v2/").removesuffix("/tags/list"))
            if found is None:
                self.answer(404)
            else:
                self.listed("tags", sorted(tag for tag in found if not tag.startswith("sha256:")), url)
            return
        match = PATH.fullmatch(url.path)
        if match is None:
            self.answer(404)
            return
        getattr(self, match["kind"])(match["name"], match["rest"], parse_qs(url.query), body, fault)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = handle_one  # noqa: N815

    def listed(self, key: str, names: list[str], url: SplitResult) -> None:
        last = parse_qs(url.query).get("last", [""])[0]
        left = [name for name in names if name > last]
        page = left[: self.fake.page]
        more = {"Link": f'<{url.path}?last={page[-1]}>; rel="next"'} if len(left) > len(page) else {}
        self.answer(200, json.dumps({key: page}).encode(), **more)

    def token(self, query: dict[str, list[str]]) -> None:
        if place := self.fake.redirects.get("/token"):
            self.answer(307, Location=place)
            return
        if self.fake.user and self.headers.get("Authorization") != self.fake.user:
            self.answer(401)
            return
        if self.fake.token_answer is not None:
            self.answer(200, self.fake.token_answer)
            return
        given = " ".join(query["scope"]).replace(" ", ";")
        if self.fake.refuses:
            given = str(len(self.fake.requests))
        self.answer(200, json.dumps({"token": given}).encode())

    def allowed(self) -> bool:
        """Whether a request may be; if not it is answered."""
        fake, given = self.fake, self.headers.get("Authorization", "")
        name = PATH.fullmatch(urlsplit(self.path).path)
        if fake.tokens:
            action = "pull" if self.command in ("GET", "HEAD") else "pull,push"
            scope = f"repository:{name['name'] if name else ''}:{action}"
            is_fit = given.startswith("Bearer ") and (scope in given or scope.replace("pull", "pull,push") in given)
            if fake.refuses or not is_fit:
                realm = f'Bearer realm="http://{fake.host}/token",service="fake",scope="{scope}"'
                self.answer(401, WWW_Authenticate=realm)
                return False
        elif fake.user and given != fake.user:
            self.answer(401, WWW_Authenticate='Basic realm="fake"')
            return False
        return True

    def manifests(self, name: str, rest: str, _: dict[str, list[str]], body: bytes, fault: object) -> None:
        held = self.fake.manifests[name]
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        if self.command == "PUT":
            for needed in _needed(json.loads(body)):
                if needed not in self.fake.blobs[name]:
                    self.answer(400, b'{"errors": [{"code": "MANIFEST_BLOB_UNKNOWN"}]}')
                    return
            held[rest] = held[digest] = self.headers.get("Content-Type", ""), body
            subject = json.loads(body).get("subject")
            known = {"OCI_Subject": subject.get("digest", "")} if subject and self.fake.referrers else {}
            self.answer(201, Docker_Content_Digest=digest, **known)
        elif rest in held:
            media_type, content = held[rest]
            digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
            if fault == "drop" and self.command == "GET":
                self.send_blob(content, fault)
                return
            sent = content.replace(b"2", b"3") if fault == "lie" else content
            said = {} if self.fake.quiet else {"Docker_Content_Digest": digest}
            self.answer(200, sent, Content_Type=media_type, **said)
        else:
            self.answer(404, b'{"errors": [{"code": "MANIFEST_UNKNOWN"}]}')

    def blobs(self, name: str, rest: str, query: dict[str, list[str]], body: bytes, fault: object) -> None:
        fake = self.fake
        if self.command == "POST":
            wanted = query.get("mount", [""])[0]
            if fake.mounts and wanted in fake.blobs[query.get("from", [""])[0]]:
                fake.blobs[name][wanted] = fake.blobs[query["from"][0]][wanted]
                self.answer(201, Docker_Content_Digest=wanted)
            else:
                number = str(len(fake.requests))
                fake.pieces[number] = bytearray()
                self.answer(202, Location=f"/v2/{name}/blobs/uploads/one?upload={number}")
        elif rest.startswith("uploads/") and self.command in ("PATCH", "GET"):
            self.piece(name, query, body, fault)
        elif self.command == "PUT":
            body = bytes(fake.pieces.pop(query.get("upload", [""])[0], b"")) + body
            digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
            with fake.lock:
                fake.received_bytes += len(body)
            if digest != query["digest"][0]:
                self.answer(400, b'{"errors": [{"code": "DIGEST_INVALID"}]}')
                return
            fake.blobs[name][digest] = body
            self.answer(201, Docker_Content_Digest="sha256:" + "0" * 64 if fault == "lie" else digest)
        elif self.command == "DELETE":
            self.answer(204)
        elif rest in fake.blobs[name]:
            self.send_blob(fake.blobs[name][rest], fault)
        else:
            self.answer(404)

    def piece(self, name: str, query: dict[str, list[str]], body: bytes, fault: object) -> None:
        """A piece of an upload, or how far it is."""
        number = query["upload"][0]
        held = self.fake.pieces.get(number)
        if held is None or fault == "forget":
            self.fake.pieces.pop(number, None)
            self.answer(416 if fault == "forget" else 404)
            return
        if self.command == "PATCH":
            start, _, last = self.headers["Content-Range"].partition("-")
            if int(start) != len(held) or int(last) + 1 - int(start) != len(body):
                self.answer(416)
                return
            held += body
        place = f"/v2/{name}/blobs/uploads/one?upload={number}"
        self.answer(202 if body else 204, Location=place, Range=f"0-{max(0, len(held) - 1)}")

    def send_blob(self, content: bytes, fault: object) -> None:
        if fault == "lie":
            content = content[:-1] + bytes([content[-1] ^ 1])
        start = int((self.headers.get("Range") or "bytes=0-")[6:].rstrip("-"))
        if fault in ("drop", "hang"):
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(content) - start))
            if self.fake.closes:
                self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(content[start : start + (len(content) - start) // 2])
            self.wfile.flush()
            if fault == "hang":
                self.fake.closing.wait(30)
            self.close_connection = True
            return
        self.answer(206 if start else 200, content[start:])


def _needed(manifest: dict[str, object]) -> Iterator[str]:
    for blob in (manifest.get("config"), *(manifest.get("layers") or ())):  # type: ignore[misc]
        if blob:
            yield blob["digest"]


@contextmanager
def serving(**settings: object) -> Iterator[Fake]:
    """A running registry; `host` is its name."""
    fake = Fake(**settings)  # type: ignore[arg-type]
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"fake": fake}))
    server.daemon_threads = True
    fake.host = f"127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield fake
    finally:
        fake.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
