"""Looks into remote wheels: small text members, the libraries that shared objects load, and the GPUs they are made for.

Range requests only (RFC 9110, section 14): the zip directory, then each member in one stream that ends as soon as it
has told enough. What a wheel holds never changes, so that it is remembered by its hash.
"""

from __future__ import annotations

import json
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import requests

from depdoctor.adapters import index
from depdoctor.adapters.fatbin import FatBinaries
from depdoctor.adapters.http import Session, session
from depdoctor.model.distribution import DistributionFile, MemberPattern, WheelCode
from depdoctor.model.lock import Unknown, Why
from depdoctor.model.seams import Store

TEXT_LIMIT_BYTES = 1024 * 1024
NAMES_BYTES = 8 * 1024 * 1024
"""How much of a shared object is read for the libraries that it loads: their names stand near its beginning."""

CODE_LIMIT_BYTES = 60 * 1024 * 1024
"""How much of one wheel's shared objects is read at most, compressed."""

BARE_BYTES = 4 * 1024 * 1024
"""How much of a shared object is read in search of GPU code once another one has told its own."""

OBJECTS = 4
"""How many shared objects of a wheel are looked into, the largest first."""

SMALLEST_OBJECT_BYTES = 64 * 1024
PARALLEL = 4
_CHUNK_BYTES = 256 * 1024
_FORMAT = 1
_Stream = Callable[[zipfile.ZipInfo], Iterator[bytes]]
_MOST_EXTRA_BYTES = 4 * 1024
"""The room that a member's header may take beyond its name; writers put a few dozen bytes there."""

_LOCAL_HEADER = struct.Struct("<4s5H3I2H")

_LOADED = re.compile(
    rb"(lib(?:cudart|cublasLt|cublas|cudnn|nccl|nvrtc|cufft|cusparse|cusolver))(?:-[0-9a-f]+)?\.so\.(\d+)"
)

_OBJECT = re.compile(r"\.so(?:\.\d+)*$")
_NVIDIAS_OWN = re.compile(r"(?:^|/)lib(?:cu|nv|nccl)[^/]*$")
"""Libraries of CUDA itself, which other wheels carry along: what they are compiled for says nothing of those."""


class WheelInspector:
    """What the files inside wheels tell, by their SHA-256. `store` keeps it for ever."""

    def __init__(self, store: Store, *, offline: bool = False, workers: int = PARALLEL) -> None:
        self._store = store
        self._offline = offline
        self._workers = workers
        self._session = session(connections=workers)

    def inspect(
        self, files: Iterable[DistributionFile], members: Mapping[str, Sequence[MemberPattern]]
    ) -> Mapping[str, WheelCode | Unknown]:
        """Look into wheels; `members` are the texts to read in each, by its SHA-256."""
        wanted = list({file.sha256: file for file in files if file.sha256 and file.is_wheel}.values())
        if not wanted:
            return {}
        with ThreadPoolExecutor(min(self._workers, len(wanted)), thread_name_prefix="inspect") as executor:
            found = executor.map(lambda file: self._one(file, members.get(file.sha256, ())), wanted)
            return dict(zip((file.sha256 for file in wanted), found, strict=True))

    def _one(self, file: DistributionFile, members: Sequence[MemberPattern]) -> WheelCode | Unknown:
        key = f"wheel-code {_FORMAT} {file.sha256} {_digest(members)}"
        if note := self._recalled(key):
            return note
        address = urlsplit(file.url)
        local = address.scheme in {"", "file"}
        if self._offline and not local:
            return Unknown(why=Why.OFFLINE, detail=f"{file.filename} was not looked into before")
        try:
            code = _local(Path(url2pathname(address.path)), members) if local else self._remote(file.url, members)
        except (requests.RequestException, index.NoRangesError) as error:
            return Unknown(why=Why.UNREACHABLE, detail=f"{file.filename} cannot be looked into: {type(error).__name__}")
        except (OSError, zipfile.BadZipFile, zlib.error, ValueError, NotImplementedError, RuntimeError) as error:
            return Unknown(why=Why.NOT_UNDERSTOOD, detail=f"{file.filename} cannot be looked into: {error}")
        self._store.remember(key, json.dumps(asdict(code)))
        return code

    def _recalled(self, key: str) -> WheelCode | None:
        note = self._store.recall(key)
        if note is None:
            return None
        try:
            values: dict[str, Any] = json.loads(note)
            lists = ("libraries", "targets", "members")
            return WheelCode(**{**values, **{name: tuple(values[name]) for name in lists}})
        except (ValueError, TypeError, KeyError):
            return None

    def _remote(self, address: str, members: Sequence[MemberPattern]) -> WheelCode:
        opened = index.open_remote(self._session, address)

        def stream(entry: zipfile.ZipInfo) -> Iterator[bytes]:
            return _inflated(self._session, address, opened.size, entry)

        return _code(zipfile.ZipFile(opened), stream, members)


def _local(path: Path, members: Sequence[MemberPattern]) -> WheelCode:
    with zipfile.ZipFile(path) as wheel:

        def stream(entry: zipfile.ZipInfo) -> Iterator[bytes]:
            with wheel.open(entry) as opened:
                while piece := opened.read(_CHUNK_BYTES):
                    yield piece

        return _code(wheel, stream, members)


def _inflated(http: Session, address: str, size: int, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """The content of a member in pieces, by one request; whoever stops early ends it.

    How long the header before the content is stands in the header: as much more is asked for as it may take.
    """
    if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED} or not entry.compress_size:
        return
    longest = _LOCAL_HEADER.size + len(entry.filename.encode()) + _MOST_EXTRA_BYTES
    end = min(entry.header_offset + longest + entry.compress_size, size) - 1
    headers = {"Accept-Encoding": "identity", "Range": f"bytes={entry.header_offset}-{end}"}
    with closing(http.get(address, headers=headers, stream=True)) as response:
        response.raise_for_status()
        if response.status_code != requests.codes.partial_content:
            raise index.NoRangesError("its server sends whole files only")
        unpack = zlib.decompressobj(-zlib.MAX_WBITS) if entry.compress_type == zipfile.ZIP_DEFLATED else None
        for packed in _after_header(response.iter_content(_CHUNK_BYTES), entry.compress_size):
            left: bytes = packed
            while unpack and left:
                yield unpack.decompress(left, _CHUNK_BYTES)
                left = unpack.unconsumed_tail
            if not unpack:
                yield packed


def _after_header(pieces: Iterator[bytes], left: int) -> Iterator[bytes]:
    """So many bytes that follow the header of a member; the rest is read so that the connection serves again."""
    begun = b""
    skip: int | None = None
    for piece in pieces:
        content = piece
        if skip is None:
            begun += piece
            if len(begun) < _LOCAL_HEADER.size:
                continue
            if not begun.startswith(b"PK\x03\x04"):
                raise zipfile.BadZipFile("a member has no header")
            name, extra = _LOCAL_HEADER.unpack_from(begun)[-2:]
            skip, content = _LOCAL_HEADER.size + name + extra, begun
        content, skip = content[skip:], max(skip - len(content), 0)
        if left and content:
            yield content[:left]
            left -= min(len(content), left)
    if left:
        raise zipfile.BadZipFile("a member ends before its end")


def _code(wheel: zipfile.ZipFile, stream: _Stream, members: Sequence[MemberPattern]) -> WheelCode:
    entries = {entry.filename: entry for entry in wheel.infolist()}
    told: dict[str, str] = {}
    read: list[str] = []
    for member in members:
        entry = entries.get(member.path)
        if entry is None or entry.file_size > TEXT_LIMIT_BYTES:
            continue
        text = _beginning(stream(entry)).decode("utf-8", "replace")
        read.append(entry.filename)
        for name, pattern in member.patterns:
            if match := re.search(pattern, text, re.MULTILINE):
                told.setdefault(name, ".".join(part for part in match.groups() if part))
    objects = _Objects()
    shared = _largest(entries.values())
    for place, entry in enumerate(shared):
        if objects.enough or (objects.settled and _outweighs(shared[:place], shared[place:])):
            break
        objects.read(entry, stream(entry))
        read.append(entry.filename)
    return WheelCode(
        cuda=told.get("cuda", ""),
        cudnn=told.get("cudnn", ""),
        cxx11_abi=told.get("cxx11_abi", ""),
        libraries=objects.libraries(),
        targets=tuple(sorted(objects.targets)),
        complete=objects.complete and bool(objects.targets),
        members=tuple(read),
    )


def _outweighs(read: Sequence[zipfile.ZipInfo], left: Sequence[zipfile.ZipInfo]) -> bool:
    """Whether most of the code was read: a small object beside it is compiled as the large one is."""
    return sum(entry.file_size for entry in read) > sum(entry.file_size for entry in left)


def _beginning(pieces: Iterator[bytes]) -> bytes:
    """As much of a text as may be, however large it turns out to be."""
    content = bytearray()
    for piece in pieces:
        content += piece
        if len(content) >= TEXT_LIMIT_BYTES:
            break
    return bytes(content[:TEXT_LIMIT_BYTES])


class _Objects:
    """What the shared objects of a wheel tell together."""

    def __init__(self) -> None:
        self.targets: set[str] = set()
        self.complete = True
        self._loaded: dict[str, set[str]] = {}
        self._left = CODE_LIMIT_BYTES

    @property
    def settled(self) -> bool:
        """Whether all that was read so far told all of its targets."""
        return bool(self.targets) and self.complete

    @property
    def enough(self) -> bool:
        """Whether so much was read that no more may be."""
        return self._left <= 0

    def read(self, entry: zipfile.ZipInfo, pieces: Iterator[bytes]) -> None:
        """Read a shared object until it can tell nothing new, or too much of it would have to be read."""
        ratio = entry.compress_size / max(entry.file_size, 1)
        binaries, names, seen = FatBinaries(), b"", 0
        for piece in pieces:
            if seen < NAMES_BYTES:
                window = names + piece
                for library, version in _LOADED.findall(window):
                    self._loaded.setdefault(library.decode(), set()).add(version.decode())
                names = window[-64:]
            seen += len(piece)
            binaries.feed(piece)
            if (binaries.settled and seen >= NAMES_BYTES) or seen * ratio >= self._left:
                break
            if self.targets and not binaries.targets and seen * ratio >= BARE_BYTES:
                break
        if binaries.targets:
            self.targets |= binaries.targets
            self.complete = self.complete and (seen >= entry.file_size or binaries.settled)
        self._left -= int(seen * ratio)

    def libraries(self) -> tuple[str, ...]:
        """Those that are named in one version only; whoever names several loads whichever is there."""
        one = ((library, versions) for library, versions in self._loaded.items() if len(versions) == 1)
        return tuple(sorted(f"{library}.so.{min(versions)}" for library, versions in one))


def _largest(entries: Iterable[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
    shared = [
        entry
        for entry in entries
        if _OBJECT.search(entry.filename)
        and entry.file_size >= SMALLEST_OBJECT_BYTES
        and not _NVIDIAS_OWN.search(entry.filename)
    ]
    return sorted(shared, key=lambda entry: (-entry.file_size, entry.filename))[:OBJECTS]


def _digest(members: Sequence[MemberPattern]) -> str:
    return sha256(repr([(member.path, member.patterns) for member in members]).encode()).hexdigest()[:16]
