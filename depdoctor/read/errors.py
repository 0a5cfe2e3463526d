"""What a reader may raise."""

from __future__ import annotations

MOST_REQUIREMENTS = 20_000
"""In one file; more is no list that a person or a tool keeps, and would only take time."""


class ManifestError(Exception):
    """A manifest that cannot be read at all: why, on which 1-based line (0: the whole file), and what to do."""

    def __init__(self, message: str, *, line: int = 0, hint: str = "", kind: str = "unreadable") -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.hint = hint
        self.kind = kind
