"""Wheels for tests: well-formed ones from a mapping of files, and whatever else from raw ZIP entries."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


def record_hash(content: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")


def wheel_files(name: str, version: str, files: Mapping[str, bytes], purelib: bool = True) -> dict[str, bytes]:
    """The files of a wheel with its metadata and a RECORD of them all."""
    info = f"{name}-{version}.dist-info"
    whole = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: {str(purelib).lower()}\nTag: py3-none-any\n".encode(),
        **files,
    }
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows((path, record_hash(content), str(len(content))) for path, content in whole.items())
    writer.writerow((f"{info}/RECORD", "", ""))
    return {**whole, f"{info}/RECORD": out.getvalue().encode()}


def make_wheel(
    folder: Path,
    name: str = "demo",
    version: str = "1.0",
    files: Mapping[str, bytes] | None = None,
    executable: Iterable[str] = (),
    whole: Mapping[str, bytes] | None = None,
) -> Path:
    """Write a wheel and return its path. `whole`, if given, is everything that it holds, RECORD included."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    contents = whole or wheel_files(name, version, {f"{name}/__init__.py": b"x = 1\n"} if files is None else files)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry, content in contents.items():
            info = zipfile.ZipInfo(entry, (2026, 1, 2, 3, 4, 6))
            info.external_attr = (0o100755 if entry in set(executable) else 0o100644) << 16
            info.create_system = 3
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return path


@dataclass(kw_only=True)
class RawEntry:
    """A ZIP entry, every field of which can be a lie. None means the truth."""

    name: bytes
    content: bytes = b""
    method: int = 8
    flags: int = 0x800
    mode: int = 0o100644
    size: int | None = None
    compressed_size: int | None = None
    crc: int | None = None
    raw: bytes | None = None
    local_name: bytes | None = None
    local_size: int | None = None
    offset: int | None = None
    extra: bytes = b""
    at: int = field(default=0, init=False)


def raw_zip(entries: Iterable[RawEntry], *, count: int | None = None, after: bytes = b"", before: bytes = b"") -> bytes:
    """An archive of such entries."""
    body = bytearray(before)
    directory = bytearray()
    entries = list(entries)
    for entry in entries:
        deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
        raw = entry.raw
        if raw is None:
            raw = deflate.compress(entry.content) + deflate.flush() if entry.method == 8 else entry.content
        crc = zlib.crc32(entry.content) if entry.crc is None else entry.crc
        size = len(entry.content) if entry.size is None else entry.size
        compressed = len(raw) if entry.compressed_size is None else entry.compressed_size
        local_size = size if entry.local_size is None else entry.local_size
        local_name = entry.name if entry.local_name is None else entry.local_name
        entry.at = len(body) if entry.offset is None else entry.offset
        body += struct.pack(
            "<4s5H3L2H",
            b"PK\3\4",
            20,
            entry.flags,
            entry.method,
            0,
            33,
            crc,
            compressed,
            local_size,
            len(local_name),
            0,
        )
        body += local_name + raw
        directory += struct.pack(
            "<4s2B5H3L5H2L", b"PK\1\2", 20, 3, 20, entry.flags, entry.method, 0, 33, crc, compressed, size,
            len(entry.name), len(entry.extra), 0, 0, 0, entry.mode << 16, entry.at,
        )  # fmt: skip
        directory += entry.name + entry.extra
    number = len(entries) if count is None else count
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, number, number, len(directory), len(body), 0)
    return bytes(body + directory + end + after)


def raw_wheel(*wicked: RawEntry, name: str = "demo", **archive: object) -> bytes:
    """A well-formed wheel with some more entries, each of which RECORD knows."""
    whole = wheel_files(name, "1.0", {f"{name}/__init__.py": b"x = 1\n"})
    record = whole.popitem()
    rows = b"".join(
        b'"%s",%s,\n' % (entry.name.replace(b'"', b'""'), record_hash(entry.content).encode())
        for entry in wicked
        if not entry.name.endswith(b"/")
    )
    good = [RawEntry(name=path.encode(), content=content) for path, content in whole.items()]
    return raw_zip(
        [*good, RawEntry(name=record[0].encode(), content=record[1] + rows), *wicked],
        **archive,  # type: ignore[arg-type]
    )
