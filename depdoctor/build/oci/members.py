"""Writes a gzip file of many members (RFC 1952, section 2.2) around deflate streams that are already there.

What has no stream yet (tar headers, small files) is written here as stored blocks, with runs of zeros as fixed-Huffman
blocks (RFC 1951, sections 3.2.4 and 3.2.6). No compressor is involved, so no update of one ever changes a digest.
"""

from __future__ import annotations

import re
import struct
from functools import lru_cache
from typing import cast

from isal import isal_zlib

DEFLATE_ERROR = cast("type[Exception]", isal_zlib.error)
"""What isal raises for a broken stream; its stubs take the class for an instance."""

BEGIN = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
"""The header of a member: no name, no time, operating system unknown."""

_TRAILER = struct.Struct("<2L")
_STORED = struct.Struct("<2H")
_MAX_STORED = 0xFFFF
_MIN_RUN = 16
_MAX_RUN = 1 << 14
_ZEROS = re.compile(rb"\x00{%d,%d}" % (_MIN_RUN, _MAX_RUN))
_LAST_BLOCK = b"\x03\x00"
"""A final fixed-Huffman block with nothing in it."""

_NAME_FIELD = 100
_LINK_FIELD = 157
"""Where the name ends and where the name of a link begins in a tar header."""
_AFTER_LINK = 512 - _LINK_FIELD
_FIELDS_SIZE = _STORED.pack(_LINK_FIELD - _NAME_FIELD, (_LINK_FIELD - _NAME_FIELD) ^ 0xFFFF)
_NOTHING = bytes(512)

_LENGTHS = ((258, 285, 0), (227, 284, 5), (131, 281, 5), (67, 277, 4), (35, 273, 3), (19, 269, 2), (11, 265, 1))
"""Some lengths that a match can have: the smallest of the code, the code, and its extra bits (all left zero)."""


def end(crc32: int, size_bytes: int) -> bytes:
    """The trailer of a member over so many bytes."""
    return _TRAILER.pack(crc32, size_bytes & 0xFFFFFFFF)


def packed(data: bytes) -> bytes:
    """A whole member that holds these bytes, with nothing compressed but runs of zeros."""
    parts = [BEGIN, b"\x00"]
    position = 0
    for run in _ZEROS.finditer(data):
        _store(parts, data, position, run.start())
        position = run.end()
        parts.append(_run(position - run.start()))
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
        size = literal + _LINK_FIELD
        start = b"".join((opening, _STORED.pack(size, size ^ 0xFFFF), text[padding_bytes - literal : -_AFTER_LINK]))
    else:
        size = literal + name_bytes
        name = text[padding_bytes - literal : padding_bytes + name_bytes]
        fields = header[_NAME_FIELD:_LINK_FIELD]
        start = b"".join((opening, _STORED.pack(size, size ^ 0xFFFF), name, _run(blank), _FIELDS_SIZE, fields))
    return text, b"".join((start, _closing(), end(isal_zlib.crc32(text), len(text))))


@lru_cache(maxsize=512)
def _opening(padding_bytes: int) -> tuple[bytes, int]:
    """The start of a member with so many zeros first, and how many of them the next stored block must hold."""
    if padding_bytes < _MIN_RUN:
        return BEGIN + b"\x00", padding_bytes
    return b"".join((BEGIN, b"\x00", _STORED.pack(0, 0xFFFF), _run(padding_bytes))), 0


@lru_cache(maxsize=1)
def _closing() -> bytes:
    """What follows the last field that differs between headers, up to the trailer."""
    magic = b"ustar\x0000"
    size = _STORED.pack(len(magic), len(magic) ^ 0xFFFF)
    return b"".join((_run(100), size, magic, _run(247), _STORED.pack(0, 0xFFFF), _LAST_BLOCK))


def _store(parts: list[bytes], data: bytes, start: int, stop: int) -> None:
    """Append stored blocks, the header bits of the first being there already."""
    while True:
        size = min(stop - start, _MAX_STORED)
        parts += (_STORED.pack(size, size ^ 0xFFFF), data[start : start + size])
        start += size
        if start == stop:
            return
        parts.append(b"\x00")


@lru_cache(maxsize=2048)
def _run(count: int) -> bytes:
    """A block of `count` zero bytes, and the header bits of the stored block that must follow it."""
    bits = [0, 1, 0]  # not the last block; type 01, low bit first, as all numbers but codes are
    bits += _code(0x30, 8)  # the literal 0, which the matches repeat at distance 1
    left = count - 1
    for length, symbol, extra in _LENGTHS:
        while left >= length:
            bits += _length(symbol) + [0] * extra + [0] * 5
            left -= length
    bits += _code(0x30, 8) * left
    bits += [0] * 7  # end of block
    bits += [0, 0, 0]  # the next block: not the last, stored
    bits += [0] * (-len(bits) % 8)
    return bytes(sum(bit << place for place, bit in enumerate(bits[at : at + 8])) for at in range(0, len(bits), 8))


def _length(symbol: int) -> list[int]:
    return _code(symbol - 256, 7) if symbol < 280 else _code(0xC0 + symbol - 280, 8)


def _code(value: int, width: int) -> list[int]:
    """A Huffman code, highest bit first."""
    return [value >> place & 1 for place in reversed(range(width))]
