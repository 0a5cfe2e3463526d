"""Looks into layers of other people's images as they come from a registry. Nothing of them is kept."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, Any, cast

from depdoctor.build.oci.members import DEFLATE_ERROR
from depdoctor.build.oci.stream import CHUNK_BYTES
from depdoctor.errors import RegistryError
from depdoctor.model.image import Blob
from depdoctor.model.seams import Registry

MAX_FILE_BYTES = 64 << 20
"""No list of a system's packages is larger."""

Member = tuple[tarfile.TarInfo, Callable[[], bytes]]


@contextmanager
def members_of(layer: Blob, repository: str, registry: Registry) -> Iterator[Iterator[Member]]:
    """The entries of a layer, each with what reads its content while it is at hand. The digest is checked at the end.

    Raises `RegistryError` for a layer that makes no sense.
    """
    content = _Reader(registry.blob(repository, layer.digest))
    with ExitStack() as stack:
        stream: IO[bytes] = stack.enter_context(io.BufferedReader(content, CHUNK_BYTES))
        errors: tuple[type[BaseException], ...] = (tarfile.TarError, EOFError, OSError, DEFLATE_ERROR)
        if layer.media_type.endswith("gzip"):
            from isal import igzip

            unpacked = igzip.open(stream, "rb")  # type: ignore[no-untyped-call]
            stream = stack.enter_context(cast("IO[bytes]", unpacked))
        elif layer.media_type.endswith("zstd"):
            from zstandard import ZstdDecompressor, ZstdError

            errors = (*errors, ZstdError)
            stream = stack.enter_context(ZstdDecompressor().stream_reader(stream, read_across_frames=True))
        try:
            archive = stack.enter_context(tarfile.open(fileobj=stream, mode="r|"))
            yield ((member, lambda member=member: _read(archive, member)) for member in archive)  # type: ignore[misc]
        except errors as error:
            raise nonsense(f"layer {layer.digest}", repository) from error
        for _ in content.chunks:  # to its end, where its digest is checked
            pass


def nonsense(of: str, where: str) -> RegistryError:
    """The error for an answer that is no image."""
    return RegistryError(
        f"the registry answers something else than an image when asked for {of}",
        where=where,
        hint="Check the reference; a proxy or a login page may have answered in the registry's place",
    )


def _read(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member) if member.isfile() and member.size <= MAX_FILE_BYTES else None
    return file.read() if file else b""


class _Reader(io.RawIOBase):
    """Chunks as a file that can be read once."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        super().__init__()
        self.chunks = chunks
        self._rest = b""

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer as far as one chunk does; 0 at the end."""
        if not self._rest:
            self._rest = next(self.chunks, b"")
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size
