"""Changes of files as a patch that `git apply` and `patch -p1` take."""

from __future__ import annotations

import difflib
from collections.abc import Iterator


def lines(path: str, before: str | None, after: str) -> Iterator[str]:
    """The lines of a change; a file that is new (None) comes from nowhere."""
    old = f"a/{path}" if before is not None else "/dev/null"
    for line in difflib.unified_diff(_lines(before or ""), _lines(after), old, f"b/{path}"):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _lines(text: str) -> list[str]:
    """As `patch` counts them: nothing but a line feed ends a line."""
    return [f"{line}\n" for line in text.split("\n")[:-1]] + [line for line in text.split("\n")[-1:] if line]
