"""Layers of model weights: files as they are, above the packages and below the code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path, PurePosixPath

from depdoctor.build.oci.code import kept_by
from depdoctor.build.oci.hashing import beside, inline
from depdoctor.build.oci.recompressed import layer_stream
from depdoctor.build.oci.stream import CHUNK_BYTES
from depdoctor.errors import BuildError
from depdoctor.model.image import APP_ROOT, Blob
from depdoctor.model.packing import Compression
from depdoctor.model.seams import Store
from depdoctor.model.weights import WeightFile

_ROOT = APP_ROOT.removeprefix("/")


def found(project: Path, paths: Sequence[str], store: Store) -> tuple[WeightFile, ...]:
    """The files at these paths in a project that an image would hold, each with its SHA-256.

    Links, and what `.dockerignore` leaves out, are none. A hash is remembered for as long as the file's size, inode and
    time of change stay. Raises `BuildError` for one that cannot be read.
    """
    kept = kept_by(project)
    files = []
    for path in sorted(paths):
        place = project / path
        if kept(path) and place.is_file() and not place.is_symlink():
            files.append(WeightFile(path=path, sha256=_hash(place, store), size_bytes=place.stat().st_size))
    return tuple(files)


def weights_blob(
    project: Path,
    files: Sequence[WeightFile],
    store: Store,
    compression: Compression = Compression.COPY,
    *,
    spare_core: bool = False,
) -> Blob:
    """The layer of these files, made unless it is in the store. With a `spare_core` a second thread computes hashes.

    Raises `BuildError` if a file is not what was planned.
    """
    check(project, files, store)
    again = "" if compression is Compression.COPY else f"{compression} "
    key = f"weights 1 {again}" + json.dumps([[one.path, one.sha256] for one in files])
    if note := store.recall(key):
        blob = Blob(**json.loads(note))
        if store.has(blob.digest):
            return blob
    with store.draft() as draft, beside() if spare_core else nullcontext(inline) as digests:
        stream = layer_stream(draft, compression, digests)
        folders = {str(parent) for one in files for parent in PurePosixPath(_ROOT, one.path).parents} - {"."}
        entries = sorted(
            [*((folder, None) for folder in folders), *((f"{_ROOT}/{one.path}", one) for one in files)],
            key=lambda entry: entry[0],
        )
        for path, file in entries:
            if file is None:
                stream.folder(path)
            else:
                stream.file_in_chunks(path, file.size_bytes, _checked(project / file.path, file), 0o644)
        blob = stream.close()
        if not store.has(blob.digest):
            store.keep(draft, blob.digest)
    store.remember(key, json.dumps(asdict(blob)))
    return blob


def check(project: Path, files: Iterable[WeightFile], store: Store) -> None:
    """Raise `BuildError` where a file of weights in a project is not what was planned."""
    for one in files:
        if _hash(project / one.path, store) != one.sha256:
            raise BuildError(
                "these weights are not those of the plan",
                where=str(project / one.path),
                hint="Run `depdoctor plan` to take them in, or bring back the file that was planned",
            )


def _checked(place: Path, file: WeightFile) -> Iterator[bytes]:
    """The bytes of a file, which must be those that were hashed."""
    actual = hashlib.sha256()
    with place.open("rb") as source:
        for chunk in iter(lambda: source.read(CHUNK_BYTES), b""):
            actual.update(chunk)
            yield chunk
    if actual.hexdigest() != file.sha256:
        raise BuildError("it changed while it was read", where=str(place), hint="Build again when nothing writes to it")


def _hash(place: Path, store: Store) -> str:
    try:
        status = place.stat()
        key = f"sha256 1 {place.resolve()} {status.st_size} {status.st_ino} {status.st_mtime_ns} {status.st_ctime_ns}"
        if (known := store.recall(key)) is not None:
            return known
        with place.open("rb") as source:
            digest = hashlib.file_digest(source, "sha256").hexdigest()
    except OSError as error:
        raise BuildError(f"cannot read it: {error.strerror}", where=str(place)) from error
    store.remember(key, digest)
    return digest
