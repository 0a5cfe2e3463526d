"""The command line: every command with its options."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path

from depdoctor import __version__
from depdoctor.cli.parser import (
    EXIT_STATUS,
    PLAN_FORMATS,
    SCAN_FORMATS,
    SEVERITIES,
    Parser,
    add_command,
    common,
    place,
    printing,
    resolving,
    spreading,
    voice,
)

BUILDERS = ("auto", "oci", "docker", "buildx")
COMPRESSIONS = ("copy", "gzip", "zstd")
ALIGN = ("none", "safe", "deep")
UNUSED_DAYS = 30.0


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Turn arguments into options; `command` names the command, and `action` what it is to do if it has actions.

    Exits with 0 on --help and --version, with 2 on a usage error; and where no command is named, with 2 and the help.
    """
    if arguments[:1] == ["whatif"]:
        from depdoctor.cli import whatif

        arguments = whatif.spelled(arguments)
    named = arguments[0] if arguments and arguments[0] in COMMANDS else ""
    parser = whole(named)
    if arguments and not arguments[0].startswith("-") and arguments[0] not in COMMANDS:
        parser.exit(2, f"depdoctor: there is no command `{arguments[0]}`\n  {_nearest(arguments[0])}\n")
    options, rest = parser.parse_known_args(arguments)
    chosen = parser.commands()[options.command] if options.command else parser
    if (
        len(rest) == 1
        and not rest[0].startswith("-")
        and "path" in options
        and options.path is chosen.get_default("path")
    ):
        options.path = Path(rest[0])  # `whatif X --project a FOLDER`: before 3.13, argparse has done with PATH by then
    elif rest:
        chosen.error(f"unrecognized arguments: {' '.join(rest)}")
    if chosen.commands() and (chosen is parser or not options.action):
        chosen.print_help(sys.stderr)
        chosen.exit(2)
    return options


def _nearest(named: str) -> str:
    """What to do about a command that there is not."""
    import difflib

    near = difflib.get_close_matches(named, COMMANDS, n=1)
    return f"did you mean `depdoctor {near[0]}`?" if near else "`depdoctor --help` lists them"


def whole(only: str = "") -> Parser:
    """The parser of the whole command line, or one that knows `only` one command and is made in no time."""
    parser = Parser(
        prog="depdoctor",
        description="Find the dependency and CUDA conflicts of many ML projects, and give each an image of its own.",
        epilog=EXIT_STATUS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version", action="version", version=f"depdoctor {__version__}", help="print the version and exit"
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    shared = (common(), resolving())
    for name, add in COMMANDS.items():
        if only in ("", name):
            add(commands, *shared)
    return parser


def _scan(commands: argparse._SubParsersAction[Parser], *parents: Parser) -> None:
    command = add_command(
        commands,
        "scan",
        "name every conflict and mismatch, with evidence and fix",
        "  depdoctor scan .\n  depdoctor scan models --format json --offline\n"
        "  depdoctor scan . --format html > report.html\n  depdoctor scan . --format sarif > depdoctor.sarif\n"
        "  depdoctor scan .venv                    # what is wrong in an environment already",
        (common(SCAN_FORMATS), *parents[1:], spreading()),
    )
    command.add_argument(
        "--venv",
        action="append",
        type=Path,
        default=[],
        metavar="DIR",
        help="look into this virtual environment as well, without starting its Python (may be repeated)",
    )
    command.add_argument(
        "--list", action="store_true", help="only list the projects and their files, and what was passed over"
    )


def _plan(commands: argparse._SubParsersAction[Parser], *parents: Parser) -> None:
    command = add_command(
        commands,
        "plan",
        "plan an image for each project, sharing layers, into depdoctor.plan.json",
        "  depdoctor plan .\n  depdoctor plan . --check\n"
        "  depdoctor plan . --format markdown      # the text of a pull request",
        (common(PLAN_FORMATS), *parents[1:], spreading()),
    )
    command.add_argument(
        "--check", action="store_true", help="write nothing; end with 1 if the committed plan is out of date"
    )
    command.add_argument("--diff", action="store_true", help="write nothing; print what would change, image by image")
    command.add_argument("--fresh", action="store_true", help="plan as if nothing were committed; moves layers about")
    command.add_argument(
        "--align",
        choices=ALIGN,
        default="safe",
        help="let versions move so that images share more: never what a project names itself, and others at most a "
        "year back (safe, the default), also down within what is declared (deep), or not at all (none)",
    )
    command.add_argument(
        "--relock", action="store_true", help="choose versions anew, whatever lockfiles and the committed plan hold"
    )
    command.add_argument("--base", metavar="IMAGE", help="the base image (default: [image] base of the configuration)")


def _generate(commands: argparse._SubParsersAction[Parser], *parents: Parser) -> None:
    command = add_command(
        commands,
        "generate",
        "write what people build and deploy with: Dockerfile, bake file, Compose, Kubernetes, a page an image",
        "  depdoctor generate . --output ../deploy\n"
        "  depdoctor generate . --output ../deploy --only kubernetes --registry registry.example/team",
        parents[:1],
    )
    command.add_argument("--output", type=Path, required=True, metavar="DIR", help="the folder to write to")
    command.add_argument(
        "--only",
        default="dockerfile,bake",
        metavar="KINDS",
        help="of dockerfile, bake, hcl, split, compose, kubernetes, helm, sbom, ci, docs (default: dockerfile,bake)",
    )
    shape = command.add_mutually_exclusive_group()
    shape.add_argument("--single", action="store_true", help="one Dockerfile for all images (the default)")
    shape.add_argument("--split", action="store_true", help="a Dockerfile for each image, in place of one for all")
    command.add_argument(
        "--registry",
        metavar="REGISTRY/PREFIX",
        help="where images were pushed and are pulled from (for what names them by digest: or [image] registry)",
    )


def _build(commands: argparse._SubParsersAction[Parser], *parents: Parser) -> None:
    command = add_command(
        commands,
        "build",
        "build the images of the plan, with no daemon or through Docker",
        "  depdoctor build .                       # OCI layouts in ./images\n"
        "  depdoctor build . --push registry.example/team\n"
        "  depdoctor build . --load --builder docker\n"
        "  depdoctor build . --push registry.example/team --builder buildx --docker-context a --docker-context b\n"
        "  depdoctor build . --dry-run",
        (*parents[:1], spreading()),
    )
    command.add_argument(
        "--output", type=Path, metavar="DIR", help="write an OCI layout for each image there (default: ./images)"
    )
    command.add_argument("--push", metavar="REGISTRY/PREFIX", help="push the images there")
    command.add_argument("--load", action="store_true", help="load the images into the container engine")
    command.add_argument("--builder", choices=BUILDERS, default="auto", help="who builds (default: auto)")
    _with_packing(command)
    _with_dry_run(command)
    command.add_argument(
        "--docker-context",
        action="append",
        default=[],
        metavar="NAME",
        help="with --builder buildx: build on the engine of this context (may be repeated; all take part)",
    )
    command.add_argument(
        "--buildx",
        action="append",
        default=[],
        metavar="NAME",
        help="with --builder buildx: build on this builder of `docker buildx ls` (may be repeated)",
    )
    command.add_argument(
        "--image", action="append", default=[], metavar="NAME", help="only this image (may be repeated)"
    )


def _push(commands: argparse._SubParsersAction[Parser], *parents: Parser) -> None:
    command = add_command(
        commands,
        "push",
        "push the images of the plan; what the registry has is not sent again",
        "  depdoctor push . --to registry.example/team",
        (*parents[:1], spreading()),
    )
    command.add_argument(
        "--to", metavar="REGISTRY/PREFIX", help="where to (default: [image] registry of the configuration)"
    )
    _with_packing(command)
    _with_dry_run(command)
    command.add_argument(
        "--image", action="append", default=[], metavar="NAME", help="only this image (may be repeated)"
    )


def _with_packing(command: Parser) -> None:
    command.add_argument(
        "--build-sdists",
        action="store_true",
        help="build source distributions to wheels on this machine, once (runs their code)",
    )
    command.add_argument(
        "--compile",
        action="store_true",
        help="put byte-code into the images: larger, and quicker to start (default: [image] compile)",
    )
    command.add_argument(
        "--compression",
        choices=COMPRESSIONS,
        help="compress layers again, as one gzip stream or with zstd, which engines of before 2023 cannot read "
        "(default: [image] compression, which is copy: the streams of the wheels as they are)",
    )


def _with_dry_run(command: Parser) -> None:
    command.add_argument(
        "--dry-run", action="store_true", help="do nothing; tell what would be fetched, made and pushed"
    )


def _verify(commands: argparse._SubParsersAction[Parser], *parents: Parser) -> None:
    command = add_command(
        commands,
        "verify",
        "run each image and check that what was locked is installed and imports",
        "  depdoctor verify .\n  depdoctor verify . --image rag --from registry.example/team\n"
        "  depdoctor verify registry.example/team/rag@sha256:DIGEST    # against the plan of this folder\n"
        "  depdoctor verify . --measure --venv /opt/shared",
        parents[:1],
    )
    command.add_argument(
        "--measure", action="store_true", help="also measure start, imports, memory, first healthy answer, and bytes"
    )
    command.add_argument(
        "--venv",
        dest="shared_venv",
        type=Path,
        metavar="DIR",
        help="measure the same services from this shared virtual environment, too",
    )
    command.add_argument("--from", dest="source", metavar="REGISTRY/PREFIX", help="pull the images from there first")
    command.add_argument(
        "--remote",
        action="store_true",
        help="with --from: compare what stands there with the plan layer by layer; nothing is pulled or run. --from "
        "may then name one image by its tag or digest",
    )
    command.add_argument(
        "--image", action="append", default=[], metavar="NAME", help="only this image (may be repeated)"
    )
    command.add_argument("--fail-on", choices=SEVERITIES, default="error", help="end with 1 from this severity on")


def _host(commands: argparse._SubParsersAction[Parser], *parents: Parser) -> None:
    add_command(
        commands,
        "host",
        "print this machine as a [[target]] of the configuration",
        "  depdoctor host >> depdoctor.toml\n  DEPDOCTOR_HOST_DRIVER=535.129.03 DEPDOCTOR_HOST_GPUS=A10 depdoctor host",
        parents[:1],
    )


def _rules(commands: argparse._SubParsersAction[Parser], *_: Parser) -> None:
    command = add_command(
        commands,
        "rules",
        "tell what is checked, by what facts, and how old they are",
        "  depdoctor rules list\n  depdoctor rules show DD201\n  depdoctor rules check .",
        (),
    )
    actions = command.add_subparsers(dest="action", metavar="ACTION", title="actions")
    here = (place(), printing())
    add_command(
        actions, "list", "list the rules, and the tables of facts", "  depdoctor rules list --format json", here
    )
    _with_code(add_command(actions, "show", "explain a rule", "  depdoctor rules show DD201", (printing(),)))
    add_command(
        actions,
        "check",
        "check every table of facts, and those of your own that `[rules] path` names",
        "  depdoctor rules check .",
        here,
    )
    add_command(
        actions,
        "age",
        "tell how old the tables are; one of more than 120 days is marked",
        "  depdoctor rules age",
        here,
    )


def _with_code(command: Parser) -> None:
    command.add_argument("code", metavar="CODE", help="the code of the rule, or its kind")


def _cache(commands: argparse._SubParsersAction[Parser], *_: Parser) -> None:
    command = add_command(
        commands,
        "cache",
        "tell what is kept between runs, remove what nobody uses, check the rest",
        "  depdoctor cache size\n  depdoctor cache prune --unused 7\n  depdoctor cache verify",
        (),
    )
    actions = command.add_subparsers(dest="action", metavar="ACTION", title="actions")
    add_command(actions, "size", "tell how much there is", "  depdoctor cache size", (printing(),))
    prune = add_command(
        actions, "prune", "remove what was not used lately", "  depdoctor cache prune --unused 7", (printing(),)
    )
    prune.add_argument(
        "--unused", type=_days, default=UNUSED_DAYS, metavar="DAYS", help="not used for so long (default: 30)"
    )
    add_command(
        actions,
        "verify",
        "read everything again and remove what has gone bad; end with 1 if something had",
        "  depdoctor cache verify",
        (printing(), voice()),
    )


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = -1.0
    if not 0 <= days < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days")
    return days


def _init(commands: argparse._SubParsersAction[Parser], *_: Parser) -> None:
    add_command(
        commands,
        "init",
        "write a commented depdoctor.toml from what is found; never over one that stands",
        "  depdoctor init .",
        (place(), printing(), voice()),
    )


def _declared_by(module: str) -> Callable[..., None]:
    """A command that its own module declares, which is not imported for another command."""

    def declare(commands: argparse._SubParsersAction[Parser], *parents: Parser) -> None:
        import_module(f"depdoctor.cli.{module}").declare(commands, *parents)

    return declare


COMMANDS: Mapping[str, Callable[..., None]] = {
    "init": _init,
    "scan": _scan,
    "plan": _plan,
    "generate": _generate,
    "build": _build,
    "push": _push,
    "verify": _verify,
    "rebase": _declared_by("rebase"),
    "host": _host,
    "rules": _rules,
    "explain": _declared_by("explain"),
    "whatif": _declared_by("whatif"),
    "migrate": _declared_by("migrate"),
    "update": _declared_by("update"),
    "hook": _declared_by("hook"),
    "completion": _declared_by("completion"),
    "images": _declared_by("images"),
    "cache": _cache,
}
"""What declares each command, in the order of the help."""
