"""Changes of files as a patch that `git apply` and `patch -p1` take."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

_ESCAPED = '"\\\x7f'


def lines(path: str, before: str | None, after: str) -> Iterator[str]:
    """The lines of a change; a file that is new (None) comes from nowhere."""
    old = _named(f"a/{path}") if before is not None else "/dev/null"
    for line in difflib.unified_diff(_lines(before or ""), _lines(after), old, _named(f"b/{path}")):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _named(path: str) -> str:
    """A path as git writes it: in quotes where it holds what would end it, and with a tab after one with a space."""
    if any(ord(one) < 32 or one in _ESCAPED for one in path):
        return f'"{"".join(map(_escaped, path))}"'
    return f"{path}\t" if " " in path else path


def _escaped(one: str) -> str:
    if one in '"\\':
        return f"\\{one}"
    return f"\\{ord(one):03o}" if ord(one) < 32 or one in _ESCAPED else one


def _lines(text: str) -> list[str]:
    """As `patch` counts them: nothing but a line feed ends a line."""
    return [f"{line}\n" for line in text.split("\n")[:-1]] + [line for line in text.split("\n")[-1:] if line]
