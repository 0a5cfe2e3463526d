"""`explain`: a rule, a package, a project, an image, or why two projects cannot share an environment."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from depdoctor.cli import rules
from depdoctor.cli.parser import BUDGET_S, Parser, add_command, printing, voice
from depdoctor.cli.settings import moment_of, progress_of, settings

CLEAN = 0


def declare(commands: argparse._SubParsersAction[Parser], *_: Parser) -> None:
    """Add the command."""
    command = add_command(
        commands,
        "explain",
        "explain a rule, a package, an image, what is wrong with a project, or why two cannot share",
        "  depdoctor explain DD201\n"
        "  depdoctor explain numpy\n"
        "  depdoctor explain rag evaluate --path fleet\n"
        "  depdoctor explain rag --since 2025-01-01\n"
        "  depdoctor explain team/rag                # the image\n"
        "  depdoctor explain rag numpy               # what it is in that image for",
        (printing(), voice()),
    )
    command.add_argument(
        "what", metavar="CODE|PACKAGE|PROJECT|IMAGE", help="a code or kind of a rule, a package, a project, an image"
    )
    command.add_argument(
        "other", nargs="?", default="", metavar="PROJECT|PACKAGE", help="another project, or a package"
    )
    command.add_argument("--path", type=Path, default=Path(), metavar="PATH", help="the folder (default: .)")
    command.add_argument("--since", metavar="DATE", help="say which release since then broke the project")
    command.add_argument("--offline", action="store_true", help="use no network; say what could not be known")
    command.add_argument("--exclude-newer", metavar="DATE", help="resolve as the index stood then")
    command.add_argument(
        "--budget", type=float, default=BUDGET_S, metavar="SECONDS", help="answer within this time (default: 60)"
    )


def run(options: argparse.Namespace) -> int:
    """Explain what is named: a rule if it is one, else a project, else a package."""
    if not options.other and not options.since and (rule := rules.find(options.what)):
        rules.show(rule, options.format)
        return CLEAN
    from depdoctor.cli import terminal
    from depdoctor.model.explanation import Contents, Pair, Wanted
    from depdoctor.pipeline import explaining
    from depdoctor.report import explanation, explanation_json

    since = moment_of(options.since, "--since")
    with progress_of(options) as progress:
        found = explaining.explain(settings(options), progress, options.what, options.other, since)
    as_json = options.format == "json"
    if isinstance(found, Contents):
        from depdoctor.report import contents

        sys.stdout.write(explanation_json.contents(found)) if as_json else contents.contents(terminal.output(), found)
    elif isinstance(found, Wanted):
        sys.stdout.write(explanation_json.wanted(found)) if as_json else explanation.wanted(terminal.output(), found)
    elif isinstance(found, Pair):
        sys.stdout.write(explanation_json.pair(found)) if as_json else explanation.pair(terminal.output(), found)
    elif as_json:
        sys.stdout.write(explanation_json.history(found))
    else:
        explanation.history(terminal.output(), found, dated=since is not None)
    return CLEAN
