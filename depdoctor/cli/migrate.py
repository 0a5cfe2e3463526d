"""`migrate`: from an environment that projects share to a manifest and an image each."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from depdoctor.cli.parser import BUDGET_S, Parser, add_command, printing, voice
from depdoctor.cli.settings import progress_of, settings

CLEAN = 0


def declare(commands: argparse._SubParsersAction[Parser], *_: Parser) -> None:
    """Add the command."""
    command = add_command(
        commands,
        "migrate",
        "write a manifest for each project from the environment that they share, as a patch to review",
        "  depdoctor migrate --venv .venv                     # all projects here\n"
        "  depdoctor migrate --venv .venv chat rank           # these\n"
        "  depdoctor migrate --venv a --venv b                # what two environments hold\n"
        "  depdoctor migrate --freeze freeze.txt --output out",
        (printing(), voice()),
    )
    command.add_argument("folders", nargs="*", metavar="PROJECT", help="folders of projects (default: all below .)")
    command.add_argument(
        "--venv",
        dest="shared",
        action="append",
        type=Path,
        default=[],
        metavar="DIR",
        help="a virtual or conda environment; it is not started (may be repeated: each project goes with what fits it)",
    )
    command.add_argument(
        "--freeze",
        action="append",
        type=Path,
        default=[],
        metavar="FILE",
        help="what `pip freeze` printed (may be repeated)",
    )
    command.add_argument(
        "--output", type=Path, default=Path("migration"), metavar="DIR", help="a new folder (default: ./migration)"
    )
    command.add_argument("--exclude-newer", metavar="DATE", help="resolve as the index stood then")
    command.add_argument("--offline", action="store_true", help="use no network; say what could not be known")
    command.add_argument("--build-sdists", action="store_true", help="allow builds of source distributions")
    command.add_argument("--budget", type=float, default=BUDGET_S, metavar="SECONDS", help="time to resolve")


def run(options: argparse.Namespace) -> int:
    """Write them."""
    from depdoctor.errors import UsageError
    from depdoctor.pipeline import migrating

    sources = [*options.shared, *options.freeze]
    if not sources:
        raise UsageError(
            "nothing says what the projects share", hint="name it: `--venv DIR`, or `--freeze FILE` of `pip freeze`"
        )
    for source in sources:
        if not source.exists():
            raise UsageError(f"there is no `{source}`", hint="name the environment that the projects share")
        if source in options.shared and source.is_file():
            raise UsageError(
                f"`{source}` is a file, not an environment", hint="`--freeze` reads what `pip freeze` printed"
            )
        if source in options.freeze and source.is_dir():
            raise UsageError(
                f"`{source}` is a folder, not what `pip freeze` printed", hint="`--venv` reads environments"
            )
    # one folder that is named is where the projects are looked for; of several each is one of those here
    options.path = Path(options.folders[0]) if len(options.folders) == 1 else Path()
    chosen = [Path(folder).as_posix() for folder in options.folders] if len(options.folders) > 1 else []
    with progress_of(options) as progress:
        done = migrating.migrate(settings(options), sources, options.output, chosen, progress)
    if options.format == "json":
        from depdoctor.report import json

        sys.stdout.write(json.migrated(done.migration, done.broken, done.written))
        return CLEAN
    from depdoctor.cli import terminal
    from depdoctor.report import console, migration

    out = terminal.output()
    console.findings(out, done.broken)
    migration.console(out, done.migration, options.output.as_posix(), options.path.as_posix())
    return CLEAN
