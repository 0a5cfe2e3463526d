"""What is checked, and by what facts: the rules, their long texts, and the tables with their age."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from json import dumps
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from depdoctor.model.finding import Severity, default_severity
from depdoctor.model.noun import dataclass
from depdoctor.report.console import MARKS, STYLES
from depdoctor.report.explained import Explained
from depdoctor.report.json import SCHEMA_VERSION
from depdoctor.rules import TABLES, Rules

OLD_DAYS = 120
"""A table that nobody touched for longer may have missed a release that matters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableState:
    """A table, or what one's own table of that name adds to it: rows, and their oldest and newest date (ISO).

    `replaced` counts the rows of one's own that stand in place of rows that ship, `removed` those that they take away.
    """

    name: str
    rows: int
    oldest: str
    newest: str
    own: bool = False
    replaced: int = 0
    removed: int = 0

    def days(self, today: date) -> int:
        """How long ago the newest of its rows was read."""
        return (today - date.fromisoformat(self.newest)).days

    def is_old(self, today: date) -> bool:
        """Whether it should be looked at again."""
        return self.days(today) > OLD_DAYS


def states(shipped: Rules, loaded: Rules) -> tuple[TableState, ...]:
    """Every table that ships, and after it what `loaded` has of one's own. Tables without rows are left out."""
    found = []
    for table in TABLES:
        standing = {table.key_of(row): row for row in getattr(shipped, table.stem)}
        held = {table.key_of(row): row for row in getattr(loaded, table.stem)}
        own = [row for key, row in held.items() if standing.get(key) != row]
        replaced, removed = sum(table.key_of(row) in standing for row in own), len(standing.keys() - held.keys())
        for rows, is_own in ((list(standing.values()), False), (own, True)):
            dates = sorted(row.provenance.date for row in rows or (standing.values() if is_own and removed else ()))
            if dates:
                found.append(
                    TableState(
                        name=table.stem,
                        rows=len(rows),
                        oldest=dates[0],
                        newest=dates[-1],
                        own=is_own,
                        replaced=replaced if is_own else 0,
                        removed=removed if is_own else 0,
                    )
                )
    return tuple(found)


def listing(console: Console, rules: Iterable[Explained], tables: Iterable[TableState]) -> None:
    """Print the rules by code, then the tables."""
    grid = _grid("code", "kind", "severity", "what it finds")
    for one in _by_code(rules):
        severity = default_severity(one.kind)
        grid.add_row(one.code, one.kind.value, _marked(severity), Text(one.title))
    console.print(grid)
    console.print()
    grid = _grid("table", "rows", "newest", "oldest")
    for table in tables:
        grid.add_row(_name(table), str(table.rows), table.newest, table.oldest)
    console.print(grid)
    console.print()
    console.print("`depdoctor explain CODE` tells more of a rule")


def rule(console: Console, one: Explained) -> None:
    """Print all that there is to say of a rule."""
    console.print(Text.assemble((one.code, "bold"), f" {one.kind.value} ", _marked(default_severity(one.kind))))
    console.print(Text(one.title, style="bold"))
    for paragraph in paragraphs(one.text):
        console.print()
        console.print(Padding(Text(paragraph), (0, 0, 0, 2)))


def checked(console: Console, tables: Sequence[TableState]) -> None:
    """Print that all tables hold, and what those of one's own change."""
    for one in tables:
        if one.own:
            removed = f", removed: {one.removed}" if one.removed else ""
            added = f"rows added: {one.rows - one.replaced}, replaced: {one.replaced}{removed}"
            console.print(Text(f"{_name(one)}: {added}"))
    shipped = [one for one in tables if not one.own]
    rows = sum(one.rows - one.replaced - one.removed for one in tables)
    console.print(f"{len(shipped)} tables, {rows} rows: every one has its source and date, and is well-formed")


def ages(console: Console, tables: Sequence[TableState], today: date) -> None:
    """Print how old each table is, the oldest first, and what to do about those that are too old."""
    grid = _grid("table", "newest", "days", "")
    for one in sorted(tables, key=lambda table: (table.newest, table.name)):
        mark = f"{MARKS[Severity.WARNING]} older than {OLD_DAYS} days" if one.is_old(today) else ""
        grid.add_row(_name(one), one.newest, str(one.days(today)), Text(mark, style=STYLES[Severity.WARNING]))
    console.print(grid)
    if any(one.is_old(today) for one in tables):
        console.print()
        console.print("newer releases may be unknown to what is marked: update depdoctor, or add rows of your own")


def rule_json(one: Explained) -> str:
    """Turn a rule into JSON."""
    return _text({"rule": _rule(one)})


def listing_json(rules: Iterable[Explained], tables: Iterable[TableState]) -> str:
    """Turn all rules and tables into JSON."""
    return _text({"rules": [_rule(one) for one in _by_code(rules)], "tables": [_table(one) for one in tables]})


def tables_json(tables: Iterable[TableState], today: date | None = None) -> str:
    """Turn the tables into JSON, with their age in days as of `today` if that is given."""
    return _text(
        {
            "tables": [
                _table(one) | ({"age_days": one.days(today), "old": one.is_old(today)} if today else {})
                for one in tables
            ]
        }
    )


def paragraphs(text: str) -> list[str]:
    """The paragraphs of a long text, each as one line."""
    return [" ".join(part.split()) for part in text.split("\n\n") if part.strip()]


def _by_code(rules: Iterable[Explained]) -> list[Explained]:
    return sorted(rules, key=lambda one: one.code)


def _rule(one: Explained) -> dict[str, Any]:
    return {
        "code": one.code,
        "kind": one.kind.value,
        "severity": str(default_severity(one.kind)),
        "title": one.title,
        "text": "\n\n".join(paragraphs(one.text)),
    }


def _table(one: TableState) -> dict[str, Any]:
    return {
        "name": one.name,
        "own": one.own,
        "rows": one.rows,
        "replaced": one.replaced,
        "removed": one.removed,
        "newest": one.newest,
        "oldest": one.oldest,
    }


def _name(table: TableState) -> str:
    return f"{table.name} (yours)" if table.own else table.name


def _marked(severity: Severity) -> Text:
    return Text(f"{MARKS[severity]} {severity}", style=STYLES[severity])


def _grid(*columns: str) -> Table:
    grid = Table(box=None, pad_edge=False, header_style="dim")
    for name in columns:
        grid.add_column(name, justify="right" if name in {"rows", "days"} else "left", no_wrap=name != columns[-1])
    return grid


def _text(document: dict[str, Any]) -> str:
    return dumps({"schema_version": SCHEMA_VERSION, **document}, indent=2, ensure_ascii=False) + "\n"
