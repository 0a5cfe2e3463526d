"""`completion`: what makes a shell complete commands, options and their values.

Names of images and projects are those of the committed plan in the folder one stands in: its own lines are looked at,
since a key should not wait for an interpreter.
"""

from __future__ import annotations

import argparse
import sys

from depdoctor.cli.parser import Parser, add_command
from depdoctor.model.formats import PLAN_NAME

CLEAN = 0

SHELLS = ("bash", "zsh", "fish", "tcsh")

IMAGES, PROJECTS = "images", "projects"

_LINES = {IMAGES: "name", PROJECTS: "project"}
"""The key that an image of the plan has each of them under, on a line of its own."""

_FUNCTIONS = {
    "bash": '_depdoctor_{what}() {{ compgen -W "$({names})" -- "$1"; }}\n',
    "zsh": '_depdoctor_{what}() {{ local -a names; names=("${{(@f)$({names})}}"); compadd -a names }}\n',
    "fish": "function _depdoctor_{what}; {names}; end\n",
}


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

    parser = whole()
    _mark(parser)
    function = _FUNCTIONS.get(options.shell, "")
    functions = "".join(function.format(what=what, names=_names(key)) for what, key in _LINES.items())
    sys.stdout.write(shtab.complete(parser, shell=options.shell, preamble=functions))
    sys.stdout.write("\n")
    return CLEAN


def _names(key: str) -> str:
    """The command that lists what the images of the plan have under a key."""
    return f"""sed -n 's/^   "{key}": "\\(.*\\)",*$/\\1/p' {PLAN_NAME} 2>/dev/null"""


def _mark(parser: argparse.ArgumentParser) -> None:
    """Tell `shtab` by what the values of each argument are completed."""
    from shtab import DIRECTORY, FILE

    kinds = {"PATH": DIRECTORY, "DIR": DIRECTORY, "FILE": FILE}
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to list them, and shtab has none either
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for command in action.choices.values():
                _mark(command)
        named = PROJECTS if "PROJECT" in str(action.metavar) or action.dest == "project" else ""
        if action.dest == "image":
            named = IMAGES
        function = f"_depdoctor_{named}"
        if named:
            action.complete = {"bash": function, "zsh": function, "fish": f"({function})", "tcsh": ""}  # type: ignore[attr-defined]
        elif action.metavar in kinds:
            action.complete = kinds[action.metavar]  # type: ignore[attr-defined]
