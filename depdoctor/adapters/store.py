"""Content-addressed blobs, and notes about them, in the user's cache folder.

A blob's name is the digest of its content, and it gets that name only by renaming a finished, synced file: whoever
finds the name finds the whole content, whatever was killed or ran beside. Notes are small texts by key, made the same
way; losing one costs time and nothing else.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from depdoctor.errors import StoreError
from depdoctor.model.noun import dataclass
from depdoctor.model.seams import NoProgress, Progress

_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_CHUNK_BYTES = 1 << 20
_NOTE_END = "\n.\n"
_STALE_S = 24 * 3600
"""A temporary file of this age belongs to nobody who is still at work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSize:
    """What a store holds."""

    blobs: int
    blob_bytes: int
    notes: int


def is_digest(text: str) -> bool:
    """Whether a text is a SHA-256 digest, as in "sha256:0123…"."""
    return bool(_DIGEST.fullmatch(text))


class BlobStore:
    """The store in one folder. Any number of threads and processes may use it at the same time."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._blobs = root / "blobs" / "sha256"
        self._notes = root / "notes"
        self._drafts = root / "drafts"
        self._swept = False

    def path(self, digest: str) -> Path:
        """Where the blob with this digest lies, or would lie. Raises `StoreError` for what is no SHA-256 digest."""
        match = _DIGEST.fullmatch(digest)
        if not match:
            raise StoreError(f"{digest!r} is not a SHA-256 digest", where=str(self.root))
        return self._blobs / match[1]

    def has(self, digest: str) -> bool:
        """Whether the blob is there; if so it counts as used now."""
        try:
            os.utime(self.path(digest))
        except FileNotFoundError:
            return False
        except OSError:
            return self.path(digest).exists()
        return True

    def add(self, digest: str, chunks: Iterable[bytes]) -> Path:
        """Store a blob while checking it. Raises `StoreError` if the bytes are not those of the digest."""
        path = self.path(digest)
        if self.has(digest):
            return path
        with self.draft() as draft:
            actual = hashlib.sha256()
            for chunk in chunks:
                actual.update(chunk)
                draft.write(chunk)
            if f"sha256:{actual.hexdigest()}" != digest:
                raise StoreError(
                    f"the content of {digest} is something else: sha256:{actual.hexdigest()}",
                    where=str(path),
                    hint="Try again; if it happens again, whoever serves the content is at fault",
                )
            return self.keep(draft, digest)

    @contextlib.contextmanager
    def draft(self) -> Iterator[BinaryIO]:
        """A temporary file to write a blob to, whose digest is not known yet; gone afterwards unless it is kept."""
        with self._words():
            self._drafts.mkdir(parents=True, exist_ok=True)
            if not self._swept:
                self._swept = True
                self._sweep()
            with _locked(self._drafts) as draft:
                try:
                    yield draft
                finally:
                    Path(draft.name).unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Remove the drafts of processes that were killed: those that nobody holds a lock on."""
        for entry in _files(self._drafts):
            with contextlib.suppress(OSError), Path(entry).open("rb") as draft:
                fcntl.flock(draft, fcntl.LOCK_EX | fcntl.LOCK_NB)
                Path(entry).unlink(missing_ok=True)

    def keep(self, draft: BinaryIO, digest: str) -> Path:
        """Give a draft its name. The caller has computed the digest over everything that it wrote."""
        return self._settle(draft, self.path(digest), 0o444)

    def recall(self, key: str) -> str | None:
        """The note under a key, None if there is none."""
        try:
            text = self._note(key).read_text("utf-8")
        except (FileNotFoundError, UnicodeDecodeError):
            return None
        return text.removesuffix(_NOTE_END) if text.endswith(_NOTE_END) else None

    def remember(self, key: str, text: str) -> None:
        """Write a note. It is not synced: one that a power cut shortens lacks its end, and counts as lost."""
        with self.draft() as draft:
            draft.write(f"{text}{_NOTE_END}".encode())
            self._settle(draft, self._note(key), 0o644, synced=False)

    def size(self) -> StoreSize:
        """How much there is."""
        blobs = [entry.stat().st_size for entry in _files(self._blobs)]
        return StoreSize(blobs=len(blobs), blob_bytes=sum(blobs), notes=sum(1 for _ in _files(self._notes)))

    def prune(self, unused_s: float) -> StoreSize:
        """Remove what was not used for so many seconds, and what killed processes left; what was removed."""
        now = time.time()
        blobs = [entry for entry in _files(self._blobs) if now - entry.stat().st_mtime > unused_s]
        notes = [entry for entry in _files(self._notes) if now - entry.stat().st_mtime > unused_s]
        removed = StoreSize(blobs=len(blobs), blob_bytes=sum(entry.stat().st_size for entry in blobs), notes=len(notes))
        stale = [entry for entry in _files(self._drafts) if now - entry.stat().st_mtime > _STALE_S]
        with self._words():
            for entry in (*blobs, *notes, *stale):
                Path(entry).unlink(missing_ok=True)
        return removed

    def verify(self, progress: Progress | None = None) -> tuple[str, ...]:
        """Read every blob again; the digests of those that had gone bad, which are removed."""
        progress = progress or NoProgress()
        task = "Verifying the cache"
        progress.start(task, self.size().blob_bytes, "B")
        bad: list[str] = []
        for entry in _files(self._blobs):
            with Path(entry).open("rb") as file:
                actual = hashlib.file_digest(file, "sha256").hexdigest()
            if actual != entry.name:
                bad.append(f"sha256:{entry.name}")
                Path(entry).unlink(missing_ok=True)
            progress.advance(task, entry.stat().st_size if actual == entry.name else 0)
        progress.finish(task)
        return tuple(sorted(bad))

    def _settle(self, draft: BinaryIO, path: Path, mode: int, *, synced: bool = True) -> Path:
        """Sync a draft and rename it, in this order."""
        with self._words():
            path.parent.mkdir(parents=True, exist_ok=True)
            draft.flush()
            if synced:
                os.fsync(draft.fileno())
            os.fchmod(draft.fileno(), mode)
            Path(draft.name).rename(path)
        return path

    def _note(self, key: str) -> Path:
        return self._notes / hashlib.sha256(key.encode()).hexdigest()

    @contextlib.contextmanager
    def _words(self) -> Iterator[None]:
        """Put an error of the cache folder into words; one of another file is its reader's business."""
        try:
            yield
        except OSError as error:
            if error.filename and not Path(os.fsdecode(error.filename)).is_relative_to(self.root):
                raise
            raise StoreError(
                f"the cache folder cannot be used: {error.strerror or error}",
                where=str(error.filename or self.root),
                hint="Free some space with `depdoctor cache prune`, or set DEPDOCTOR_CACHE_DIR to another folder",
            ) from error


def _locked(folder: Path) -> BinaryIO:
    """A new temporary file, open and locked until it is closed or its process dies."""
    while True:
        descriptor, name = tempfile.mkstemp(dir=folder)
        draft = open(name, "w+b", opener=lambda *_: descriptor)  # noqa: SIM115, B023 - the name must be kept
        with contextlib.suppress(OSError):  # a file system without locks; `prune` goes by age there
            fcntl.flock(draft, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:  # else it was swept away between the two
            return draft
        draft.close()


def _files(folder: Path) -> Iterator[os.DirEntry[str]]:
    """The files in a folder, none if it is not there."""
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        yield from entries
