"""What git knows of the folder that is scanned."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

TIMEOUT_S = 20


def revision(folder: Path) -> str:
    """The commit that the folder's files are those of; "" where there is no repository, or something is uncommitted."""
    if _git(folder, "status", "--porcelain", "--", ".") != "":
        return ""
    return _git(folder, "rev-parse", "HEAD") or ""


def _git(folder: Path, *arguments: str) -> str | None:
    program = shutil.which("git")
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, "-C", str(folder), *arguments], capture_output=True, text=True, check=False, timeout=TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
