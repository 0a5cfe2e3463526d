"""What projects declared when a commit hook last read them: a JSON file in the cache folder for each repository.

A project counts as read while every file that was read, and the list of them, is as it was. Whatever goes wrong here, a
lost memory costs time and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, field
from pathlib import Path

from depdoctor import __version__
from depdoctor.model.noun import dataclass

FORMAT = 1
"""Raised whenever what is written means something else."""

Stamps = dict[str, list[int]]
"""The time (ns) and the size of each file that was read, by its path relative to the root."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A requirement that a project declares for one environment, as far as it can clash, and where it stands."""

    environment: str
    name: str
    extras: list[str]
    specifier: str
    constraint: bool
    path: str
    line: int
    text: str


@dataclass(slots=True, kw_only=True)
class Remembered:
    """What a project declared."""

    stamps: Stamps
    lines: list[Line]


@dataclass(slots=True, kw_only=True)
class Memory:
    """What is remembered of a repository. `crossings` are pairs of projects with the package that parts them."""

    projects: dict[str, Remembered] = field(default_factory=dict)
    crossings: set[tuple[str, str, str]] = field(default_factory=set)
    is_new: bool = True


class HookMemory:
    """The memory of one repository. `state` is whatever else a memory depends on, such as the configuration."""

    def __init__(self, folder: Path, root: Path, state: str) -> None:
        self._root = root
        self._path = folder / f"hook-{FORMAT}" / f"{_digest(os.path.realpath(root))}.json"
        self._state = _digest(f"{__version__}\n{state}")

    def recall(self) -> Memory:
        """What is remembered; nothing where there is no memory that can be used."""
        try:
            known = json.loads(self._path.read_bytes())
            if known["state"] != self._state:
                return Memory()
            projects = {
                name: Remembered(stamps=one["stamps"], lines=[Line(**line) for line in one["lines"]])
                for name, one in known["projects"].items()
            }
            crossings = {(one, other, subject) for one, other, subject in known["crossings"]}
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return Memory()
        return Memory(projects=projects, crossings=crossings, is_new=False)

    def keep(self, memory: Memory) -> None:
        """Remember."""
        known = {
            "state": self._state,
            "projects": {name: asdict(one) for name, one in memory.projects.items()},
            "crossings": sorted(memory.crossings),
        }
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle, unfinished = tempfile.mkstemp(dir=self._path.parent)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(known, file, separators=(",", ":"))
            Path(unfinished).replace(self._path)

    def stamps(self, paths: Iterable[str]) -> Stamps:
        """The stamps of files as they are now; of one that is not there, none."""
        found: Stamps = {}
        for path in paths:
            with suppress(OSError):
                status = (self._root / path).stat()
                found[path] = [status.st_mtime_ns, status.st_size]
        return found


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
