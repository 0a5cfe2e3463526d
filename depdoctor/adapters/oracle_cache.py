"""A memory of the resolver's answers that outlives the run: an SQLite file in depdoctor's cache folder.

An answer is found again only for the very same question, its date and the resolver's version included. The file may be
used by several runs at once. Whatever goes wrong with it, a lost memory costs time and nothing else.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from depdoctor.model.distribution import DistributionFile, Pin
from depdoctor.model.finding import Kind
from depdoctor.model.lock import Impossible, Question, Resolved

FORMAT = 5
"""Raised whenever what is written means something else."""

MOST_ANSWERS = 20_000
"""Answers kept; about 4 kB each at most."""

_WAIT_S = 5.0
_DAY_S = 86_400

Result = TypeVar("Result")


class VerdictCache:
    """Implements `Verdicts`. `folder` is made when needed; `resolver` names the resolver and its version."""

    def __init__(self, folder: Path, *, resolver: str, most: int = MOST_ANSWERS) -> None:
        self._path = folder / f"verdicts-{FORMAT}.sqlite"
        self._resolver = resolver
        self._most = most
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def recall(self, question: Question) -> Resolved | Impossible | None:
        """What was answered to this very question before, if anything."""
        key, today = self._key(question), _today()

        def read(connection: sqlite3.Connection) -> bytes | None:
            row = connection.execute("SELECT answer, used FROM verdict WHERE key = ?", (key,)).fetchone()
            if row is not None and row[1] != today:
                connection.execute("UPDATE verdict SET used = ? WHERE key = ?", (today, key))
            return row[0] if row else None

        found = self._with_connection(read) if _is_lasting(question) else None
        return _loaded(found) if found else None

    def keep(self, question: Question, answer: Resolved | Impossible) -> None:
        """Remember an answer, and forget those that were used least recently if there are too many."""
        key, packed = self._key(question), _packed(answer)

        def write(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR REPLACE INTO verdict VALUES (?, ?, ?)", (key, _today(), packed))
            [(count,)] = connection.execute("SELECT count(*) FROM verdict").fetchall()
            if count > self._most:
                connection.execute(
                    "DELETE FROM verdict WHERE key IN (SELECT key FROM verdict ORDER BY used, rowid LIMIT ?)",
                    (count - self._most + self._most // 10,),
                )

        # What an index shows that knows no dates may be something else tomorrow.
        if _is_lasting(question) and answer.dated:
            self._with_connection(write)

    def close(self) -> None:
        """Let the file go."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _key(self, question: Question) -> bytes:
        return sha256(f"{self._resolver}\n{question!r}".encode()).digest()

    def _with_connection(self, use: Callable[[sqlite3.Connection], Result]) -> Result | None:
        with self._lock:
            for attempt in range(2):
                try:
                    connection = self._connection or self._open()
                    with connection:
                        return use(connection)
                except (sqlite3.OperationalError, OSError):
                    return None  # locked for too long, no room, no right to write: go without
                except sqlite3.DatabaseError:
                    self._discard()
                    if attempt:
                        return None
        return None

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self._path, timeout=_WAIT_S, check_same_thread=False)
        self._connection = connection
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS verdict (key BLOB PRIMARY KEY, used INTEGER NOT NULL, answer BLOB NOT NULL)"
        )
        connection.execute("CREATE INDEX IF NOT EXISTS by_use ON verdict (used)")
        return connection

    def _discard(self) -> None:
        """Begin anew: the file is not a database, or a damaged one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        for suffix in ("", "-wal", "-shm"):
            with suppress(OSError):
                self._path.with_name(self._path.name + suffix).unlink()


def _is_lasting(question: Question) -> bool:
    """Whether the answer will be the same later: a folder of files, a flat page or an address knows no dates."""
    return not question.indexes.find_links and not any(" @ " in text for text in question.requirements)


def _today() -> int:
    return int(time.time() // _DAY_S)


def _packed(answer: Resolved | Impossible) -> bytes:
    return zlib.compress(json.dumps(asdict(answer), default=_plain, separators=(",", ":")).encode(), 1)


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _loaded(packed: bytes) -> Resolved | Impossible | None:
    """The answer, None if these bytes are none."""
    try:
        fields = json.loads(zlib.decompress(packed))
        if "pins" in fields:
            return Resolved(pins=tuple(map(_pin, fields["pins"])), warnings=tuple(fields["warnings"]))
        return Impossible(
            kind=Kind(fields["kind"]),
            message=fields["message"],
            blamed=tuple(map(canonicalize_name, fields["blamed"])),
            steps=tuple((one, other) for one, other in fields["steps"]),
            summary=fields["summary"],
            lacking=tuple(map(canonicalize_name, fields["lacking"])),
        )
    except (zlib.error, ValueError, KeyError, TypeError):
        return None


def _pin(fields: dict[str, Any]) -> Pin:
    requires, file = fields["requires"], fields["file"]
    return Pin(
        **fields
        | {
            "name": NormalizedName(fields["name"]),
            "version": Version(fields["version"]),
            "requires": None if requires is None else tuple(map(Requirement, requires)),
            "file": file and DistributionFile(**file | {"upload_time": _time(file["upload_time"])}),
        }
    )


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
