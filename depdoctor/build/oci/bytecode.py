"""Byte-code of wheels, made once for each wheel and Python minor version, and kept as a ZIP archive in the store.

Files are compressed by libdeflate, which the same release of `deflate` brings on every machine, so that neither the
system's zlib nor its processor enters a digest.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

from isal import isal_zlib

from depdoctor.build.oci.archive import DEFLATED
from depdoctor.build.oci.wheel import Wheel, inflated
from depdoctor.model.noun import dataclass
from depdoctor.model.seams import Compiler, Store

FORMAT = 1
LEVEL = 6

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s2B5H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_VERSION = 20
_UTF8 = 0x0800
_DATE = 1 << 5 | 1
"""1980-01-01, as ZIP writes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ByteCode:
    """Makes byte-code, and remembers it in the store. Can be sent to another process if its parts can."""

    compiler: Compiler
    store: Store

    def of(self, wheel: Wheel, sha256: str) -> Path | None:
        """The archive of a wheel's byte-code, whose names are paths in an image; None if it has none.

        `sha256` is that of the wheel's file, "" to make it anew. Raises `UnsafeWheelError`, `BuildError`.
        """
        key = f"byte-code {FORMAT} {sha256} {wheel.site_packages}"
        known = self.store.recall(key) if sha256 else None
        if known is not None and (not known or self.store.has(known)):
            return self.store.path(known) if known else None
        content = b"".join(_archived(self._files(wheel)))
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}" if content else ""
        if digest:
            self.store.add(digest, [content])
        if sha256:
            self.store.remember(key, digest)
        return self.store.path(digest) if digest else None

    def _files(self, wheel: Wheel) -> Iterator[tuple[str, bytes]]:
        sources = wheel.sources()
        asked = ((f"/{path}", inflated(wheel.archive, entry)[1]) for path, _, entry in sources)
        for (_, target, _), made in zip(sources, self.compiler.compile(asked), strict=True):
            if made:
                yield target, made


def _archived(files: Iterator[tuple[str, bytes]]) -> Sequence[bytes]:
    """The pieces of a ZIP archive of these files; none for no file."""
    from deflate import deflate_compress

    pieces: list[bytes] = []
    directory: list[bytes] = []
    position = 0
    for path, content in sorted(files):
        name, packed = path.encode(), bytes(deflate_compress(content, LEVEL))
        what = (_VERSION, _UTF8, DEFLATED, 0, _DATE, isal_zlib.crc32(content), len(packed), len(content), len(name), 0)
        pieces += (_LOCAL.pack(b"PK\x03\x04", *what), name, packed)
        directory += (_CENTRAL.pack(b"PK\x01\x02", _VERSION, 0, *what, 0, 0, 0, 0, position), name)
        position += _LOCAL.size + len(name) + len(packed)
    if not pieces:
        return ()
    count, size = len(directory) // 2, sum(map(len, directory))
    return (*pieces, *directory, _END.pack(b"PK\x05\x06", 0, 0, count, count, size, position, 0))
