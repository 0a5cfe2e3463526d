#!/usr/bin/env python3
"""Make the documents that the program itself tells: the catalogue of its rules, and a section for each command.

With --check it writes nothing, names what is out of date, and ends with 1.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from depdoctor.cli.arguments import whole
from depdoctor.cli.parser import Parser
from depdoctor.diagnose import RULES
from depdoctor.model.finding import default_severity
from depdoctor.report.rules import OLD_DAYS
from depdoctor.rules import TABLES

ROOT = Path(__file__).resolve().parent.parent
WIDTH = "100"

FAMILIES: Mapping[str, str] = {
    "DD1": "Versions",
    "DD2": "CUDA, drivers and GPUs",
    "DD3": "Files and binary interfaces",
    "DD4": "Python and the operating system",
    "DD5": "Manifests",
    "DD6": "Images",
}

MADE = "<!-- made by tools/catalogue.py -->"


def main() -> int:
    """Write every document that is out of date, or with --check only name it and end with 1."""
    checking = sys.argv[1:] == ["--check"]
    stale = [path for path, text in documents().items() if _standing(ROOT / path) != text]
    for path in stale:
        print(path)
        if not checking:
            (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / path).write_text(documents()[path], encoding="utf-8")
    return int(checking and bool(stale))


def _standing(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def documents() -> dict[str, str]:
    """The text of each document by its path in the repository."""
    return {"docs/rules/catalogue.md": "\n".join(catalogue()), "docs/commands.md": "\n".join(commands())}


def catalogue() -> Iterator[str]:
    """Every rule with its long text, by family and code; then the tables of facts."""
    yield from ("# Rules", "", MADE, "")
    yield "`depdoctor explain CODE` prints the same at a terminal. `ignore` under `[rules]` of the configuration turns"
    yield "rules off by their codes."
    rules = sorted(RULES, key=lambda rule: rule.code)
    yield from ("", "| code | kind | severity | what it finds |", "| --- | --- | --- | --- |")
    for rule in rules:
        yield (
            f"| [{rule.code}](#{rule.code.lower()}-{rule.kind}) | {rule.kind} | {default_severity(rule.kind)} "
            f"| {rule.title} |"
        )
    family = ""
    for rule in rules:
        if rule.code[:3] != family:
            family = rule.code[:3]
            yield from ("", f"## {FAMILIES[family]}")
        yield from ("", f"### {rule.code} {rule.kind}", "")
        yield from (f"**{rule.title}.** Severity: {default_severity(rule.kind)}.", "", rule.text.strip())
    yield from ("", "## Tables of facts", "")
    yield "What the rules go by, in `rules/*.toml`: every row with its source, date and confidence. `path` under"
    yield "`[rules]` names a folder with tables of your own, called the same; a row with the key of one that ships"
    yield "takes its place. `depdoctor rules check` reads all of them; `depdoctor rules age` marks those that nobody"
    yield f"touched for {OLD_DAYS} days."
    yield from ("", "| table | its rows | key |", "| --- | --- | --- |")
    for table in TABLES:
        keys = ", ".join(f"`{name.replace('_', '-')}`" for name in table.key)
        about = " ".join((table.type.__doc__ or "").split("\n\n")[0].split())
        yield f"| `{table.stem}` | {about} | {keys} |"
    yield ""


def commands() -> Iterator[str]:
    """The help of every command, as a terminal prints it."""
    yield from ("# Commands", "", MADE)
    for parser in _parsers(whole()):
        yield from ("", f"## `{parser.prog}`", "", "```text", _help(parser), "```")
    yield ""


def _parsers(parser: Parser) -> Iterator[Parser]:
    yield parser
    for command in parser.commands().values():
        yield from _parsers(command)


def _help(parser: Parser) -> str:
    """The help without colours at one width, which argparse takes from the surroundings."""
    os.environ.update(COLUMNS=WIDTH, NO_COLOR="1")
    return parser.format_help().rstrip()


if __name__ == "__main__":
    sys.exit(main())
