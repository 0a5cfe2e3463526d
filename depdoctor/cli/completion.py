"""`completion`: what makes a shell complete commands and options."""

from __future__ import annotations

import argparse
import sys

from depdoctor.cli.parser import Parser, add_command

CLEAN = 0

SHELLS = ("bash", "zsh", "fish", "tcsh")


def declare(commands: argparse._SubParsersAction[Parser], *_: Parser) -> None:
    """Add the command."""
    command = add_command(
        commands,
        "completion",
        "print what makes a shell complete commands and options",
        "  depdoctor completion bash > ~/.local/share/bash-completion/completions/depdoctor\n"
        "  depdoctor completion zsh > ~/.zfunc/_depdoctor     # a folder of $fpath",
        (),
    )
    command.add_argument("shell", choices=SHELLS, metavar="SHELL", help=f"one of {', '.join(SHELLS)}")
    command.set_defaults(format="console")


def run(options: argparse.Namespace) -> int:
    """Print it."""
    import shtab

    from depdoctor.cli.arguments import whole

    sys.stdout.write(shtab.complete(whole(), shell=options.shell))
    sys.stdout.write("\n")
    return CLEAN
