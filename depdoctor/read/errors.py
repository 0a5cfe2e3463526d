"""What a reader may raise."""

from __future__ import annotations


class ManifestError(Exception):
    """A manifest that cannot be read at all: why, on which 1-based line (0: the whole file), and what to do."""

    def __init__(self, message: str, *, line: int = 0, hint: str = "", kind: str = "unreadable") -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.hint = hint
        self.kind = kind
