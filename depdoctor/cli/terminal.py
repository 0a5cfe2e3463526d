"""The console for results."""

from __future__ import annotations

import os
import sys

from rich.console import Console

PIPE_WIDTH = 120


class PipedConsole(Console):
    """A console that leaves it to the caller to end when the reader of its output has gone."""

    def on_broken_pipe(self) -> None:
        """Let the `BrokenPipeError` that is being handled go on."""
        raise  # noqa: PLE0704 - rich calls this in its `except BrokenPipeError`


def output() -> Console:
    """The console for results: stdout, wide enough for a log file where it is no terminal."""
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH
    return PipedConsole(width=width, highlight=False, soft_wrap=False)
