"""Headers of a tar archive (POSIX.1-1988 ustar, and pax where that is too narrow) that are the same everywhere.

Whatever the machine would add is fixed: owner 0:0 without names, one modification time, modes 0644 and 0755.
"""

from __future__ import annotations

import tarfile
from functools import lru_cache

BLOCK = 512
MTIME = 315532800
"""1980-01-01 00:00 UTC, the earliest time that a ZIP archive can tell."""

FILE = b"0"
LINK = b"2"
FOLDER = b"5"
_EXTENDED = b"x"
EXTENDED_NAME = b"././@PaxHeader"

_NAME_BYTES = 100
_MAX_SIZE = 0o77777777777
_MODES = {mode: b"%07o\x00" % mode for mode in (0o644, 0o755, 0o777)}
_OWNERS = b"0000000\x00" * 2
_TIME = b"%011o\x00" % MTIME
_NO_TIME = b"%011o\x00" % 0
_NO_NUMBER = b"0000000\x00"
_BLANKS = b" " * 8
_MAGIC = b"ustar\x0000"
_SAME = sum(_OWNERS) + sum(_BLANKS) + sum(_MAGIC)
"""What all headers add to their checksums."""
_REST = bytes(100) + _MAGIC + bytes(247)
END = bytes(2 * BLOCK)


def header(path: str, size_bytes: int, mode: int, kind: bytes = FILE, link: str = "") -> bytes:
    """The header of one entry, 512 bytes or, with a pax header before it, 1536 and more."""
    if size_bytes > _MAX_SIZE or link:
        return _wide(path, size_bytes, mode, kind, link)
    if len(path) <= _NAME_BYTES and path.isascii():
        return _plain(path.encode(), _MODES[mode], size_bytes, _TIME, kind)
    name = path.encode("ascii", "replace")[:_NAME_BYTES]
    return _extended(path.encode()) + _plain(name, _MODES[mode], size_bytes, _TIME, kind)


def _plain(name: bytes, mode: bytes, size_bytes: int, time: bytes, kind: bytes) -> bytes:
    size = b"%011o\x00" % size_bytes
    checksum = _SAME + sum(name) + sum(mode) + sum(size) + sum(time) + kind[0]
    return b"%b%b%b%b%b%06o\x00 %b%b" % (
        *(name.ljust(_NAME_BYTES, b"\x00"), mode, _OWNERS, size, time, checksum),
        *(kind, _REST),
    )


def _extended(name: bytes) -> bytes:
    """The pax header that tells a name, as `tarfile` would write it."""
    record = b" path=%b\n" % name
    size = len(record)
    while size != len(record) + len(str(size)):  # the length of a record counts its own digits
        size = len(record) + len(str(size))
    return b"%b%d%b%b" % (_extended_header(size), size, record, bytes(-size % BLOCK))


@lru_cache(maxsize=512)
def _extended_header(size_bytes: int) -> bytes:
    return _plain(EXTENDED_NAME, _NO_NUMBER, size_bytes, _NO_TIME, _EXTENDED)


def _wide(path: str, size_bytes: int, mode: int, kind: bytes, link: str) -> bytes:
    info = tarfile.TarInfo(path)
    info.size = size_bytes
    info.mode = mode
    info.mtime = MTIME
    info.type = kind
    info.linkname = link
    return info.tobuf(format=tarfile.PAX_FORMAT, encoding="utf-8", errors="strict")
