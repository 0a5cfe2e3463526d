"""What git knows of the folder that is scanned."""

from __future__ import annotations

import shutil
import subprocess
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import NamedTuple

TIMEOUT_S = 20


class _Now(NamedTuple):
    """The commit that is checked out, the way from the repository's root to the folder, and what is not committed."""

    head: str
    prefix: str
    shallow: bool
    changed: tuple[str, ...]
    """Tracked files that differ, by path relative to the folder."""
    untracked: bool


class Repository:
    """The repository that a folder is in, as it stands when it is first asked. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = Lock()

    @property
    def revision(self) -> str:
        """The commit that the folder's files are those of; "" without a repository, or if something is uncommitted."""
        with self._lock:
            now = self._now
        return now.head if now and not now.changed and not now.untracked else ""

    def changed(self, path: str) -> tuple[str, ...]:
        """The tracked files below a path ("." for all) that are not as they were committed, relative to it."""
        with self._lock:
            now = self._now
        inside = "" if path == "." else f"{path}/"
        return tuple(one.removeprefix(inside) for one in now.changed if one.startswith(inside)) if now else ()

    def last_touched(self, *paths: str) -> str:
        """The last commit that touched anything below these paths; "" where nobody knows, as in a shallow clone."""
        with self._lock:
            now = self._now
        if not now:
            return ""
        commit, *parents = (_git(self._folder, "log", "-1", "--format=%H %P", "--", *paths) or "").split() or [""]
        return "" if now.shallow and not parents else commit

    @property
    def key(self) -> str:
        """What `last_touched` follows from besides its path; "" where nothing is known."""
        with self._lock:
            now = self._now
        return f"{now.head} {now.prefix}" if now else ""

    @cached_property
    def _now(self) -> _Now | None:
        told = _git(self._folder, "rev-parse", "HEAD", "--is-shallow-repository", "--show-prefix")
        if told is None:
            return None
        head, shallow, prefix, *_ = [*told.split("\n"), ""]
        status = _git(self._folder, "status", "--porcelain", "-z", "--", ".")
        if status is None:
            return None
        rows = iter(status.split("\0"))
        changed, untracked = [], False
        for row in rows:
            if row.startswith("??"):
                untracked = True
            elif row:
                changed.append(row[3:].removeprefix(prefix))
                if row[0] in "RC":
                    next(rows, None)  # where it was before
        return _Now(head=head, prefix=prefix, shallow=shallow == "true", changed=tuple(changed), untracked=untracked)


def _git(folder: Path, *arguments: str) -> str | None:
    program = shutil.which("git")
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, "-C", str(folder), *arguments], capture_output=True, text=True, check=False, timeout=TIMEOUT_S
        )
    except (OSError, UnicodeDecodeError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip("\n") if done.returncode == 0 else None
