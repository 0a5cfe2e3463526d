"""`python -m depdoctor`, and the `depdoctor` command."""

from __future__ import annotations

import gc
import os
import sys

from depdoctor import __version__

MOST_NEW = 100_000
"""Objects that are made before the garbage collector looks for cycles: what a command makes, it needs to its end."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit status. `--version` imports nothing else: hooks and scripts ask for it."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments == ["--version"]:
        sys.stdout.write(f"depdoctor {__version__}\n")
        return 0
    gc.set_threshold(MOST_NEW)
    from depdoctor.cli import run

    return run(arguments)


def start() -> None:
    """Run the command of this process, and end it at once, as mypy does.

    Taking apart what a command has made and imported takes up to a tenth of a second, and is of use to nobody. Files
    are closed and threads have ended by then.
    """
    status = main()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)


if __name__ == "__main__":
    start()
