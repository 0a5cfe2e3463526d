"""`images`: what depdoctor built and the engine holds, and how to be rid of what no plan wants."""

from __future__ import annotations

import argparse
import sys

from depdoctor.cli.parser import Parser, add_command, place, printing
from depdoctor.cli.settings import settings

CLEAN = 0


def declare(commands: argparse._SubParsersAction[Parser], *_: Parser) -> None:
    """Add the command."""
    command = add_command(
        commands,
        "images",
        "list what depdoctor built and the engine or a registry holds, and remove what the plan does not want any more",
        "  depdoctor images list .\n  depdoctor images prune . --dry-run",
        (),
    )
    actions = command.add_subparsers(dest="action", metavar="ACTION", title="actions")
    here = (place(), printing())
    listing = add_command(
        actions,
        "list",
        "list images with their project, age, size and state",
        "  depdoctor images list .\n  depdoctor images list . --registry registry.example/team --bases",
        here,
    )
    listing.add_argument(
        "--registry", metavar="REGISTRY/PREFIX", help="those that stand there, in place of the engine's"
    )
    listing.add_argument(
        "--bases", action="store_true", help="ask whether the tags of their bases mean other images by now"
    )
    prune = add_command(
        actions,
        "prune",
        "remove images that the plan supersedes; nothing that depdoctor did not build, or that a container needs",
        "  depdoctor images prune . --dry-run\n  depdoctor images prune . --all",
        here,
    )
    prune.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    prune.add_argument("--all", action="store_true", help="also remove images of projects that the plan does not have")


def run(options: argparse.Namespace) -> int:
    """Do what `action` names."""
    from depdoctor.cli import terminal
    from depdoctor.pipeline import sprawl
    from depdoctor.report import stored

    if options.action == "prune":
        done = sprawl.prune(settings(options), foreign=options.all, dry=options.dry_run)
        if options.format == "json":
            sys.stdout.write(stored.pruned_json(done, dry=options.dry_run))
        else:
            stored.pruned(terminal.output(), done, dry=options.dry_run)
        return CLEAN
    found = sprawl.held(settings(options), registry=options.registry or "", bases=options.bases)
    if options.format == "json":
        sys.stdout.write(stored.held_json(found))
    else:
        stored.held(terminal.output(), found)
    return CLEAN
