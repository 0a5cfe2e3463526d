"""`rebase`: images in a registry on the patched successor of their base."""

from __future__ import annotations

import argparse
import time

from depdoctor.cli.parser import Parser, add_command
from depdoctor.cli.settings import progress_of, settings

CLEAN = 0


def declare(commands: argparse._SubParsersAction[Parser], *parents: Parser) -> None:
    """Add the command."""
    command = add_command(
        commands,
        "rebase",
        "put images in a registry on the patched successor of their base, by manifest alone",
        "  depdoctor rebase . --from registry.example/team            # what the base's tag stands for now\n"
        "  depdoctor rebase . --from registry.example/team --base python:3.11.14-slim-bookworm --dry-run",
        parents[:1],
    )
    command.add_argument(
        "--from", dest="source", required=True, metavar="REGISTRY/PREFIX", help="where the images of the plan stand"
    )
    command.add_argument(
        "--base", default="", metavar="IMAGE", help="the successor (default: what the name of the base stands for now)"
    )
    command.add_argument(
        "--dry-run", action="store_true", help="only check that the base fits and that the images are as planned"
    )
    command.add_argument(
        "--image", action="append", default=[], metavar="NAME", help="only this image (may be repeated)"
    )


def run(options: argparse.Namespace) -> int:
    """Rebase, and tell what was sent."""
    from depdoctor.cli import reports
    from depdoctor.pipeline import rebasing

    started = time.monotonic()
    with progress_of(options) as progress:
        made = rebasing.rebase(
            settings(options),
            progress,
            source=options.source,
            base=options.base,
            names=tuple(options.image),
            dry=options.dry_run,
        )
    reports.built(options, made, started)
    return CLEAN
