#!/usr/bin/env python3
"""Make the documents that the program itself tells: the catalogue of its rules, and a page for each command.

With --check it writes nothing, names what is out of date, and ends with 1.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from depdoctor.cli.arguments import whole
from depdoctor.cli.parser import Parser
from depdoctor.diagnose import RULES
from depdoctor.model.finding import default_severity
from depdoctor.report.rules import OLD_DAYS
from depdoctor.rules import TABLES

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = "docs/config-schema.json"

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
    return {
        "docs/rules/catalogue.md": "\n".join(catalogue()),
        "docs/commands.md": "\n".join(commands()),
        **{f"docs/commands/{name}.md": "\n".join(page(one, name)) for name, one in whole().commands().items()},
        "docs/configuration.md": "\n".join(configuration()),
    }


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
    yield "takes its place, and one with `remove = true` takes it away. `depdoctor rules check` reads all"
    yield f"of them; `depdoctor rules age` marks those that nobody touched for {OLD_DAYS} days."
    yield from ("", "| table | its rows | key |", "| --- | --- | --- |")
    for table in TABLES:
        keys = ", ".join(f"`{name.replace('_', '-')}`" for name in table.key)
        about = " ".join((table.type.__doc__ or "").split("\n\n")[0].split())
        yield f"| `{table.stem}` | {about} | {keys} |"
    yield ""


def commands() -> Iterator[str]:
    """What each command is for in a line, with a link to its page; then what all have in common."""
    parser = whole()
    yield from ("# Commands", "", MADE, "", "| command | what it is for |", "| --- | --- |")
    for name, command in parser.commands().items():
        yield f"| [`{name}`](commands/{name}.md) | {_cell(command.description or '')} |"
    yield from ("", "```text", (parser.epilog or "").rstrip(), "```", "")


def page(command: Parser, name: str) -> Iterator[str]:
    """A command with what it takes: a layout of our own, since argparse's differs from one Python to the next."""
    yield from (f"# `depdoctor {name}`", "", MADE, "", command.description or "", *_taken(command))
    for inner in command.commands().values():
        yield from ("", f"## `{inner.prog}`", "", inner.description or "", *_taken(inner))
    yield from ("", "[All commands](../commands.md)", "")


def _taken(parser: Parser) -> Iterator[str]:
    """The examples of a command, and a row for each argument."""
    if parser.epilog:
        title, _, examples = parser.epilog.rstrip().partition("\n")
        yield from (
            "",
            title.capitalize(),
            "",
            "```console",
            *(f"$ {line.strip()}" for line in examples.splitlines()),
            "```",
        )
    taken = [action for action in parser.arguments() if action.help != argparse.SUPPRESS]
    if taken:
        yield from ("", "| argument | what it does |", "| --- | --- |")
    for action in taken:
        yield f"| {_words(action)} | {_cell(action.help or '')} |"
    if parser.commands():
        links = (f"[`{name}`](#{of.prog.replace(' ', '-')})" for name, of in parser.commands().items())
        yield from ("", f"Commands: {', '.join(links)}")


def _words(action: argparse.Action) -> str:
    """How an argument is written on the command line: its flags with their value, or the name of its place."""
    choices = "{" + ",".join(map(str, action.choices or ())) + "}"
    value = str(action.metavar or (choices if action.choices else action.dest.upper()))
    if not action.option_strings:
        return f"`{value}`" + {"*": " …", "+": " …"}.get(str(action.nargs), "")
    return ", ".join(f"`{flag}`" if action.nargs == 0 else f"`{flag} {_cell(value)}`" for flag in action.option_strings)


def _cell(text: str) -> str:
    return " ".join(text.replace("%%", "%").split()).replace("|", "\\|")


def configuration() -> Iterator[str]:
    """Every key of the configuration, as its schema tells."""
    schema = json.loads((ROOT / SCHEMA).read_text(encoding="utf-8"))
    yield from ("# Configuration", "", MADE, "", schema["description"], "")
    yield "`depdoctor init` writes a first one. [config-schema.json](config-schema.json) is its schema: editors with"
    yield "the Taplo language server complete and check a `depdoctor.toml` that begins with `#:schema PATH`."
    plain = {name: one for name, one in schema["properties"].items() if "properties" not in _table(one)}
    yield from ("", *_keys(plain, schema))
    for name, one in schema["properties"].items():
        if "properties" in _table(one):
            title = f"[[{name}]]" if one["type"] == "array" else f"[{name}]"
            yield from ("", f"## `{title}`", "", *([one["description"], ""] if "description" in one else []))
            yield from _keys(_table(one)["properties"], schema, _table(one).get("required", ()))
    yield ""


def _table(one: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of a table, or of each table of a list."""
    return one.get("items", {}) if one.get("type") == "array" else one


def _keys(properties: Mapping[str, Any], schema: Mapping[str, Any], required: Sequence[str] = ()) -> Iterator[str]:
    yield from ("| key | value | |", "| --- | --- | --- |")
    for name, stated in properties.items():
        one = {**schema["$defs"].get(stated.get("$ref", "").rpartition("/")[2], {}), **stated}
        told = [one.get("description", "")]
        told += [f"Default: `{json.dumps(one['default'])}`."] if "default" in one else []
        told += ["Needed."] if name in required else []
        yield f"| `{name}` | {_kind(one)} | {' '.join(filter(None, told))} |"


def _kind(one: Mapping[str, Any]) -> str:
    if "enum" in one:
        return ", ".join(f"`{choice}`" for choice in one["enum"])
    if "oneOf" in one:
        return "number, or two of them"
    return {"array": "list of texts", "boolean": "`true`, `false`", "integer": "number", "string": "text"}[one["type"]]


if __name__ == "__main__":
    sys.exit(main())
