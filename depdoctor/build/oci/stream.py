"""One layer as it is written: a tar archive inside a gzip file of many members, hashed on both sides at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

from isal import isal_zlib

from depdoctor.build.oci import members, tar
from depdoctor.build.oci.hashing import LONG_BYTES, Digest, Digests, inline
from depdoctor.model.image import Blob

LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"

CHUNK_BYTES = 1 << 20
_SMALL_BYTES = 128
"""Content so short that a member of its own would be longer than storing it beside its header."""


class WrongContentError(Exception):
    """A deflate stream does not hold what its entry says."""


class LayerStream:
    """Writes entries to `out` in the order in which they come, and tells the blob that this made.

    `text` gathers what no deflate stream holds yet, and `padding_bytes` what fills the last block after it; `ready`
    gathers gzip members until they are worth a write.
    """

    media_type = LAYER_TYPE

    def __init__(self, out: BinaryIO, digests: Digests = inline) -> None:
        self._out = out
        self._text: list[bytes | memoryview] = []
        self._text_bytes = 0
        self._padding_bytes = 0
        self._ready: list[bytes | memoryview] = []
        self._ready_bytes = 0
        self._written_bytes = 0
        self._folders: set[str] = set()
        self._diff_id = digests("sha256")
        self._digest = digests("sha256")

    def enter(self, path: str) -> None:
        """Add the folders above a path that were not entered yet, outermost first."""
        missing: list[str] = []
        folder = path.rpartition("/")[0]
        while folder and folder not in self._folders:
            missing.append(folder)
            self._folders.add(folder)
            folder = folder.rpartition("/")[0]
        for folder in reversed(missing):
            self.folder(folder)

    def folder(self, path: str) -> None:
        """Add a folder."""
        self._gather(tar.header(f"{path}/", 0, 0o755, tar.FOLDER))

    def link(self, path: str, to: str) -> None:
        """Add a symbolic link."""
        self._gather(tar.header(path, 0, 0o777, tar.LINK, to))

    def file(self, path: str, content: bytes | memoryview, mode: int = 0o644) -> None:
        """Add a file from its content."""
        self._gather(tar.header(path, len(content), mode))
        self._gather(content)
        self._padding_bytes = -len(content) % tar.BLOCK

    def file_in_chunks(self, path: str, size_bytes: int, chunks: Iterable[bytes], mode: int = 0o644) -> None:
        """Add a file from pieces of its content. Raises `WrongContentError` if they are not `size_bytes` long."""
        self._gather(tar.header(path, size_bytes, mode))
        left = size_bytes
        for chunk in chunks:
            self._gather(chunk)
            left -= len(chunk)
        if left:
            raise WrongContentError(f"its size changed by {-left} bytes while it was read")
        self._padding_bytes = -size_bytes % tar.BLOCK

    def deflated(self, path: str, raw: memoryview, content: bytes, crc32: int, mode: int) -> None:
        """Add a file whose content is at hand both compressed (a deflate stream) and not; the caller has checked it."""
        size = len(content)
        if size < _SMALL_BYTES:
            self.file(path, content, mode)
            return
        header = tar.header(path, size, mode)
        if self._text or not path.isascii():
            self._gather(header)
            self._pack()
            member = b""
        elif len(header) == tar.BLOCK:
            text, member = members.packed_header(self._padding_bytes, header, len(path))
            self._diff_id.update(text)
        else:
            text, member = members.packed_long_header(self._padding_bytes, header)
            self._diff_id.update(text)
        self._diff_id.update(content)
        self._emit(member + members.BEGIN, raw, members.end(crc32, size))
        self._padding_bytes = -size % tar.BLOCK

    def deflated_in_chunks(
        self, path: str, raw: Iterable[bytes], size_bytes: int, crc32: int, mode: int, digest: Digest
    ) -> None:
        """Add a file from pieces of its deflate stream. Raises `WrongContentError` if it does not hold what is said."""
        self._gather(tar.header(path, size_bytes, mode))
        self._pack()
        self._emit(members.BEGIN)
        for content in inflated(raw, size_bytes, crc32, self._emit):
            self._diff_id.update(content)
            digest.update(content)
        self._emit(members.end(crc32, size_bytes))
        self._padding_bytes = -size_bytes % tar.BLOCK

    def close(self) -> Blob:
        """End the archive; the blob that was written."""
        self._gather(tar.END)
        self._pack()
        self._end()
        self._flush()
        return Blob(
            digest=f"sha256:{self._digest.digest().hex()}",
            size_bytes=self._written_bytes,
            media_type=self.media_type,
            diff_id=f"sha256:{self._diff_id.digest().hex()}",
        )

    def _gather(self, data: bytes | memoryview) -> None:
        if self._padding_bytes:
            self._text.append(bytes(self._padding_bytes))
            self._text_bytes += self._padding_bytes
            self._padding_bytes = 0
        self._text.append(data)
        self._text_bytes += len(data)
        if self._text_bytes > CHUNK_BYTES:
            self._pack()

    def _pack(self) -> None:
        """Turn what was gathered into a member."""
        if self._text:
            text = b"".join(self._text)
            self._diff_id.update(text)
            self._text, self._text_bytes = [], 0
            self._emit(self._packed(text))

    def _packed(self, text: bytes) -> bytes:
        return members.packed(text)

    def _end(self) -> None:
        """Write what comes at the very end."""

    def _emit(self, *pieces: bytes | memoryview) -> None:
        """Write pieces of members; short ones are joined first."""
        for piece in pieces:
            size = len(piece)
            if size > LONG_BYTES:
                self._flush()
                self._put(piece)
            else:
                self._ready.append(piece)
                self._ready_bytes += size
        if self._ready_bytes > CHUNK_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._ready:
            self._put(b"".join(self._ready))
            self._ready, self._ready_bytes = [], 0

    def _put(self, data: bytes | memoryview) -> None:
        self._digest.update(data)
        self._out.write(data)
        self._written_bytes += len(data)


def inflated(
    raw: Iterable[bytes], size_bytes: int, crc32: int, passed: Callable[[bytes], None] = lambda _: None
) -> Iterator[bytes]:
    """The content of a deflate stream in pieces; each piece of the stream is `passed` on as it is, too.

    Raises `WrongContentError`, at the latest at its end, if it does not hold what is said.
    """
    inflate = isal_zlib.decompressobj(-15)
    size, crc = 0, 0
    for piece in raw:
        if inflate.eof:
            raise WrongContentError("bytes follow the end of its data")
        passed(piece)
        left = piece
        while not inflate.eof:
            content = inflate.decompress(left, CHUNK_BYTES)
            size += len(content)
            if size > size_bytes:
                raise WrongContentError(f"it is longer than {size_bytes} bytes, which it says it has")
            crc = isal_zlib.crc32(content, crc)
            yield content
            left = inflate.unconsumed_tail
            if not left and len(content) < CHUNK_BYTES:
                break
    if not inflate.eof or inflate.unused_data or size != size_bytes or crc != crc32:
        raise WrongContentError("its content is not what its size and checksum say")
