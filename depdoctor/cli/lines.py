"""Progress where nobody watches: a log gets lines. Needs nothing that takes time to import."""

from __future__ import annotations

import sys
from types import TracebackType


class LineProgress:
    """Progress on a stderr that is no terminal: lines with --verbose, what is worth saying without, nothing else."""

    def __init__(self, *, quiet: bool, verbose: bool) -> None:
        self._quiet, self._verbose = quiet, verbose

    def __enter__(self) -> LineProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def start(self, task: str, total: int | None = None, unit: str = "") -> None:  # noqa: ARG002 - a seam
        """Say that a task begins."""
        if self._verbose:
            sys.stderr.write(f"{task}\n")

    def advance(self, task: str, amount: int = 1) -> None:
        """Say nothing."""

    def finish(self, task: str) -> None:
        """Say nothing."""

    def say(self, text: str) -> None:
        """Print a line."""
        if not self._quiet:
            sys.stderr.write(f"{text}\n")
