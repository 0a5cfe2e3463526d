"""Reads the directory of a wheel's ZIP file, and trusts none of it.

`zipfile` is made to open whatever can be opened; an image must not depend on which of two contradicting headers a
reader believes. So here one reading is right and everything else is refused: the directory must end where the archive
ends, no two entries may share a byte or a name, and local headers must agree with the directory (APPNOTE.TXT 6.3).
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator
from typing import NamedTuple

from depdoctor.errors import UnsafeWheelError

STORED = 0
DEFLATED = 8

_CENTRAL = struct.Struct("<4s2B5H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_END = struct.Struct("<4s4H2LH")
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_CENTRAL_SIGNATURE = b"PK\x01\x02"
_LOCAL_SIGNATURE = b"PK\x03\x04"
_ALL_ONES_16 = 0xFFFF
_ALL_ONES_32 = 0xFFFFFFFF
_ENCRYPTED = 0x2041
_DESCRIPTOR = 0x0008
_UTF8 = 0x0800
_UNIX = 3
_ZIP64_EXTRA = 1
_UNICODE_PATH_EXTRA = 0x7075
_MAX_LOCAL = _LOCAL.size + 2 * _ALL_ONES_16

MAX_RATIO = 200
"""How much larger than itself a wheel may unpack; the largest seen in the field is below 20."""

MAX_SMALL_BYTES = 1 << 30
"""What any wheel may unpack to, however well it is compressed."""


class Entry(NamedTuple):
    """A file in a wheel. A tuple and not a dataclass, since forty thousand of them are made for six images."""

    name: str
    method: int
    compressed_bytes: int
    size_bytes: int
    crc32: int
    executable: bool
    header: int
    """Where its local header begins, and `limit`, where the next entry or the directory does."""
    limit: int


class Archive:
    """An open wheel. `where` is the name that errors give."""

    def __init__(self, descriptor: int, where: str) -> None:
        self.descriptor = descriptor
        self.where = where
        self.size_bytes = os.fstat(descriptor).st_size
        self.entries = self._directory()

    def refuse(self, reason: str) -> UnsafeWheelError:
        """The error for this wheel."""
        return UnsafeWheelError(
            f"the wheel is not safe to install: {reason}",
            where=self.where,
            hint="Report it to its publisher; another version may be free of this",
        )

    def read(self, entry: Entry) -> memoryview:
        """The bytes of an entry as they stand in the archive, compressed or not."""
        span = min(entry.limit - entry.header, entry.compressed_bytes + _MAX_LOCAL)
        raw = self.exactly(entry.header, span, entry)
        start = self._data_offset(entry, raw)
        return memoryview(raw)[start : start + entry.compressed_bytes]

    def chunks(self, entry: Entry, chunk_bytes: int) -> Iterator[bytes]:
        """The same, a piece at a time."""
        head = self.exactly(entry.header, min(entry.limit - entry.header, _MAX_LOCAL), entry)
        position = entry.header + self._data_offset(entry, head)
        end = position + entry.compressed_bytes
        while position < end:
            yield self.exactly(position, min(chunk_bytes, end - position), entry)
            position += chunk_bytes

    def _data_offset(self, entry: Entry, raw: bytes) -> int:
        """Where the data begin, from the local header on, once that has been held against the directory."""
        signature, _, flags, method, _, _, crc32, compressed, size, name_size, extra_size = _LOCAL.unpack_from(raw)
        if signature != _LOCAL_SIGNATURE:
            raise self.refuse(f"{entry.name}: no local header")
        if raw[_LOCAL.size : _LOCAL.size + name_size] != entry.name.encode() or method != entry.method:
            raise self.refuse(f"{entry.name}: its local header names another file or method")
        if not flags & _DESCRIPTOR and (
            crc32 != entry.crc32
            or compressed not in (entry.compressed_bytes, _ALL_ONES_32)
            or size not in (entry.size_bytes, _ALL_ONES_32)
        ):
            raise self.refuse(f"{entry.name}: its local header tells another size or checksum")
        data: int = _LOCAL.size + name_size + extra_size
        if entry.header + data + entry.compressed_bytes > entry.limit:
            raise self.refuse(f"{entry.name}: it overlaps what follows it")
        return data

    def exactly(self, position: int, size_bytes: int, entry: Entry) -> bytes:
        """So many bytes from there, or an error."""
        raw = os.pread(self.descriptor, size_bytes, position)
        while len(raw) < size_bytes:  # a signal, or the kernel's limit of 2 GiB for one read
            more = os.pread(self.descriptor, size_bytes - len(raw), position + len(raw))
            if not more:
                raise self.refuse(f"{entry.name}: the archive ends inside it")
            raw += more
        return raw

    def _directory(self) -> tuple[Entry, ...]:
        count, start, end = self._extent()
        raw = os.pread(self.descriptor, end - start, start)
        if len(raw) != end - start:
            raise self.refuse("its directory is cut off")
        entries: list[Entry] = []
        position = 0
        while position < len(raw):
            entry, position = self._entry(raw, position)
            entries.append(entry)
        if len(entries) != count:
            raise self.refuse("its directory holds another number of entries than it says")
        return self._placed(entries, start)

    def _placed(self, entries: list[Entry], end: int) -> tuple[Entry, ...]:
        """The files among the entries, each with its limit."""
        entries.sort(key=lambda entry: entry.header, reverse=True)
        placed: list[Entry] = []
        total = 0
        for entry in entries:
            if entry.header + _LOCAL.size + entry.compressed_bytes > end:
                raise self.refuse(f"{entry.name}: it overlaps what follows it")
            total += entry.size_bytes
            if not entry.name.endswith("/"):
                placed.append(entry._replace(limit=end))
            end = entry.header
        if total > max(self.size_bytes * MAX_RATIO, MAX_SMALL_BYTES):
            raise self.refuse(f"it would unpack to {total} bytes, {total // self.size_bytes} times its size")
        return tuple(placed)

    def _extent(self) -> tuple[int, int, int]:
        """How many entries the directory has, where it starts, and where it ends."""
        tail_size = min(self.size_bytes, _END.size + _ALL_ONES_16)
        tail = os.pread(self.descriptor, tail_size, self.size_bytes - tail_size)
        found = tail.rfind(b"PK\x05\x06")
        if found < 0 or found + _END.size > len(tail):
            raise self.refuse("it is no ZIP archive")
        _, disk, directory_disk, here, count, size, start, comment_size = _END.unpack_from(tail, found)
        end = self.size_bytes - tail_size + found
        if end + _END.size + comment_size != self.size_bytes:
            raise self.refuse("bytes follow the end of the archive")
        if _ALL_ONES_16 in (here, count) or _ALL_ONES_32 in (size, start):
            here, count, size, start, end = self._extent64(end)
        if disk or directory_disk or here != count:
            raise self.refuse("it is one part of an archive of many")
        if start + size != end:
            raise self.refuse("its directory does not lie where its end says")
        return count, start, end

    def _extent64(self, end: int) -> tuple[int, int, int, int, int]:
        locator = os.pread(self.descriptor, _END64_LOCATOR.size, max(0, end - _END64_LOCATOR.size))
        if len(locator) < _END64_LOCATOR.size or not locator.startswith(b"PK\x06\x07"):
            raise self.refuse("it has ZIP64 sizes and no ZIP64 directory")
        _, _, position, _ = _END64_LOCATOR.unpack(locator)
        record = os.pread(self.descriptor, _END64.size, position)
        if len(record) < _END64.size or not record.startswith(b"PK\x06\x06"):
            raise self.refuse("its ZIP64 directory cannot be found")
        _, record_size, _, _, _, _, here, count, size, start = _END64.unpack(record)
        if position + 12 + record_size != end - _END64_LOCATOR.size:
            raise self.refuse("its ZIP64 directory does not lie where its end says")
        return here, count, size, start, position

    def _entry(self, raw: bytes, position: int) -> tuple[Entry, int]:
        try:
            fields = _CENTRAL.unpack_from(raw, position)
        except struct.error as error:
            raise self.refuse("its directory is cut off") from error
        signature, _, system, _, flags, method, _, _, crc32, compressed, size, *rest = fields
        name_size, extra_size, comment_size, _, _, attributes, header = rest
        if signature != _CENTRAL_SIGNATURE:
            raise self.refuse("its directory holds something else than entries")
        name_at = position + _CENTRAL.size
        extra_at = name_at + name_size
        name = self._name(raw[name_at:extra_at], flags)
        if extra_size or _ALL_ONES_32 in (size, compressed, header):
            extra = raw[extra_at : extra_at + extra_size]
            size, compressed, header = self._zip64(name, extra, [size, compressed, header])
        mode = attributes >> 16 if system == _UNIX else 0
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise self.refuse(f"{name}: it is a link or a device")
        if flags & _ENCRYPTED:
            raise self.refuse(f"{name}: it is encrypted")
        if method not in (STORED, DEFLATED):
            raise self.refuse(f"{name}: compression method {method}")
        if method == STORED and size != compressed:
            raise self.refuse(f"{name}: it is stored, and its two sizes differ")
        if name.endswith("/") and size:
            raise self.refuse(f"{name}: a folder with content")
        entry = Entry(name, method, compressed, size, crc32, bool(mode & 0o111), header, 0)
        return entry, extra_at + extra_size + comment_size

    def _name(self, raw: bytes, flags: int) -> str:
        try:
            return raw.decode("utf-8" if flags & _UTF8 else "ascii")
        except UnicodeDecodeError as error:
            raise self.refuse(f"{raw!r}: a name that is no UTF-8") from error

    def _zip64(self, name: str, extra: bytes, values: list[int]) -> tuple[int, int, int]:
        """The size, compressed size and header offset, with those that stand in the ZIP64 field filled in."""
        position = 0
        while position + 4 <= len(extra):
            kind, length = struct.unpack_from("<2H", extra, position)
            field = extra[position + 4 : position + 4 + length]
            position += 4 + length
            if kind == _UNICODE_PATH_EXTRA:
                raise self.refuse(f"{name}: it has two names")
            if kind == _ZIP64_EXTRA:
                wanted = [index for index, value in enumerate(values) if value == _ALL_ONES_32]
                if len(field) != 8 * len(wanted):
                    raise self.refuse(f"{name}: its ZIP64 sizes contradict the others")
                for index, value in zip(wanted, struct.unpack(f"<{len(wanted)}Q", field), strict=True):
                    values[index] = value
        if _ALL_ONES_32 in values:
            raise self.refuse(f"{name}: it lacks its ZIP64 sizes")
        return values[0], values[1], values[2]
