"""`whatif`: what a change of requirements, of Python, of platform or of the date would do."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from depdoctor.cli.parser import BUDGET_S, Parser, add_command, printing, voice
from depdoctor.cli.settings import moment_of, progress_of, settings
from depdoctor.errors import UsageError

CLEAN = 0

_PYTHON = re.compile(r"3\.\d+")
_DROPPED = re.compile(r"-[A-Za-z0-9][\w.-]+")
"""What is typed to drop a package; no option of one dash has more than one letter."""


def declare(commands: argparse._SubParsersAction[Parser], *_: Parser) -> None:
    """Add the command."""
    command = add_command(
        commands,
        "whatif",
        "say who would break, who would move and what it would weigh if requirements were others",
        "  depdoctor whatif 'transformers>=5'\n"
        "  depdoctor whatif numpy fleet             # any version of it\n"
        "  depdoctor whatif -xformers --project images\n"
        "  depdoctor whatif --python 3.12 fleet",
        (printing(), voice()),
    )
    command.add_argument(
        "requirement",
        nargs="?",
        default="",
        metavar="REQUIREMENT",
        help="what to require of a package instead of what is; `-NAME` to require it no more",
    )
    command.add_argument("path", nargs="?", type=Path, default=None, metavar="PATH", help="the folder (default: .)")
    command.add_argument("--with", dest="others", action="append", default=[], metavar="REQUIREMENT", help="one more")
    command.add_argument("--drop", action="append", default=[], metavar="NAME", help="the same as `-NAME`")
    command.add_argument("--project", default="", metavar="NAME", help="only in this project (default: in all)")
    command.add_argument("--python", default="", metavar="X.Y", help="on another Python")
    command.add_argument("--platform", default="", metavar="NAME", help="on another platform, such as linux-aarch64")
    command.add_argument("--exclude-newer", metavar="DATE", help="as the index stood then")
    command.add_argument("--since", metavar="DATE", help="say which release since then broke what breaks")
    command.add_argument("--offline", action="store_true", help="use no network; say what could not be known")
    command.add_argument(
        "--budget", type=float, default=BUDGET_S, metavar="SECONDS", help="answer within this time (default: 60)"
    )


def spelled(arguments: Sequence[str]) -> list[str]:
    """The arguments with `-NAME` as the option that it is, which a parser would take for letters of options."""
    return [f"--drop={one[1:]}" if _DROPPED.fullmatch(one) else one for one in arguments]


def run(options: argparse.Namespace) -> int:
    """Suppose what is named, and say what would follow."""
    from depdoctor.cli import terminal
    from depdoctor.conflict.suppose import change
    from depdoctor.model.target import PLATFORMS
    from depdoctor.pipeline import supposing
    from depdoctor.report import explanation, explanation_json

    texts, options.path = _asked(options)
    try:
        changes = tuple(change(text) for text in texts)
    except ValueError as error:
        raise UsageError(str(error), hint="name it as requirements files do: `transformers>=5`") from None
    if options.python and not _PYTHON.fullmatch(options.python):
        raise UsageError(f"`--python {options.python}` is no minor version", hint="such as `--python 3.12`")
    if options.platform and options.platform not in PLATFORMS:
        raise UsageError(
            f"`--platform {options.platform}` is none that is known", hint=f"one of {', '.join(PLATFORMS)}"
        )
    moment = moment_of(options.exclude_newer, "--exclude-newer")
    options.exclude_newer = None
    supposition = supposing.Supposition(
        changes=changes,
        project=options.project,
        python=options.python,
        platform=options.platform,
        moment=moment,
    )
    since = moment_of(options.since, "--since")
    with progress_of(options) as progress:
        found, histories = supposing.whatif(settings(options), progress, supposition, since)
    if options.format == "json":
        sys.stdout.write(explanation_json.whatif(str(supposition), found, histories))
    else:
        explanation.whatif(terminal.output(), str(supposition), found, histories)
    return CLEAN


def _asked(options: argparse.Namespace) -> tuple[list[str], Path]:
    """The changes and the folder; one thing that is a folder is no package where something else is supposed."""
    first, path = options.requirement, options.path
    others = [*options.others, *(f"-{name}" for name in options.drop)]
    elsewhere = others or options.python or options.platform or options.exclude_newer
    if first and path is None and elsewhere and Path(first).is_dir():
        first, path = "", Path(first)
    if not first and not elsewhere:
        raise UsageError(
            "nothing is supposed", hint="name a requirement, or `--python`, `--platform`, `--exclude-newer`"
        )
    return [*([first] if first else []), *others], path or Path()
