"""A client for OCI registries (distribution specification 1.1), as wide as building and pushing images needs.

References and repositories are named with their registry, as in `registry.example/team/api:1`; a name without one is
Docker Hub's, as everywhere. Registries on loopback speak plain HTTP. Credentials are those of `docker login`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import urljoin

from depdoctor.adapters.registry_line import TRIES, Line, expect, unreachable
from depdoctor.adapters.registry_names import Reference, parse
from depdoctor.adapters.registry_upload import upload
from depdoctor.errors import AbsentError, MissingBlobError, RegistryError, UnreachableError
from depdoctor.model.image import Attachment, Blob

if TYPE_CHECKING:
    from depdoctor.adapters.registry_connections import Answer

INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
MANIFEST_TYPES = (
    INDEX_TYPE,
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
MAX_MANIFEST_BYTES = 4 << 20
CHUNK_BYTES = 1 << 20
PAGE, MOST_PAGES = 1000, 1000

_ACCEPT = {"Accept": ", ".join(MANIFEST_TYPES)}
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class OciRegistry:
    """Matches `seams.Registry`. Thread-safe; connections are kept alive and shared."""

    def __init__(self, *, offline: bool = False) -> None:
        self._line = Line(offline=offline)

    def manifest(self, reference: str) -> tuple[Blob, bytes]:
        """The manifest or index at a reference. Raises `RegistryError`."""
        name = parse(reference)
        status, media_type, content = self._document(reference)
        if status == 404:
            raise AbsentError(
                f"there is no image {reference}",
                where=name.base,
                hint="Check its name and tag, and your `docker login`",
            )
        if len(content) > MAX_MANIFEST_BYTES:
            raise RegistryError(f"the manifest of {reference} is over {MAX_MANIFEST_BYTES} bytes", where=name.base)
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        if digest != (name.digest or digest):
            raise RegistryError(f"the registry answers {digest} when asked for {name.digest}", where=name.base)
        return Blob(digest=digest, size_bytes=len(content), media_type=media_type), content

    def _document(self, reference: str) -> tuple[int, str, bytes]:
        """The status, media type and bytes of a manifest; asked for again where the connection breaks off."""
        from urllib3.exceptions import HTTPError

        name = parse(reference)
        for attempt in range(TRIES):
            with self._line.ask(
                "GET", name, f"manifests/{name.digest or name.tag}", headers=_ACCEPT, stream=True
            ) as answer:
                if answer.status == 404:
                    return 404, "", b""
                expect(answer, 200, name, f"read the manifest of {reference}")
                try:
                    content = answer.read(MAX_MANIFEST_BYTES + 1, decode_content=True)
                    return 200, answer.headers.get("Content-Type", "").partition(";")[0], content
                except (HTTPError, OSError) as error:
                    if attempt + 1 == TRIES:
                        raise unreachable(name, error) from None
            self._line.pause(attempt)
        raise AssertionError("the last try answers or raises")

    def digest(self, reference: str) -> str:
        """The digest of the manifest at a reference, "" if there is none. Raises `RegistryError`."""
        name = parse(reference)
        answer = self._line.ask("HEAD", name, f"manifests/{name.digest or name.tag}", headers=_ACCEPT)
        if answer.status == 404:
            return ""
        expect(answer, 200, name, f"look for {reference}")
        said = str(answer.headers.get("Docker-Content-Digest", ""))
        return said if _DIGEST.fullmatch(said) else self.manifest(reference)[0].digest

    def tags(self, repository: str) -> tuple[str, ...]:
        """The tags of a repository, none where there is no such repository. Raises `RegistryError`."""
        name = parse(repository)
        return tuple(sorted(self._listed(name, f"tags/list?n={PAGE}", "tags", f"list the tags of {repository}")))

    def repositories(self, prefix: str) -> tuple[str, ...]:
        """The repositories below REGISTRY/PREFIX, as far as the registry tells of them; many tell nothing.

        Raises `UnreachableError` where it does not answer at all.
        """
        name = parse(f"{prefix}/any")
        parent = name.repository.rpartition("/")[0]
        host = prefix.partition("/")[0]
        address = f"{name.base.removesuffix(name.repository)}_catalog?n={PAGE}"
        try:
            found = self._listed(name, address, "repositories", f"list the repositories of {host}")
        except UnreachableError:
            raise
        except RegistryError:
            return ()
        return tuple(sorted(f"{host}/{one}" for one in found if one.startswith(f"{parent}/")))

    def _listed(self, name: Reference, address: str, key: str, task: str) -> Iterator[str]:
        """What a registry lists, page after page (distribution specification, "Listing Tags")."""
        for _ in range(MOST_PAGES):
            answer = self._line.ask("GET", name, address)
            if answer.status == 404:
                return
            expect(answer, 200, name, task)
            try:
                yield from (str(one) for one in answer.json().get(key) or ())
            except (ValueError, AttributeError, TypeError) as error:
                raise RegistryError(f"the registry makes no sense when asked to {task}", where=name.base) from error
            following = _next(answer.headers.get("Link", ""))
            if not following:
                return
            address = urljoin(name.base, following)

    def blob(self, repository: str, digest: str) -> Iterator[bytes]:
        """The bytes of a blob in chunks, checked against the digest. Raises `RegistryError`."""
        from urllib3.exceptions import HTTPError

        name = parse(repository)
        actual = hashlib.sha256()
        received = 0
        for attempt in range(TRIES):
            headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={received}-"} if received else {})}
            with self._line.ask("GET", name, f"blobs/{digest}", headers=headers, stream=True) as answer:
                whole = answer.status == 200
                expect(answer, 200 if whole else 206, name, f"read {digest}")
                known = received if whole else 0  # a registry that knows no ranges sends what came before again
                try:
                    for chunk in answer.stream(CHUNK_BYTES):
                        fresh = chunk[known:]
                        known = max(0, known - len(chunk))
                        actual.update(fresh)
                        received += len(fresh)
                        yield fresh
                    break
                except (HTTPError, OSError) as error:
                    if attempt + 1 == TRIES:
                        raise unreachable(name, error) from None
            self._line.pause(attempt)
        if f"sha256:{actual.hexdigest()}" != digest:
            raise RegistryError(f"the registry answers something else when asked for {digest}", where=name.base)

    def has_blob(self, repository: str, digest: str) -> bool:
        """Whether a repository holds a blob."""
        name = parse(repository)
        answer = self._line.ask("HEAD", name, f"blobs/{digest}", push=True)
        if answer.status == 404:
            return False
        expect(answer, 200, name, f"look for {digest}")
        return True

    def mount(self, repository: str, digest: str, source: str) -> bool:
        """Mount a blob from another repository of the same registry; False if the registry would not."""
        name, origin = parse(repository), parse(source)
        if name.host != origin.host:
            return False
        params = {"mount": digest, "from": origin.repository}
        answer = self._line.ask("POST", name, "blobs/uploads/", params=params, push=True, source=origin.repository)
        place = answer.headers.get("Location", "")
        if answer.status == 202 and place:  # it would rather have the bytes, and has opened an upload for them
            self._line.ask("DELETE", name, urljoin(f"{name.base}/blobs/uploads/", place), push=True)
        return bool(answer.status == 201)

    def upload(self, repository: str, blob: Blob, content: BinaryIO) -> None:
        """Send a blob: in one piece where that is allowed, else in several. Raises `RegistryError`."""
        upload(self._line, parse(repository), blob, content)

    def put_manifest(self, reference: str, manifest: Blob, content: bytes) -> str:
        """Put a manifest under a tag or digest and return its digest. Raises `RegistryError`."""
        name = parse(reference)
        answer = self._put(name, name.tag or name.digest, manifest, content, f"put the manifest of {reference}")
        said = str(answer.headers.get("Docker-Content-Digest", manifest.digest))
        if said != manifest.digest:
            raise RegistryError(f"the registry stored {manifest.digest} as {said}", where=name.base)
        return said

    def _put(self, name: Reference, tag: str, manifest: Blob, content: bytes, task: str) -> Answer:
        """Put a manifest. Raises `MissingBlobError` where a blob of it is not there."""
        headers = {"Content-Type": manifest.media_type}
        answer = self._line.ask("PUT", name, f"manifests/{tag}", headers=headers, data=content, push=True)
        if answer.status in (400, 404) and b"MANIFEST_BLOB_UNKNOWN" in answer.data:
            raise MissingBlobError(f"the registry cannot {task}: it lacks a blob of it", where=name.base)
        expect(answer, 201, name, task)
        return answer

    def attach(self, repository: str, subject: Blob, attachments: Sequence[tuple[Attachment, bytes]]) -> None:
        """Put the manifests of documents about another manifest, so that they are found from that one.

        A registry that knows no referrers gets them listed under a tag ("Referrers Tag Schema"). Raises
        `RegistryError`.
        """
        name = parse(repository)
        unlisted = []
        for attachment, content in attachments:
            manifest = attachment.manifest
            task = f"attach {attachment.artifact_type} to {subject.digest}"
            answer = self._put(name, manifest.digest, manifest, content, task)
            if answer.headers.get("OCI-Subject") != subject.digest:
                unlisted.append(attachment)
        if unlisted:
            self._list(repository, subject, unlisted)

    def attached(self, repository: str, digest: str, artifact_type: str) -> bytes:
        """A document of a type about a manifest, b"" if none is found. Raises `RegistryError`."""
        name = parse(repository)
        answer = self._line.ask("GET", name, f"referrers/{digest}")
        content = answer.data if answer.status == 200 else b""
        if answer.status != 200:
            _, _, content = self._document(f"{repository}:{digest.replace(':', '-')}")
        try:
            listed = json.loads(content)["manifests"] if content else []
            found = next((one["digest"] for one in listed if one.get("artifactType") == artifact_type), "")
            if not found:
                return b""
            manifest = json.loads(self.manifest(f"{repository}@{found}")[1])
            return b"".join(self.blob(repository, manifest["layers"][0]["digest"]))
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            raise RegistryError(f"what is about {digest} makes no sense", where=repository) from error

    def _list(self, repository: str, subject: Blob, attachments: Sequence[Attachment]) -> None:
        """Add documents to the list of those about a manifest."""
        reference = f"{repository}:{subject.digest.replace(':', '-')}"
        status, _, content = self._document(reference)
        try:
            listed = json.loads(content)["manifests"] if status == 200 else []
            known = {one["digest"]: one for one in listed}
        except (ValueError, KeyError, TypeError) as error:
            raise RegistryError(
                f"the list of what is about {subject.digest} makes no sense", where=reference
            ) from error
        for attachment in attachments:
            manifest = attachment.manifest
            known[manifest.digest] = {
                "mediaType": manifest.media_type,
                "digest": manifest.digest,
                "size": manifest.size_bytes,
                "artifactType": attachment.artifact_type,
            }
        manifests = sorted(known.values(), key=lambda one: str(one["digest"]))
        text = json.dumps(
            {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": manifests}, sort_keys=True
        ).encode()
        digest = f"sha256:{hashlib.sha256(text).hexdigest()}"
        self.put_manifest(reference, Blob(digest=digest, size_bytes=len(text), media_type=INDEX_TYPE), text)

    def stop(self) -> None:
        """Break off what other threads wait for, read or send; nothing can be asked any more."""
        self._line.stop()


def _next(links: str) -> str:
    """The address of the next page in a Link header (RFC 8288), "" for none."""
    if not links:
        return ""
    from requests.utils import parse_header_links

    return str(next((link["url"] for link in parse_header_links(links) if link.get("rel") == "next"), ""))
