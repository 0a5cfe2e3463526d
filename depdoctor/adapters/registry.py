"""A client for OCI registries (distribution specification 1.1), as wide as building and pushing images needs.

References and repositories are named with their registry, as in `registry.example/team/api:1`; a name without one is
Docker Hub's, as everywhere. Registries on loopback speak plain HTTP. Credentials are those of `docker login`.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urljoin, urlsplit

from depdoctor.errors import RegistryError, UnreachableError
from depdoctor.model.image import Blob

if TYPE_CHECKING:
    from requests import Response, Session

MANIFEST_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
HUB = "docker.io"
HUB_HOST = "registry-1.docker.io"
MAX_MANIFEST_BYTES = 4 << 20
CHUNK_BYTES = 1 << 20
CONNECTIONS = 8
TRIES = 5
TIMEOUT_S = (10, 120)
FIRST_PAUSE_S = 0.5
MAX_PAUSE_S = 60

_ACCEPT = {"Accept": ", ".join(MANIFEST_TYPES)}

_REFERENCE = re.compile(
    r"(?P<repository>[a-zA-Z0-9\[][a-zA-Z0-9.:\[\]_/-]*?)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_REPOSITORY = re.compile(r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A name in a registry: the host that answers for it, the repository there, and a tag or digest ("" if none)."""

    host: str
    repository: str
    tag: str = ""
    digest: str = ""

    @property
    def base(self) -> str:
        """The address of its repository's interface."""
        return f"{'http' if is_loopback(self.host) else 'https'}://{self.host}/v2/{self.repository}"


def parse(reference: str) -> Reference:
    """Read a reference as Docker does. Raises `RegistryError` if it is none."""
    match = _REFERENCE.fullmatch(reference)
    host, rest = _split(match["repository"]) if match else ("", "")
    if not match or not _REPOSITORY.fullmatch(rest):
        raise RegistryError(
            f"`{reference}` is not an image reference", hint="It looks like registry.example/team/name:tag"
        )
    tag = match["tag"] or ("" if match["digest"] else "latest")
    return Reference(host=host, repository=rest, tag=tag, digest=match["digest"] or "")


def _split(name: str) -> tuple[str, str]:
    """The host that answers for a name, and the repository there."""
    host, _, rest = name.partition("/")
    if not rest or not ("." in host or ":" in host or host == "localhost"):
        host, rest = HUB, name
    return (HUB_HOST, rest if "/" in rest else f"library/{rest}") if host == HUB else (host, rest)


def is_loopback(host: str) -> bool:
    """Whether a host (with or without port) is this machine."""
    name = (urlsplit(f"//{host}").hostname or "").lower()
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What a token must allow: to pull from a repository, perhaps to push there, perhaps to mount from a source."""

    name: Reference
    push: bool
    source: str

    @property
    def key(self) -> tuple[str, str, bool, str]:
        """What tells one token from another: tags do not."""
        return self.name.host, self.name.repository, self.push, self.source


class OciRegistry:
    """Matches `seams.Registry`. Thread-safe; connections are kept alive and shared."""

    def __init__(self, *, offline: bool = False) -> None:
        self._offline = offline
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._tokens: dict[tuple[str, str, bool, str], str] = {}

    def manifest(self, reference: str) -> tuple[Blob, bytes]:
        """The manifest or index at a reference. Raises `RegistryError`."""
        name = parse(reference)
        answer = self._ask("GET", name, f"manifests/{name.digest or name.tag}", headers=_ACCEPT, stream=True)
        with answer:
            content = answer.raw.read(MAX_MANIFEST_BYTES + 1, decode_content=True)
        if answer.status_code == 404:
            raise RegistryError(
                f"there is no image {reference}",
                where=name.base,
                hint="Check its name and tag, and your `docker login`",
            )
        _expect(answer, 200, name, f"read the manifest of {reference}")
        if len(content) > MAX_MANIFEST_BYTES:
            raise RegistryError(f"the manifest of {reference} is over {MAX_MANIFEST_BYTES} bytes", where=name.base)
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        if digest != (name.digest or digest):
            raise RegistryError(f"the registry answers {digest} when asked for {name.digest}", where=name.base)
        media_type = answer.headers.get("Content-Type", "").partition(";")[0]
        return Blob(digest=digest, size_bytes=len(content), media_type=media_type), content

    def digest(self, reference: str) -> str:
        """The digest of the manifest at a reference, "" if there is none. Raises `RegistryError`."""
        name = parse(reference)
        answer = self._ask("HEAD", name, f"manifests/{name.digest or name.tag}", headers=_ACCEPT)
        if answer.status_code == 404:
            return ""
        _expect(answer, 200, name, f"look for {reference}")
        # The header is optional in older registries; the manifest's own bytes always tell.
        return str(answer.headers.get("Docker-Content-Digest") or self.manifest(reference)[0].digest)

    def blob(self, repository: str, digest: str) -> Iterator[bytes]:
        """The bytes of a blob in chunks, checked against the digest. Raises `RegistryError`."""
        from requests import RequestException
        from urllib3.exceptions import HTTPError

        name = parse(repository)
        actual = hashlib.sha256()
        received = 0
        for attempt in range(TRIES):
            headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={received}-"} if received else {})}
            answer = self._ask("GET", name, f"blobs/{digest}", headers=headers, stream=True)
            with answer:
                _expect(answer, 206 if received else 200, name, f"read {digest}")
                try:
                    for chunk in answer.iter_content(CHUNK_BYTES):
                        actual.update(chunk)
                        received += len(chunk)
                        yield chunk
                    break
                except (RequestException, HTTPError, OSError) as error:
                    if attempt + 1 == TRIES:
                        raise _unreachable(name, error) from None
        if f"sha256:{actual.hexdigest()}" != digest:
            raise RegistryError(f"the registry answers something else when asked for {digest}", where=name.base)

    def has_blob(self, repository: str, digest: str) -> bool:
        """Whether a repository holds a blob."""
        name = parse(repository)
        answer = self._ask("HEAD", name, f"blobs/{digest}", push=True)
        if answer.status_code == 404:
            return False
        _expect(answer, 200, name, f"look for {digest}")
        return True

    def mount(self, repository: str, digest: str, source: str) -> bool:
        """Mount a blob from another repository of the same registry; False if the registry would not."""
        name, origin = parse(repository), parse(source)
        if name.host != origin.host:
            return False
        params = {"mount": digest, "from": origin.repository}
        answer = self._ask("POST", name, "blobs/uploads/", params=params, push=True, source=origin.repository)
        if answer.status_code == 202:  # it would rather have the bytes, and has opened an upload for them
            self._ask("DELETE", name, urljoin(f"{name.base}/blobs/uploads/", answer.headers["Location"]), push=True)
            return False
        return bool(answer.status_code == 201)

    def upload(self, repository: str, blob: Blob, content: BinaryIO) -> None:
        """Send a blob in one piece, anew from its start where it fails. Raises `RegistryError`."""
        name = parse(repository)
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(blob.size_bytes)}
        for attempt in range(TRIES):
            answer = self._ask("POST", name, "blobs/uploads/", push=True)
            _expect(answer, 202, name, f"begin to send {blob.digest}")
            place = urljoin(f"{name.base}/blobs/uploads/", answer.headers.get("Location", ""))
            content.seek(0)
            last = attempt + 1 == TRIES
            sent = self._try(
                "PUT", name, place, params={"digest": blob.digest}, headers=headers, data=content, final=last, push=True
            )
            if sent is None or (_is_passing(sent) and not last):
                _pause(attempt, sent)
                continue
            _expect(sent, 201, name, f"send {blob.digest}")
            said = sent.headers.get("Docker-Content-Digest", blob.digest)
            if said != blob.digest:
                raise RegistryError(f"the registry stored {blob.digest} as {said}", where=name.base)
            return

    def put_manifest(self, reference: str, manifest: Blob, content: bytes) -> str:
        """Put a manifest under a tag or digest and return its digest. Raises `RegistryError`."""
        name = parse(reference)
        headers = {"Content-Type": manifest.media_type}
        answer = self._ask(
            "PUT", name, f"manifests/{name.tag or name.digest}", headers=headers, data=content, push=True
        )
        _expect(answer, 201, name, f"put the manifest of {reference}")
        said = str(answer.headers.get("Docker-Content-Digest", manifest.digest))
        if said != manifest.digest:
            raise RegistryError(f"the registry stored {manifest.digest} as {said}", where=name.base)
        return said

    def _ask(self, method: str, name: Reference, path: str, **options: Any) -> Response:
        """Send a request until it is answered by something else than "not now"."""
        for attempt in range(TRIES):
            answer = self._try(method, name, path, final=attempt + 1 == TRIES, **options)
            if answer is not None and (not _is_passing(answer) or attempt + 1 == TRIES):
                return answer
            _pause(attempt, answer)
        raise AssertionError("the last try answers or raises")

    def _try(
        self,
        method: str,
        name: Reference,
        path: str,
        *,
        final: bool,
        push: bool = False,
        source: str = "",
        **options: Any,
    ) -> Response | None:
        """Send a request once, with a fresh token if need be. None if nothing came back, unless this is `final`."""
        from requests import RequestException

        if self._offline:
            raise UnreachableError(
                f"{name.host} is needed, and `--offline` forbids it", where=name.base, hint="Run without `--offline`"
            )
        url = path if "://" in path else f"{name.base}/{path}"
        headers = dict(options.pop("headers", {}))
        access = Access(name=name, push=push, source=source)
        try:
            for _ in range(2):
                token = self._tokens.get(access.key) if urlsplit(url).netloc == name.host else None
                sent = {**headers, **({"Authorization": token} if token else {})}
                answer = self._connected().request(
                    method, url, headers=sent, auth=_as_it_is, timeout=TIMEOUT_S, **options
                )
                if answer.status_code != 401 or not self._authorize(access, answer, token):
                    break
                if hasattr(options.get("data"), "seek"):
                    options["data"].seek(0)
        except RequestException as error:
            if final:
                raise _unreachable(name, error) from None
            return None
        return answer

    def _connected(self) -> Session:
        with self._lock:
            if self._session is None:
                from depdoctor.adapters.http import session

                self._session = session(connections=CONNECTIONS, retries=0)
            return self._session

    def _authorize(self, access: Access, answer: Response, refused: str | None) -> bool:
        """Get the token that the registry asks for; False if there is nothing (more) to offer."""
        from depdoctor.adapters.registry_login import authorization

        token = authorization(self._connected(), access, answer.headers.get("WWW-Authenticate", ""))
        if not token or token == refused:
            return False
        with self._lock:
            self._tokens[access.key] = token
        return True


def _as_it_is(request: Any) -> Any:
    """Leave a request's Authorization header alone: `requests` would put the one of netrc in its place."""
    return request


def _is_passing(answer: Response) -> bool:
    """Whether the registry may answer otherwise in a moment."""
    return answer.status_code in (408, 429) or answer.status_code >= 500


def _pause(attempt: int, answer: Response | None) -> None:
    """Wait before the next try: as long as the registry asks for, else longer each time."""
    asked = answer.headers.get("Retry-After", "") if answer is not None else ""
    wait_s = float(asked) if asked.isdigit() else FIRST_PAUSE_S * 2**attempt
    time.sleep(min(wait_s, MAX_PAUSE_S))


def _expect(answer: Response, status: int, name: Reference, what: str) -> None:
    """Raise `RegistryError` unless the registry answered with this status."""
    if answer.status_code == status:
        return
    try:
        errors = answer.json()["errors"]
        said = "; ".join(f"{error.get('code', '')} {error.get('message', '')}".strip() for error in errors)
    except (ValueError, KeyError, TypeError, AttributeError):
        said = ""
    hint = ""
    if answer.status_code in (401, 403):
        hint = f"Log in with `docker login {name.host}` as someone who may do this"
    elif answer.status_code == 429:
        hint = "The registry limits how often it may be asked; try again later, or log in"
    detail = f": {said}" if said else ""
    raise RegistryError(f"cannot {what}: the registry answers {answer.status_code}{detail}", where=name.base, hint=hint)


def _unreachable(name: Reference, error: Exception) -> UnreachableError:
    reason = getattr(error, "reason", None) or getattr(getattr(error, "args", [None])[0], "reason", None) or error
    return UnreachableError(
        f"the registry {name.host} does not answer: {reason}",
        where=name.base,
        hint="Check its name, the network, HTTPS_PROXY and, for a private authority, SSL_CERT_FILE",
    )
