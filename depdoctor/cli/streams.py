"""What stdout and stderr can take: every letter, whatever their encoding."""

from __future__ import annotations

import codecs
import sys
from io import TextIOWrapper

PLAIN = {"✖": "x", "▲": "!", "·": "-", "→": "->", "…": "...", "×": "x", "├": "|", "└": "`", "─": "-", "│": "|"}
"""What stands for our own signs where an encoding has none of them."""


def tolerate(*, document: bool) -> None:
    """Let no letter stop the output. A `document` is for programs, which read UTF-8 whatever the terminal shows."""
    codecs.register_error("plain", _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="plain")
    if document and isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="plain")


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(PLAIN.get(sign, "?") for sign in error.object[error.start : error.end]), error.end
