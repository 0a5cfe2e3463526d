"""Sends blobs to a registry, monolithic or chunked (distribution specification 1.1, "Pushing blobs")."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import urljoin

from depdoctor.adapters.registry_line import TRIES, Line, expect, is_passing
from depdoctor.adapters.registry_names import Reference
from depdoctor.errors import RegistryError
from depdoctor.model.image import Blob

if TYPE_CHECKING:
    from depdoctor.adapters.registry_connections import Answer

WHOLE_BYTES = 256 << 20
"""Up to which size a blob is sent in one piece; of a larger one less is lost with a connection."""

PIECE_BYTES = 64 << 20
"""How much of a larger one is sent at a time: less than what gateways before registries let through."""

_CONTENT = {"Content-Type": "application/octet-stream"}


def upload(line: Line, name: Reference, blob: Blob, content: BinaryIO) -> None:
    """Send a blob to a repository; again from its start, or from the last piece, where that fails.

    Raises `RegistryError`.
    """
    if blob.size_bytes > WHOLE_BYTES or not _whole(line, name, blob, content):
        _in_pieces(line, name, blob, content)


def _whole(line: Line, name: Reference, blob: Blob, content: BinaryIO) -> bool:
    """Send a blob in one piece; False if that is too large for the registry."""
    headers = {**_CONTENT, "Content-Length": str(blob.size_bytes)}
    for attempt in range(TRIES):
        place = _begun(line, name, blob)
        data = _Part(content, 0, blob.size_bytes)
        final = attempt + 1 == TRIES
        params = {"digest": blob.digest}
        sent = line.attempt("PUT", name, place, params=params, headers=headers, data=data, final=final, push=True)
        if sent is not None and sent.status == 413 and blob.size_bytes > PIECE_BYTES:
            return False
        if sent is not None and (final or not is_passing(sent)):
            _check(sent, name, blob)
            return True
        line.pause(attempt, sent)
    raise AssertionError("the last try answers or raises")


def _in_pieces(line: Line, name: Reference, blob: Blob, content: BinaryIO) -> None:
    place, start, failed = _begun(line, name, blob), 0, 0
    while start < blob.size_bytes:
        size = min(PIECE_BYTES, blob.size_bytes - start)
        headers = {**_CONTENT, "Content-Length": str(size), "Content-Range": f"{start}-{start + size - 1}"}
        piece = _Part(content, start, size)
        final = failed + 1 == TRIES
        answer = line.attempt("PATCH", name, place, headers=headers, data=piece, final=final, push=True)
        if answer is not None and answer.status == 202:
            place, start, failed = _place(name, answer, place), start + size, 0
            continue
        if answer is not None and (final or not (is_passing(answer) or answer.status == 416)):
            expect(answer, 202, name, f"send a piece of {blob.digest}")
        line.pause(failed, answer)
        failed += 1
        place, start = _resumed(line, name, blob, place)
    _check(line.ask("PUT", name, place, params={"digest": blob.digest}, headers=_CONTENT, push=True), name, blob)


class _Part:
    """A part of a file, as a file: read while it is sent, so that neither its size is held nor its sending timed."""

    def __init__(self, content: BinaryIO, start: int, size: int) -> None:
        self._content = content
        self._start = start
        self._end = start + size
        content.seek(start)

    def read(self, size: int = -1) -> bytes:
        """As a file does."""
        left = self._end - self._content.tell()
        return self._content.read(left if size < 0 else min(size, left))

    def tell(self) -> int:
        """As a file does."""
        return self._content.tell() - self._start

    def seek(self, offset: int) -> None:
        """To a place counted from the part's beginning."""
        self._content.seek(self._start + offset)


def _resumed(line: Line, name: Reference, blob: Blob, place: str) -> tuple[str, int]:
    """Where an upload goes on: as far as the registry got, or a new one where it has forgotten it."""
    answer = line.ask("GET", name, place, push=True)
    _, _, last = answer.headers.get("Range", "").partition("-")
    if answer.status != 204 or not last.isdecimal():
        return _begun(line, name, blob), 0
    return _place(name, answer, place), int(last) + 1 if int(last) else 0


def _begun(line: Line, name: Reference, blob: Blob) -> str:
    """The address of a new upload."""
    answer = line.ask("POST", name, "blobs/uploads/", push=True)
    expect(answer, 202, name, f"begin to send {blob.digest}")
    return _place(name, answer, "")


def _place(name: Reference, answer: Answer, before: str) -> str:
    """Where a registry says that an upload goes on. Raises `RegistryError` if it never said."""
    said = answer.headers.get("Location", "")
    if not (said or before):
        raise RegistryError("the registry takes an upload and does not say where", where=name.base)
    return urljoin(f"{name.base}/blobs/uploads/", said) if said else before


def _check(sent: Answer, name: Reference, blob: Blob) -> None:
    expect(sent, 201, name, f"send {blob.digest}")
    said = sent.headers.get("Docker-Content-Digest", blob.digest)
    if said != blob.digest:
        raise RegistryError(f"the registry stored {blob.digest} as {said}", where=name.base)
