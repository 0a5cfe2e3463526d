"""The cache folder as a whole: what is in it, what may go, and what has gone bad.

Nothing else of the folder is touched than what is depdoctor's by its name. What is removed costs time and nothing else.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path

from depdoctor.adapters.store import BlobStore
from depdoctor.errors import StoreError
from depdoctor.model.noun import dataclass
from depdoctor.model.seams import NoProgress, Progress

STORE = "store"

DATABASES = {"answers of the resolver": "verdicts-*.sqlite", "facts of wheels": "wheel-facts*.sqlite"}
"""What each database holds, and how its file is called; those of other formats too, which nobody reads any more."""

RESOLVER = ("uv", "uv-settings", "uv-stand-ins")
"""The folders that uv works in."""

SCANS = "what scans printed"

_SIDES = ("", "-wal", "-shm")


@dataclass(frozen=True, slots=True, kw_only=True)
class CachePart:
    """A part of the cache: how many files it has, and their size."""

    name: str
    files: int
    size_bytes: int


class CacheFolder:
    """The cache folder of a user. All of it may be in use by others meanwhile."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._store = BlobStore(root / STORE)

    def sizes(self) -> tuple[CachePart, ...]:
        """How much each part holds; all parts, also those that are empty. Raises `StoreError`."""
        try:
            store = self._store.size()
            return (
                CachePart(name="wheels and layers", files=store.blobs, size_bytes=store.blob_bytes),
                *(_part(name, self._databases(pattern)) for name, pattern in DATABASES.items()),
                _part(SCANS, self._scans()),
                _part("uv", (path for name in RESOLVER for path in (self.root / name).rglob("*"))),
            )
        except OSError as error:
            raise _unusable(error, self.root) from error

    def prune(self, unused_s: float) -> tuple[CachePart, ...]:
        """Remove wheels, layers and databases that nobody used or wrote for so many seconds; what was removed.

        What uv keeps for itself stays: `uv cache prune` knows better. Raises `StoreError`.
        """
        try:
            store = self._store.prune(unused_s)
            removed = [CachePart(name="wheels and layers", files=store.blobs, size_bytes=store.blob_bytes)]
            now = time.time()
            for name, pattern in DATABASES.items():
                old = [
                    path
                    for path in self._databases(pattern)
                    if path.suffix == ".sqlite"
                    and all(now - side.stat().st_mtime > unused_s for side in _sides(path) if side.exists())
                ]
                files = [side for path in old for side in _sides(path) if side.exists()]
                removed.append(_part(name, files))
                for path in files:
                    path.unlink(missing_ok=True)
            scans = [path for path in self._scans() if now - path.stat().st_mtime > unused_s]
            removed.append(_part(SCANS, scans))
            for path in scans:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise _unusable(error, self.root) from error
        return tuple(removed)

    def verify(self, progress: Progress | None = None) -> tuple[str, ...]:
        """Read everything again; the digests and files that had gone bad, which are removed. Raises `StoreError`."""
        try:
            bad = list(self._store.verify(progress or NoProgress()))
            for pattern in DATABASES.values():
                for path in self._databases(pattern):
                    if path.suffix == ".sqlite" and not _is_sound(path):
                        bad.append(path.name)
                        for side in _sides(path):
                            side.unlink(missing_ok=True)
        except OSError as error:
            raise _unusable(error, self.root) from error
        return tuple(bad)

    def _scans(self) -> list[Path]:
        """Files of other formats too, which nobody reads any more."""
        return sorted([*self.root.glob("scans-*/*.json"), *self.root.glob("projects-*/*/*")])

    def _databases(self, pattern: str) -> list[Path]:
        """The files of this name, and those that SQLite keeps beside them."""
        return sorted(path for side in _SIDES for path in self.root.glob(pattern + side))


def _sides(path: Path) -> Iterator[Path]:
    return (path.with_name(path.name + side) for side in _SIDES)


def _part(name: str, paths: Iterable[Path]) -> CachePart:
    sizes = []
    for path in paths:
        with suppress(FileNotFoundError):  # others may remove files meanwhile
            if path.is_file() and not path.is_symlink():
                sizes.append(path.stat().st_size)
    return CachePart(name=name, files=len(sizes), size_bytes=sum(sizes))


def _is_sound(path: Path) -> bool:
    """Whether SQLite finds nothing wrong; a file that is locked for the moment is not bad."""
    try:
        with closing(sqlite3.connect(path)) as connection:
            return bool(connection.execute("PRAGMA quick_check(1)").fetchall() == [("ok",)])
    except sqlite3.OperationalError:
        return True
    except sqlite3.DatabaseError:
        return False


def _unusable(error: OSError, root: Path) -> StoreError:
    return StoreError(
        f"the cache folder cannot be used: {error.strerror or error}",
        where=str(error.filename or root),
        hint="set DEPDOCTOR_CACHE_DIR to another folder",
    )
