"""Layers that are compressed again, for readers that want no more than one stream, or the smallest one.

Here a compressor decides the bytes: the same release of it makes the same digest.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import BinaryIO, Protocol

from depdoctor.build.oci.hashing import Digest, Digests, inline
from depdoctor.build.oci.stream import LayerStream, inflated
from depdoctor.model.packing import Compression

GZIP_LEVEL = 6
ZSTD_LEVEL = 3
ZSTD_TYPE = "application/vnd.oci.image.layer.v1.tar+zstd"

_GZIP_WINDOW = 31
"""A window of 32 KiB in a gzip file, whose header then tells no name and no time."""


class Compressor(Protocol):
    """Compresses one stream."""

    def compress(self, data: bytes, /) -> bytes:
        """Take more in, give what is ready."""

    def flush(self) -> bytes:
        """Give the rest."""


class RecompressedStream(LayerStream):
    """A layer as one stream of a compressor."""

    def __init__(self, out: BinaryIO, digests: Digests, compressor: Compressor, media_type: str) -> None:
        super().__init__(out, digests)
        self.media_type = media_type
        self._compressor = compressor

    def deflated(self, path: str, raw: memoryview, content: bytes, crc32: int, mode: int) -> None:  # noqa: ARG002
        """Add a file whose content is at hand both compressed (a deflate stream) and not."""
        self.file(path, content, mode)

    def deflated_in_chunks(
        self, path: str, raw: Iterable[bytes], size_bytes: int, crc32: int, mode: int, digest: Digest
    ) -> None:
        """Add a file from pieces of its deflate stream. Raises `WrongContentError` if it does not hold what is said."""

        def hashed() -> Iterable[bytes]:
            for content in inflated(raw, size_bytes, crc32):
                digest.update(content)
                yield content

        self.file_in_chunks(path, size_bytes, hashed(), mode)

    def _packed(self, text: bytes) -> bytes:
        return self._compressor.compress(text)

    def _end(self) -> None:
        self._emit(self._compressor.flush())


def layer_stream(out: BinaryIO, compression: Compression, digests: Digests = inline) -> LayerStream:
    """What writes a layer of a compression."""
    if compression is Compression.GZIP:
        return RecompressedStream(
            out, digests, zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW), LayerStream.media_type
        )
    if compression is Compression.ZSTD:
        from zstandard import ZstdCompressor

        return RecompressedStream(out, digests, ZstdCompressor(level=ZSTD_LEVEL).compressobj(), ZSTD_TYPE)
    return LayerStream(out, digests)
