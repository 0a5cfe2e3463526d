"""Wheels into one layer: the compressed streams of their files are copied, and checked on the way."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from installer.utils import canonicalize_name
from isal import isal_zlib

from depdoctor.build.oci.archive import STORED, Archive, Entry
from depdoctor.build.oci.bytecode import ByteCode
from depdoctor.build.oci.hashing import Digest, Digests, beside, inline
from depdoctor.build.oci.members import DEFLATE_ERROR
from depdoctor.build.oci.owners import clash
from depdoctor.build.oci.recompressed import layer_stream
from depdoctor.build.oci.stream import CHUNK_BYTES, LayerStream, WrongContentError
from depdoctor.build.oci.wheel import Installed, Wheel, inflated, record_hash, recorded
from depdoctor.model.image import Blob
from depdoctor.model.noun import dataclass
from depdoctor.model.packing import Compression

_LARGE_BYTES = 4 << 20
"""Files over this size are read in pieces, so that memory does not grow with them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelFile:
    """A wheel on disk, the name that it was published under, which says what it is, and its hash if that is known."""

    path: Path
    filename: str
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeLayer:
    """A layer that was written, and what it owns: a short hash of the content of each path.

    `metadata` is the METADATA of each wheel whose hash was given, by that hash; empty if it has none.
    """

    blob: Blob
    owned: Mapping[str, str]
    metadata: Mapping[str, str]


def make_layer(
    wheels: Sequence[WheelFile],
    python: str,
    out: BinaryIO,
    part: tuple[int, int] = (1, 1),
    *,
    compression: Compression = Compression.COPY,
    bytecode: ByteCode | None = None,
    last_wins: bool = False,
    spare_core: bool = False,
) -> MadeLayer:
    """Write the layer that installs these wheels for one Python minor version; the same bytes on every machine.

    Of several parts it is the first, second and so on, all of about one size; no file is split. With `bytecode` modules
    are compiled. Where `last_wins`, a path that two wheels own is that of the later name. With a `spare_core`
    a second thread computes hashes.

    Raises `UnsafeWheelError` for a wheel that breaks a rule, `BuildError` if two wheels own one path.
    """
    with ExitStack() as stack:
        opened = [_opened(wheel, python, bytecode, stack) for wheel in wheels]
        pairs = _last(opened) if last_wins else [(file, wheel) for wheel in opened for file in wheel.files()]
        files = sorted(pairs, key=lambda pair: pair[0].path)
        files = list(_share(files, *part))
        digests = stack.enter_context(beside()) if spare_core else inline
        stream = layer_stream(out, compression, digests)
        owned: dict[str, str] = {}
        owner: dict[str, Wheel] = {}
        for file, wheel in files:
            sign = _sign(file)
            if file.path in owned:
                if owned[file.path] != sign:
                    raise clash(file.path, owner[file.path].archive.where, wheel.archive.where)
                continue
            owned[file.path], owner[file.path] = sign, wheel
            stream.enter(file.path)
            _write(stream, file, file.archive or wheel.archive, digests)
        stated = {file.sha256: wheel.metadata() for file, wheel in zip(wheels, opened, strict=True) if file.sha256}
        return MadeLayer(blob=stream.close(), owned=owned, metadata=stated)


def _opened(file: WheelFile, python: str, bytecode: ByteCode | None, stack: ExitStack) -> Wheel:
    """A wheel, open until the stack ends, with its byte-code if there is to be any."""
    wheel = Wheel(Archive(_reading(file.path, stack), file.filename), file.filename, python)
    if bytecode and (path := bytecode.of(wheel, file.sha256)):
        wheel.bytecode = Archive(_reading(path, stack), f"the byte-code of {file.filename}")
    return wheel


def _reading(path: Path, stack: ExitStack) -> int:
    descriptor = os.open(path, os.O_RDONLY)
    stack.callback(os.close, descriptor)
    return descriptor


def _last(wheels: Sequence[Wheel]) -> list[tuple[Installed, Wheel]]:
    """The files of wheels of which the last, by name as it is normalized, has each path."""
    ordered = sorted(wheels, key=lambda wheel: canonicalize_name(wheel.name.distribution))
    held = {wheel: {file.path: _sign(file) for file in wheel.files()} for wheel in ordered}
    last = {path: (wheel, sign) for wheel in ordered for path, sign in held[wheel].items()}
    found = []
    for wheel in ordered:
        lost = {path for path, sign in held[wheel].items() if last[path][0] is not wheel and last[path][1] != sign}
        codes = {target for source, target, _ in wheel.sources() if source in lost}
        found += [(file, wheel) for file in wheel.files(frozenset(lost | codes))]
    return found


def _share(files: Sequence[tuple[Installed, Wheel]], number: int, parts: int) -> Iterator[tuple[Installed, Wheel]]:
    """The files that begin in this part of all bytes, in the order given."""
    sizes = [file.entry.size_bytes if file.entry else len(file.content) for file, _ in files]
    below, total = 0, max(sum(sizes), 1)
    for pair, size in zip(files, sizes, strict=True):
        if min(below * parts // total, parts - 1) == number - 1:
            yield pair
        below += size


def _sign(file: Installed) -> str:
    """A few characters that differ where the content of two files differs."""
    if file.entry is None:
        return record_hash(file.content)[7:23]
    return f"{file.entry.crc32:08x}{file.entry.size_bytes:x}"


def _write(stream: LayerStream, file: Installed, archive: Archive, digests: Digests) -> None:
    entry = file.entry
    if entry is None:
        stream.file(file.path, file.content, file.mode)
    elif entry.size_bytes > _LARGE_BYTES or entry.compressed_bytes > _LARGE_BYTES:
        _write_large(stream, file, entry, archive, digests)
    else:
        raw, content = inflated(archive, entry)
        if file.expected and record_hash(content, file.expected) != file.expected:
            raise archive.refuse(f"{entry.name}: its content is not what RECORD says")
        if entry.method == STORED:
            stream.file(file.path, content, file.mode)
        else:
            stream.deflated(file.path, raw, content, entry.crc32, file.mode)


def _write_large(stream: LayerStream, file: Installed, entry: Entry, archive: Archive, digests: Digests) -> None:
    algorithm = file.expected.partition("=")[0] or "sha256"
    digest = digests(algorithm)
    pieces = archive.chunks(entry, CHUNK_BYTES)
    try:
        if entry.method == STORED:
            pieces = _checked(pieces, entry, digest)
            stream.file_in_chunks(file.path, entry.size_bytes, pieces, file.mode)
        else:
            stream.deflated_in_chunks(file.path, pieces, entry.size_bytes, entry.crc32, file.mode, digest)
    except (WrongContentError, DEFLATE_ERROR) as error:
        raise archive.refuse(f"{entry.name}: {error}") from error
    if file.expected and recorded(algorithm, digest.digest()) != file.expected:
        raise archive.refuse(f"{entry.name}: its content is not what RECORD says")


def _checked(pieces: Iterator[bytes], entry: Entry, digest: Digest) -> Iterator[bytes]:
    """The pieces of a stored file, on their way. Raises `WrongContentError` at their end if the checksum is another."""
    crc = 0
    for piece in pieces:
        digest.update(piece)
        crc = isal_zlib.crc32(piece, crc)
        yield piece
    if crc != entry.crc32:
        raise WrongContentError("its content is not what its checksum says")
