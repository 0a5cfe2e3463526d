"""Sees what a run reads below a folder, and whether that is still the same.

Python tells an audit hook of each file that is opened and each folder that is listed (PEP 578), so that no reader has
to report what it read, and none can forget to. Readers tell of files that they look for and that may not be there.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ABSENT = "absent"

LARGE_BYTES = 8 * 1024 * 1024
"""From this size on a file, as one of weights, is told by its inode, size and times and not by its content."""

TICK_S = 0.05
"""How far behind the clock the time of a change may lie that a file system notes down."""

Seen = Mapping[str, str]
"""The state of each file and folder, by path relative to the root; "" for the root."""


class Watch:
    """What was opened and listed below `root` while it watched."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._spellings = {os.fspath(self._root), os.fspath(root.absolute())}
        self._began = time.time()
        self.files: set[str] = set()
        self.folders: set[str] = set()

    def note(self, event: str, path: object) -> None:
        """Take note of an event of the interpreter."""
        if isinstance(path, bytes | str | os.PathLike):
            places = self.files if event in _FILES else self.folders
            if (inner := self._inner(os.fsdecode(path))) is not None:
                places.add(inner)

    def seen(self) -> Seen | None:
        """The state of all that was read; None where it may have changed since, so that it would not be what was read.

        Changes count from the moment on in which the watch began.
        """
        states: dict[str, str] = {}
        for inner in self.files | self.folders:
            place = self._root / inner
            try:
                states[inner] = state(place)
                if states[inner] != ABSENT and _changed_s(place.stat()) > self._began - TICK_S:
                    return None
            except OSError:
                return None
        return states

    def _inner(self, path: str) -> str | None:
        whole = os.path.abspath(path)  # noqa: PTH100 - with ".." taken out, and no symlink followed
        for root in self._spellings:
            if whole == root:
                return ""
            if whole.startswith(root.rstrip(os.sep) + os.sep):
                return whole[len(root.rstrip(os.sep)) + 1 :]
        return None


def unchanged(root: Path, seen: Seen) -> bool:
    """Whether all that was read is as it was. For whoever watches it counts as read again."""
    for watch in _watching:
        for inner in seen:
            watch.note("open", root / inner)
    try:
        return all(state(root / inner) == before for inner, before in seen.items())
    except OSError:
        return False


def state(place: Path) -> str:
    """The names in a folder and the kind of each, or the content of a file, as a digest. Raises `OSError`.

    Of a large file it is inode, size and times.
    """
    try:
        status = place.stat()
    except (FileNotFoundError, NotADirectoryError):
        return ABSENT
    if stat.S_ISDIR(status.st_mode):
        with os.scandir(place) as entries:
            names = sorted(f"{_letter(entry)}{entry.name}" for entry in entries)
        return hashlib.sha256("\0".join(names).encode(errors="surrogateescape")).hexdigest()
    if not stat.S_ISREG(status.st_mode):
        return "neither file nor folder"
    if status.st_size >= LARGE_BYTES:
        return f"{status.st_dev} {status.st_ino} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"
    return hashlib.sha256(place.read_bytes()).hexdigest()


def _changed_s(status: os.stat_result) -> float:
    return max(status.st_ctime, status.st_mtime)


def _letter(entry: os.DirEntry[str]) -> str:
    if entry.is_symlink():
        return "l"
    return "d" if entry.is_dir(follow_symlinks=False) else "f"


_watching: list[Watch] = []
_FILES = frozenset({"open", "depdoctor.look"})
_EVENTS = _FILES | {"os.scandir", "os.listdir"}
_hooked: list[bool] = []


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if _watching and event in _EVENTS:
        for watch in _watching:
            watch.note(event, arguments[0])


@contextmanager
def watching(root: Path) -> Iterator[Watch]:
    """Watch what is read below a folder."""
    if not _hooked:
        sys.addaudithook(_hook)
        _hooked.append(True)
    watch = Watch(root)
    _watching.append(watch)
    try:
        yield watch
    finally:
        _watching.remove(watch)
