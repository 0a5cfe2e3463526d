"""Facts of wheels, kept for ever by SHA-256: what a wheel holds never changes."""

from __future__ import annotations

import base64
import json
import sqlite3
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from packaging.requirements import Requirement

from depdoctor.errors import StoreError
from depdoctor.model.distribution import WheelFacts

FORMAT = 2
"""Raised whenever the rows change; a file of another format is begun anew."""

BUSY_S = 30.0
_SELECT_AT_ONCE = 500

FACTS = "wheel-facts.sqlite"
"""What the file with the facts of wheels is called in the cache folder."""


class WheelFactsCache:
    """A table in one file, safe under parallel threads and processes. A file that is damaged is begun anew."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, hashes: Iterable[str]) -> dict[str, WheelFacts]:
        """The facts that are known. Raises `StoreError` if the cache folder cannot be used."""
        wanted = list(hashes)
        rows: list[tuple[str, bytes]] = []
        with self._connection() as connection:
            for start in range(0, len(wanted), _SELECT_AT_ONCE):
                part = wanted[start : start + _SELECT_AT_ONCE]
                marks = ",".join("?" * len(part))
                rows += connection.execute(f"SELECT sha256, facts FROM wheel WHERE sha256 IN ({marks})", part)  # noqa: S608
        return {sha256: _loads(facts) for sha256, facts in rows}

    def put(self, facts: Mapping[str, WheelFacts]) -> None:
        """Remember facts. Raises `StoreError` if the cache folder cannot be used."""
        rows = [(sha256, _dumps(found)) for sha256, found in facts.items()]
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT OR REPLACE INTO wheel VALUES (?, ?)", rows)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            try:
                connection = self._open()
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError:
                self._discard()
                connection = self._open()
            with closing(connection), connection:
                yield connection
        except (OSError, sqlite3.Error) as error:
            hint = "free some space, remove that file, or set DEPDOCTOR_CACHE_DIR to another folder"
            raise StoreError(f"the cache cannot be used: {error}", where=str(self._path), hint=hint) from error

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None)
        try:
            if not _is_ready(connection):
                connection.execute("PRAGMA journal_mode = WAL")
                with connection:
                    connection.execute("BEGIN IMMEDIATE")
                    if not _is_ready(connection):  # nobody else was quicker
                        connection.execute("DROP TABLE IF EXISTS wheel")
                        connection.execute("CREATE TABLE wheel (sha256 TEXT PRIMARY KEY, facts BLOB) WITHOUT ROWID")
                        connection.execute(f"PRAGMA user_version = {FORMAT}")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("SELECT count(*) FROM (SELECT 1 FROM wheel LIMIT 1)")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _discard(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                self._path.with_name(self._path.name + suffix).unlink()


def _is_ready(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("PRAGMA user_version").fetchone()[0] == FORMAT)


def _dumps(facts: WheelFacts) -> bytes:
    data = {
        "size": facts.size_bytes,
        "unpacked": facts.unpacked_bytes,
        "requires": [str(requirement) for requirement in facts.requires],
        "python": facts.requires_python,
        "paths": facts.paths,
        "checksums": base64.b64encode(struct.pack(f"<{len(facts.checksums)}I", *facts.checksums)).decode(),
    }
    return zlib.compress(json.dumps(data, separators=(",", ":")).encode(), 1)


def _loads(blob: bytes) -> WheelFacts:
    data = json.loads(zlib.decompress(blob))
    checksums = base64.b64decode(data["checksums"])
    return WheelFacts(
        size_bytes=data["size"],
        unpacked_bytes=data["unpacked"],
        requires=tuple(map(Requirement, data["requires"])),
        requires_python=data["python"],
        paths=tuple(data["paths"]),
        checksums=struct.unpack(f"<{len(checksums) // 4}I", checksums),
    )
