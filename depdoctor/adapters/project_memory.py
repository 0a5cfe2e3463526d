"""What projects declare and what their lockfiles lock, as they were read last: a file for each in the cache folder.

A project is found again only under the same state (the code, the libraries, the configuration, the tables of facts, the
user's set-up of uv), and while every file that was looked for is as it was, or still not there. Files hold pickles, and
what is read back may only be made of our own nouns and of requirements and versions: whoever can write a
cache folder gets no code run. Whatever goes wrong here, a lost memory costs time and nothing else.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from depdoctor.adapters.watch import Seen, unchanged
from depdoctor.model.lock import LockOutcome
from depdoctor.model.noun import dataclass
from depdoctor.model.project import Project
from depdoctor.model.reading import Reading

FORMAT = 1
"""Raised whenever what is written means something else."""

MOST_FLEETS = 16

_PLAIN = {
    "packaging.version": {"Version"},
    "datetime": {"datetime", "date", "timedelta", "timezone"},
    "builtins": {"frozenset", "set"},
}
"""What a pickle may be made of besides nouns of the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """A project as it was read, what was `seen` for it, and what its lockfiles lock: None where that is to be found."""

    reading: Reading
    outcomes: tuple[LockOutcome, ...] | None
    seen: Seen


class ProjectMemory:
    """The projects of one fleet. `state` is whatever their reading and locking depend on besides their own files."""

    def __init__(self, folder: Path, root: Path, state: Iterable[str]) -> None:
        self._root = root
        self._folder = folder / f"projects-{FORMAT}" / _digest(os.path.realpath(root).encode(errors="surrogateescape"))
        self._state = _digest("\n".join(state).encode(errors="surrogateescape"))

    def recall(self, project: Project) -> Remembered | None:
        """A project as it was, if it would be read and locked the same."""
        try:
            head, _, content = self._path(project).read_bytes().partition(b"\n")
            known = json.loads(head)
            if known["state"] != self._named(project) or known["content"] != _digest(content):
                return None
            if not unchanged(self._root, known["seen"]):
                return None
            reading, outcomes = _Reader(io.BytesIO(content)).load()
        except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, pickle.UnpicklingError):
            return None
        return Remembered(reading=reading, outcomes=outcomes, seen=known["seen"])

    def keep(self, remembered: Remembered) -> None:
        """Remember a project."""
        content = io.BytesIO()
        _Writer(content, protocol=5).dump((remembered.reading, remembered.outcomes))
        project = remembered.reading.project
        head = {"state": self._named(project), "content": _digest(content.getvalue()), "seen": dict(remembered.seen)}
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            handle, unfinished = tempfile.mkstemp(dir=self._folder)
            with os.fdopen(handle, "wb") as file:
                file.write(json.dumps(head).encode() + b"\n" + content.getvalue())
            Path(unfinished).replace(self._path(project))

    def forget_others(self, projects: Sequence[Project]) -> None:
        """Forget the projects that are no more, and the fleets that nobody has looked at for the longest."""
        with suppress(OSError):
            known = {self._path(project).name for project in projects}
            for path in self._folder.iterdir():
                if path.name not in known:
                    path.unlink(missing_ok=True)
            fleets = sorted(self._folder.parent.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
            for folder in fleets[MOST_FLEETS:]:
                shutil.rmtree(folder, ignore_errors=True)

    def _path(self, project: Project) -> Path:
        return self._folder / _digest(project.root.encode(errors="surrogateescape"))

    def _named(self, project: Project) -> str:
        return _digest(f"{self._state}\n{project!r}".encode(errors="surrogateescape"))


class _Writer(pickle.Pickler):
    """Writes requirements in parts: one that is read back in parts takes a tenth of the time that parsing it takes."""

    def reducer_override(self, value: Any) -> Any:
        if type(value) is not Requirement:
            return NotImplemented
        marker = str(value.marker) if value.marker else ""
        return requirement, (value.name, value.url, tuple(sorted(value.extras)), str(value.specifier), marker)


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == (__name__, requirement.__name__):
            return requirement
        if name in _PLAIN.get(module, ()):
            return super().find_class(module, name)
        if module.startswith("depdoctor.model.") and "." not in name:
            found = super().find_class(module, name)
            if isinstance(found, type) and found.__module__ == module:
                return found
        raise pickle.UnpicklingError(f"{module}.{name} is nothing that is remembered")


@lru_cache(maxsize=8192)
def requirement(name: str, url: str | None, extras: tuple[str, ...], specifier: str, marker: str) -> Requirement:
    """A requirement of these parts; equal parts give the same one, which nobody may change."""
    made = object.__new__(Requirement)
    made.name, made.url, made.extras = name, url, set(extras)
    made.specifier, made.marker = _specifiers(specifier), _marker(marker) if marker else None
    return made


_specifiers: Callable[[str], SpecifierSet] = lru_cache(maxsize=4096)(SpecifierSet)
_marker: Callable[[str], Marker] = lru_cache(maxsize=4096)(Marker)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
