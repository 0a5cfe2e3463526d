"""Writes a gzip file of many members (RFC 1952, section 2.2) around deflate streams that are already there.

What has no stream yet (tar headers, small files) is written here as stored blocks, with runs of zeros as fixed-Huffman
blocks (RFC 1951, sections 3.2.4 and 3.2.6). No compressor is involved, so no update of one ever changes a digest.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import cast

from isal import isal_zlib

from depdoctor.build.oci import tar

DEFLATE_ERROR = cast("type[Exception]", isal_zlib.error)
"""What isal raises for a broken stream; its stubs take the class for an instance."""

BEGIN = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
"""The header of a member: no name, no time, operating system unknown."""

_TRAILER = struct.Struct("<2L")
_STORED = struct.Struct("<2H")
_MAX_STORED = 0xFFFF
_MIN_RUN = 16
_MAX_RUN = 1 << 14
_RUN = bytes(_MIN_RUN)
_LAST_BLOCK = b"\x03\x00"
"""A final fixed-Huffman block with nothing in it."""

_NAME_FIELD = 100
_LINK_FIELD = 157
"""Where the name ends and where the name of a link begins in a tar header."""
_AFTER_LINK = tar.BLOCK - _LINK_FIELD
_FIELDS_SIZE = _STORED.pack(_LINK_FIELD - _NAME_FIELD, (_LINK_FIELD - _NAME_FIELD) ^ 0xFFFF)
_NOTHING = bytes(tar.BLOCK)

_ZERO = f"{0x30:08b}"
"""The code of the literal 0, highest bit first; matches at distance 1 repeat it."""


def _match(symbol: int, extra: int) -> str:
    """The code of a length, its extra bits, and the code of the distance 1; all but the first are zeros."""
    code = f"{symbol - 256:07b}" if symbol < 280 else f"{0xC0 + symbol - 280:08b}"
    return code + "0" * (extra + 5)


_LENGTHS = ((258, 285, 0), (227, 284, 5), (131, 281, 5), (67, 277, 4), (35, 273, 3), (19, 269, 2), (11, 265, 1))
"""Some lengths that a match can have: the smallest of the code, the code, and how many extra bits it has."""
_MATCHES = tuple((length, _match(symbol, extra)) for length, symbol, extra in _LENGTHS)


def end(crc32: int, size_bytes: int) -> bytes:
    """The trailer of a member over so many bytes."""
    return _TRAILER.pack(crc32, size_bytes & 0xFFFFFFFF)


def packed(data: bytes) -> bytes:
    """A whole member that holds these bytes, with nothing compressed but runs of zeros."""
    parts = [BEGIN, b"\x00"]
    position = 0
    while (start := data.find(_RUN, position)) >= 0:
        _store(parts, data, position, start)
        window = data[start : start + _MAX_RUN]
        count = len(window) - len(window.lstrip(b"\x00"))
        parts.append(_run(count))
        position = start + count
    _store(parts, data, position, len(data))
    parts += (_LAST_BLOCK, end(isal_zlib.crc32(data), len(data)))
    return b"".join(parts)


def packed_header(padding_bytes: int, header: bytes, name_bytes: int) -> tuple[bytes, bytes]:
    """What fills a block and the plain ustar header after it: as they are, and just as `packed` would pack them.

    Most members are these, so they are put together from a few pieces instead of being searched for zeros.
    """
    text = _NOTHING[:padding_bytes] + header
    opening, literal = _opening(padding_bytes)
    blank = _NAME_FIELD - name_bytes
    if blank < _MIN_RUN:
        start = b"".join((opening, _size(literal + _LINK_FIELD), text[padding_bytes - literal : -_AFTER_LINK]))
    else:
        name = text[padding_bytes - literal : padding_bytes + name_bytes]
        fields = header[_NAME_FIELD:_LINK_FIELD]
        start = b"".join((opening, _size(literal + name_bytes), name, _run(blank), _FIELDS_SIZE, fields))
    return text, b"".join((start, _CLOSING, end(isal_zlib.crc32(text), len(text))))


def packed_long_header(padding_bytes: int, header: bytes) -> tuple[bytes, bytes]:
    """The same for a header whose name of over 100 ASCII characters stands in a pax header before it."""
    text = _NOTHING[:padding_bytes] + header
    opening, literal = _opening(padding_bytes)
    record = header[tar.BLOCK : -tar.BLOCK].rstrip(b"\x00")
    blank = len(header) - 2 * tar.BLOCK - len(record)
    plain = header[-tar.BLOCK : -_AFTER_LINK]
    if blank < _MIN_RUN:
        between = _NOTHING[:blank]
        count = len(record) + blank + _LINK_FIELD
    else:
        between = _run(blank) + _size(_LINK_FIELD)
        count = len(record)
    name = _NOTHING[:literal] + tar.EXTENDED_NAME
    start = (opening, _size(len(name)), name, _extended_fields(header[_NAME_FIELD:_LINK_FIELD]))
    rest = (_size(count), record, between, plain)
    return text, b"".join((*start, *rest, _CLOSING, end(isal_zlib.crc32(text), len(text))))


@lru_cache(maxsize=512)
def _extended_fields(fields: bytes) -> bytes:
    """What follows the name of a pax header, up to the stored block that its record is in."""
    return b"".join((_run(_NAME_FIELD - len(tar.EXTENDED_NAME)), _FIELDS_SIZE, fields, _after_link()))


@lru_cache(maxsize=512)
def _opening(padding_bytes: int) -> tuple[bytes, int]:
    """The start of a member with so many zeros first, and how many of them the next stored block must hold."""
    if padding_bytes < _MIN_RUN:
        return BEGIN + b"\x00", padding_bytes
    return b"".join((BEGIN, b"\x00", _size(0), _run(padding_bytes))), 0


def _after_link() -> bytes:
    """What follows the last field that differs between headers, up to what follows the header."""
    magic = b"ustar\x0000"
    return b"".join((_run(100), _size(len(magic)), magic, _run(247)))


def _size(count: int) -> bytes:
    """The length of a stored block."""
    return _STORED.pack(count, count ^ 0xFFFF)


def _store(parts: list[bytes], data: bytes, start: int, stop: int) -> None:
    """Append stored blocks, the header bits of the first being there already."""
    while True:
        size = min(stop - start, _MAX_STORED)
        parts += (_size(size), data[start : start + size])
        start += size
        if start == stop:
            return
        parts.append(b"\x00")


@lru_cache(maxsize=2048)
def _run(count: int) -> bytes:
    """A block of `count` zero bytes, and the header bits of the stored block that must follow it."""
    bits = ["010", _ZERO]  # not the last block; type 01, low bit first, as all numbers but codes are
    left = count - 1
    for length, match in _MATCHES:
        times, left = divmod(left, length)
        bits.append(match * times)
    bits += (_ZERO * left, "0000000", "000")  # the end of the block; the next one is not the last, and stored
    text = "".join(bits)
    return int(text[::-1], 2).to_bytes(-(-len(text) // 8), "little")


_CLOSING = b"".join((_after_link(), _size(0), _LAST_BLOCK))
"""What follows the last field that differs between headers, up to the trailer."""
