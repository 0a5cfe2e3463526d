"""`python -m depdoctor`, and the `depdoctor` command."""

from __future__ import annotations

import gc
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


if __name__ == "__main__":
    sys.exit(main())
