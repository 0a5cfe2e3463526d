"""What scans and plans printed, kept so that one of what has not changed prints it again and works out nothing.

An answer is found again only for the same options, environment, code and libraries, within the hour as of which the
index was asked (for ever where the user named the date), and while every file that was read and every folder that was
listed is as it was. Whatever goes wrong here, a lost answer costs time and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from depdoctor.adapters import uv_user
from depdoctor.adapters.watch import Seen, unchanged
from depdoctor.model.noun import dataclass

FORMAT = 1
"""Raised whenever what is written means something else."""

FOLDER = f"scans-{FORMAT}"

MOST_ANSWERS = 64
"""Kept; about 100 kB each for sixty projects."""

_VARIABLES = ("UV_", "DEPDOCTOR_", "NETRC", "HOME", "COLUMNS", "LINES", "TERM", "COLORTERM", "TTY_")
_COLOUR_VARIABLES = ("NO_COLOR", "FORCE_COLOR", "CLICOLOR")


def this_hour() -> str:
    """The last full hour in ISO 8601: as of then the index is asked where no date is given."""
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0).isoformat()


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What was printed, in two parts between which stands how many seconds it took, and the exit status.

    `hour` is the one as of which index and registries were asked, "" where the date was given and no registry was.
    `timed` says whether the seconds stand there at all. `said` are lines of talk on the way, and `not_known` is what
    could not be known and was to be complained of.
    """

    before: str
    after: str
    timed: bool
    status: int
    hour: str
    seen: Seen
    said: Sequence[str] = ()
    not_known: Sequence[str] = ()

    def text(self, elapsed_s: float) -> str:
        """What to print."""
        return f"{self.before}{elapsed_s:.1f}{self.after}" if self.timed else self.before


class ScanMemory:
    """The answers about one folder. `folder` is the cache folder; `options` are all that bear on what is printed."""

    def __init__(self, folder: Path, root: Path, options: Mapping[str, object]) -> None:
        self._root = root
        self._folder = folder / FOLDER
        asked = [os.path.realpath(root), json.dumps(options, sort_keys=True, default=str), *surroundings()]
        self._path = self._folder / f"{hashlib.sha256(chr(10).join(asked).encode()).hexdigest()}.json"

    def recall(self, hour: str) -> Told | None:
        """What was printed last, if it would be printed again."""
        try:
            known: dict[str, Any] = json.loads(self._path.read_bytes())
            lines = {name: tuple(value) for name, value in known.items() if isinstance(value, list)}
            told = Told(**known | lines)
            if told.hour not in {"", hour} or not unchanged(self._root, told.seen):
                return None
            os.utime(self._path)
        except (OSError, ValueError, TypeError, AttributeError):
            return None
        return told

    def keep(self, told: Told) -> None:
        """Remember what was printed, and forget what was not asked for the longest."""
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            handle, unfinished = tempfile.mkstemp(dir=self._folder)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(asdict(told), file)
            Path(unfinished).replace(self._path)
            kept = sorted(self._folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
            for path in kept[MOST_ANSWERS:]:
                path.unlink(missing_ok=True)


def surroundings() -> Iterator[str]:
    """Whatever an answer depends on besides what is asked: code, libraries, variables, the user's settings of uv."""
    yield sys.version
    yield uv_user.identity()
    for name in sorted(os.environ):
        if name.startswith(_VARIABLES) or name in _COLOUR_VARIABLES:
            yield f"{name}={os.environ[name]}"
    yield from _installed(tuple(sys.path))


@lru_cache(maxsize=1)
def _installed(search: Sequence[str]) -> tuple[str, ...]:
    """The code and the libraries, as they were when they were first looked at, which is when they are imported."""
    return tuple(_looked_at(search))


def _looked_at(search: Sequence[str]) -> Iterator[str]:
    package = Path(__file__).parents[1]
    for folder in (package, package.parent / "rules"):
        with suppress(FileNotFoundError):
            yield from sorted(_sources(folder))
    for entry in search:
        with suppress(OSError), os.scandir(entry) as found:
            yield from sorted(one.name for one in found if one.name.endswith(".dist-info"))


def _sources(folder: str | Path) -> Iterator[str]:
    """The code and the tables below a folder, each with its size and when it changed last."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith((".py", ".toml")):
                status = entry.stat()
                yield f"{entry.path} {status.st_size} {status.st_mtime_ns}"
            elif entry.is_dir() and entry.name != "__pycache__":
                yield from _sources(entry.path)
