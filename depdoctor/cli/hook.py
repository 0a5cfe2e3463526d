"""`hook`: what a commit changes, judged without network in the time that a commit may take."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from depdoctor.adapters.cache_place import cache_folder
from depdoctor.cli.parser import SEVERITIES, Parser, add_command, printing, voice
from depdoctor.cli.settings import progress_of

CLEAN, FOUND, INCOMPLETE = 0, 1, 3

MOST_NAMES = 3


def declare(commands: argparse._SubParsersAction[Parser], *_: Parser) -> None:
    """Add the command."""
    command = add_command(
        commands,
        "hook",
        "judge what a commit changes, without network; `pre-commit` runs it",
        "  depdoctor hook                                   # every project\n"
        "  depdoctor hook rag/requirements.txt              # those that this file belongs to\n"
        "  depdoctor hook --strict --fail-on warning",
        (printing(), voice()),
    )
    command.add_argument("files", nargs="*", metavar="FILE", help="the files that change (default: all there are)")
    command.add_argument(
        "--strict", action="store_true", help="end with 3 where only a scan with the network would tell"
    )
    command.add_argument("--fail-on", choices=SEVERITIES, default="error", help="end with 1 from this severity on")


def run(options: argparse.Namespace) -> int:
    """Judge them."""
    from depdoctor.model.finding import Severity
    from depdoctor.pipeline import hooking

    gone = [file for file in options.files if not os.path.lexists(file)]
    sys.stderr.writelines(f"depdoctor: there is no file `{file}`; it is judged as deleted\n" for file in gone)
    with progress_of(options) as progress:
        parts = [
            hooking.below(root, hooking.check(Path(root), cache_folder(), files, progress))
            for root, files in hooking.fleets([Path(file).as_posix() for file in options.files]).items()
        ]
        done = hooking.joined(parts)
    if options.format == "json":
        from depdoctor.report import json

        sys.stdout.write(json.hooked(done.diagnosis, done.projects, done.unknown))
    else:
        if shown := tuple(one for one in done.diagnosis.findings if one.severity > Severity.NOTE):
            from dataclasses import replace

            from depdoctor.cli import terminal
            from depdoctor.report import console

            console.findings(terminal.output(), replace(done.diagnosis, findings=shown))
        if done.unknown and not options.quiet:
            names = ", ".join(done.unknown[:MOST_NAMES])
            more = f" and {len(done.unknown) - MOST_NAMES} more" if len(done.unknown) > MOST_NAMES else ""
            verb = "resolves" if len(done.unknown) == 1 else "resolve"
            sys.stdout.write(f"not known without network: what {names}{more} {verb} to; `depdoctor scan` asks\n")
    worst = max((one.severity for one in done.diagnosis.findings), default=None)
    if options.fail_on != "never" and worst is not None and worst >= Severity[options.fail_on.upper()]:
        return FOUND
    return INCOMPLETE if options.strict and done.unknown else CLEAN
