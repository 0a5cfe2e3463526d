"""`update`: moves of versions across all projects at once, as a patch to review."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from depdoctor.cli.parser import BUDGET_S, PLAN_FORMATS, Parser, add_command, printing, seconds, voice
from depdoctor.cli.settings import progress_of, settings
from depdoctor.errors import UsageError

CLEAN = 0


def declare(commands: argparse._SubParsersAction[Parser], *_: Parser) -> None:
    """Add the command."""
    command = add_command(
        commands,
        "update",
        "propose newer versions across all projects at once, as a patch to review",
        "  depdoctor update                              # all that is pinned\n"
        "  depdoctor update transformers tokenizers      # these, ranges included\n"
        "  depdoctor update --advisories osv.zip --security\n"
        "  depdoctor update --path fleet --format markdown      # the text of a pull request\n"
        "  depdoctor update numpy --apply                # change the files themselves",
        (printing(PLAN_FORMATS), voice()),
    )
    command.add_argument(
        "packages", nargs="*", metavar="PACKAGE", help="what is to move (default: all that is pinned or locked)"
    )
    command.add_argument("--path", type=Path, default=Path(), metavar="DIR", help="the folder (default: .)")
    command.add_argument("--project", default="", metavar="NAME", help="only this project and what shares its lines")
    command.add_argument(
        "--advisories",
        type=Path,
        metavar="PATH",
        help="where known flaws are told: a folder or a zip of OSV files, or what `pip-audit --format json` printed "
        "(default: [update] advisories)",
    )
    command.add_argument("--security", action="store_true", help="move only what has a known flaw")
    command.add_argument(
        "--align",
        choices=("safe", "none"),
        default="safe",
        help="let no more versions of a package stand side by side than do now (safe, the default), or give each "
        "project its newest (none)",
    )
    either = command.add_mutually_exclusive_group()
    either.add_argument(
        "--output", type=Path, default=Path("update"), metavar="DIR", help="where the patch goes (default: ./update)"
    )
    either.add_argument("--apply", action="store_true", help="change the files themselves, and write no patch")
    command.add_argument("--exclude-newer", metavar="DATE", help="as the index stood then")
    command.add_argument("--offline", action="store_true", help="use no network; say what could not be known")
    command.add_argument("--build-sdists", action="store_true", help="allow builds of source distributions")
    command.add_argument(
        "--budget", type=seconds, default=5 * BUDGET_S, metavar="SECONDS", help="answer within this time (default: 300)"
    )


def run(options: argparse.Namespace) -> int:
    """Propose them."""
    from packaging.utils import canonicalize_name

    from depdoctor.pipeline import updating
    from depdoctor.report import update as report

    _as_path(options)
    for name in options.packages:
        if not name.replace("-", "").replace("_", "").replace(".", "").isalnum():
            raise UsageError(f"`{name}` is no name of a package", hint="name it alone; `whatif` takes requirements")
    wish = updating.Wish(
        packages=tuple(sorted({canonicalize_name(name) for name in options.packages})),
        project=options.project,
        advisories=options.advisories,
        security=options.security,
        alike=options.align == "safe",
    )
    if not options.apply:
        updating.check_output(options.output)
    with progress_of(options) as progress:
        done = updating.update(settings(options), progress, wish)
        if options.apply:
            updating.apply(options.path, done.texts)
        else:
            updating.write(options.output, done)
    patch = "" if options.apply else (options.output / report.PATCH).as_posix()
    if options.format == "json":
        sys.stdout.write(report.json(done.update, done.texts, patch))
    elif options.format == "markdown":
        sys.stdout.write(report.markdown(done.update))
    else:
        from depdoctor.cli import terminal

        report.console(terminal.output(), done.update, patch, options.path.as_posix())
    return CLEAN


def _as_path(options: argparse.Namespace) -> None:
    """Take `.` and what has a slash for the folder, as other commands do: no package is called so."""
    folders = [one for one in options.packages if one in {".", ".."} or "/" in one]
    if folders and options.path == Path():
        options.path = Path(folders[0])
        options.packages = [one for one in options.packages if one != folders[0]]
