"""What the commands have in common on the command line: the parser, and the flags of more than one."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

FORMATS = ("console", "json")
PLAN_FORMATS = (*FORMATS, "markdown")
SCAN_FORMATS = (*FORMATS, "sarif", "github", "gitlab", "markdown", "html")
SEVERITIES = ("error", "warning", "note", "never")
BUDGET_S = 60.0

EXIT_STATUS = """\
exit status:
  0    done, or clean
  1    findings at or over --fail-on; a plan out of date, a cache gone bad
  2    usage or configuration
  3    a tool failed (resolver, registry, engine, network)
  130  interrupted
"""


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line and what to do in another, and ends with 2."""

    def error(self, message: str) -> None:  # type: ignore[override]
        """Print the message of a usage error and exit."""
        self.exit(2, f"depdoctor: {message}\n  try `{self.prog} --help`\n")

    def arguments(self) -> Sequence[argparse.Action]:
        """What the parser takes, its commands aside, in the order of declaration."""
        return [action for action in self._actions if not isinstance(action.choices, Mapping)]

    def commands(self) -> Mapping[str, Parser]:
        """The parsers of the commands of this one by name, none if it is one that has no others."""
        return next((action.choices for action in self._actions if isinstance(action.choices, Mapping)), {})


def place() -> Parser:
    """PATH, the folder."""
    parser = Parser(add_help=False)
    parser.add_argument("path", nargs="?", type=Path, default=Path(), metavar="PATH", help="the folder (default: .)")
    return parser


def printing(formats: Sequence[str] = FORMATS) -> Parser:
    """How to print the result."""
    parser = Parser(add_help=False)
    parser.add_argument("--format", choices=formats, default="console", help="how to print the result")
    return parser


def voice() -> Parser:
    """How much to say on the way."""
    parser = Parser(add_help=False)
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--quiet", "-q", action="store_true", help="print nothing but the result")
    either.add_argument("--verbose", "-v", action="store_true", help="print what is being done")
    return parser


def common(formats: Sequence[str] = FORMATS) -> Parser:
    """What every command on a folder takes."""
    parser = Parser(add_help=False, parents=[place(), printing(formats)])
    parser.add_argument("--offline", action="store_true", help="use no network; say what could not be known")
    return Parser(add_help=False, parents=[parser, voice()])


def spreading() -> Parser:
    """Who does what any machine can do."""
    parser = Parser(add_help=False)
    parser.add_argument(
        "--executor",
        metavar="ADDRESS",
        help="have workers do what any machine can: dask://HOST:PORT, of a scheduler of dask (extra `dask`)",
    )
    return parser


def resolving() -> Parser:
    """What every command that resolves takes."""
    parser = Parser(add_help=False)
    parser.add_argument("--exclude-newer", metavar="DATE", help="resolve as the index stood then")
    parser.add_argument(
        "--build-sdists", action="store_true", help="allow builds of source distributions (runs their code)"
    )
    parser.add_argument(
        "--allow-outside", action="store_true", help="read what symlinks and `-r` draw in from outside of PATH"
    )
    parser.add_argument(
        "--budget", type=seconds, default=BUDGET_S, metavar="SECONDS", help="answer within this time (default: 60)"
    )
    parser.add_argument(
        "--inspect",
        action="store_true",
        help="look into the wheels of frameworks for their CUDA and GPUs (about 1 s each)",
    )
    parser.add_argument("--strict", action="store_true", help="end with 3 if anything could not be known")
    parser.add_argument("--fail-on", choices=SEVERITIES, default="error", help="end with 1 from this severity on")
    return parser


def seconds(text: str) -> float:
    """Read a time of more than nothing, in seconds."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return seconds


def add_command(
    commands: argparse._SubParsersAction[Parser],
    name: str,
    text: str,
    example: str,
    parents: Sequence[Parser],
) -> Parser:
    """Add a command, with what it is for in a line and with examples that can be pasted."""
    return commands.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog=f"examples:\n{example}",
        parents=list(parents),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
