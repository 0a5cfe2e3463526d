"""What options mean: the settings of a run, the cache folder, and who is told of progress."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from depdoctor.adapters.cache_place import cache_folder
from depdoctor.errors import UsageError

if TYPE_CHECKING:
    from datetime import datetime

    from depdoctor.cli.bars import TerminalProgress
    from depdoctor.cli.lines import LineProgress
    from depdoctor.pipeline.standing import Settings


def settings(options: argparse.Namespace) -> Settings:
    """Turn options into settings; those that a command does not have stand at their defaults. Raises `UsageError`."""
    from depdoctor.pipeline.standing import Settings

    exclude_newer = moment_of(getattr(options, "exclude_newer", None), "--exclude-newer")
    root = options.path
    if not root.exists():
        raise UsageError(f"there is no folder `{root}`", hint="name the folder that holds your projects")
    if not root.is_dir():
        raise UsageError(f"`{root}` is a file, not a folder", hint=f"name its folder: `{root.parent}`")
    output = getattr(options, "output", None)
    if output is not None and output.exists() and not output.is_dir():
        raise UsageError(f"`{output}` is a file, not a folder", hint="give another --output")
    return Settings(
        root=root,
        cache=cache_folder(),
        offline=getattr(options, "offline", False),
        exclude_newer=exclude_newer,
        builds_allowed=getattr(options, "build_sdists", False),
        relock=getattr(options, "relock", False),
        budget_s=getattr(options, "budget", 60.0),
        inspect=getattr(options, "inspect", False),
        base=getattr(options, "base", None) or "",
        executor=getattr(options, "executor", None) or "",
        outside_allowed=getattr(options, "allow_outside", False),
        environments=tuple(map(_environment, getattr(options, "venv", ()))),
    )


def moment_of(text: str | None, option: str) -> datetime | None:
    """Read the date that an option gives, None where it gives none. Raises `UsageError`."""
    if not text:
        return None
    from depdoctor.config import moment

    try:
        return moment(text)
    except ValueError as error:
        raise UsageError(f"`{option}` {error}") from None


def _environment(folder: Path) -> Path:
    if not folder.is_dir():
        raise UsageError(f"there is no folder `{folder}`", hint="name the folder of a virtual environment")
    return folder


def progress_of(options: argparse.Namespace) -> TerminalProgress | LineProgress:
    """Who is told of progress."""
    if not sys.stderr.isatty():
        from depdoctor.cli.lines import LineProgress

        return LineProgress(quiet=options.quiet, verbose=options.verbose)
    from depdoctor.cli.bars import TerminalProgress

    return TerminalProgress(quiet=options.quiet, verbose=options.verbose)
