"""What a tired person reads at a terminal: worst first, then the projects, then one line of sums."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from depdoctor.model.finding import Cause, Diagnosis, Finding, Kind, Severity
from depdoctor.model.inventory import Entry, Inventory
from depdoctor.model.project import Project

MARKS = {Severity.ERROR: "✖", Severity.WARNING: "▲", Severity.NOTE: "·"}
STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.NOTE: "dim"}

MOST_CAUSES = 8
MOST_NOTES = 12


def scan(console: Console, inventory: Inventory, diagnosis: Diagnosis, elapsed_s: float) -> None:
    """Print a scan."""
    findings(console, diagnosis)
    if inventory.entries:
        console.print(_projects(inventory.entries))
    else:
        console.print(
            f"no project under `{inventory.root}`: a project is a folder with a requirements file or pyproject.toml"
        )
    if inventory.incomplete:
        console.print(Text("\nWhat could not be known", style="bold"))
        for line in inventory.incomplete:
            console.print(Padding(Text(f"· {line}"), (0, 0, 0, 2)))
    console.print()
    console.print(
        Text.assemble(
            f"{_many(len(inventory.entries), 'project')}, index as of {inventory.index_date.date()}: ",
            *_sums(diagnosis),
            f" in {elapsed_s:.1f} s",
        )
    )


def findings(console: Console, diagnosis: Diagnosis) -> None:
    """Print findings, worst first; crossing pins of undeclared neighbours fold into one table."""
    folded = [one for one in diagnosis.findings if _folds(one)]
    single = [one for one in diagnosis.findings if not _folds(one) and one.severity > Severity.NOTE]
    notes = [one for one in diagnosis.findings if not _folds(one) and one.severity is Severity.NOTE]
    for one in single:
        _finding(console, one)
    if folded:
        _crossings(console, folded)
    if notes:
        _notes(console, notes)


def projects(console: Console, found: Iterable[Project]) -> None:
    """Print what discovery found, and why."""
    table = _table("project", "manifests", "why")
    for one in found:
        table.add_row(Text(one.name), Text("\n".join(one.manifests)), Text(one.reason))
    console.print(table)


def _finding(console: Console, one: Finding) -> None:
    head = Text.assemble(
        (f"{MARKS[one.severity]} {one.severity} ", STYLES[one.severity]),
        (f"{one.code} {one.public_kind} ", "dim"),
        (one.subject, "bold"),
    )
    console.print(head)
    console.print(Padding(Text(one.message), (0, 0, 0, 2)))
    for cause in one.causes[:MOST_CAUSES]:
        console.print(Padding(_cause(cause), (0, 0, 0, 4)))
    if len(one.causes) > MOST_CAUSES:
        console.print(Padding(Text(f"and {len(one.causes) - MOST_CAUSES} more", style="dim"), (0, 0, 0, 4)))
    for fact in one.evidence[:2]:
        console.print(Padding(Text(f"because {fact.fact} ({fact.source}, {fact.date})", style="dim"), (0, 0, 0, 2)))
    if one.hint:
        console.print(Padding(Text.assemble(("fix: ", "bold green"), one.hint), (0, 0, 0, 2)))
    console.print()


def _cause(cause: Cause) -> Text:
    chain = cause.chain if cause.chain and cause.chain[0] == cause.requirement else (cause.requirement, *cause.chain)
    return Text.assemble((f"{cause.location}  ", "cyan"), " → ".join(dict.fromkeys(chain)))


def _folds(one: Finding) -> bool:
    return one.kind is Kind.VERSION_CONFLICT and one.severity < Severity.ERROR


def _crossings(console: Console, crossings: Sequence[Finding]) -> None:
    severity = max(one.severity for one in crossings)
    console.print(
        Text.assemble(
            (f"{MARKS[severity]} {severity} ", STYLES[severity]),
            ("DD101 version-conflict ", "dim"),
            f"{_many(len({one.subject for one in crossings}), 'package')} that projects want at different versions; "
            "fine in an image each, not in one environment",
        )
    )
    table = _table("package", "wanted", "by")
    for subject, group in groupby(sorted(crossings, key=lambda one: one.subject), key=lambda one: one.subject):
        wanted: dict[str, set[str]] = {}
        for one in group:
            for cause in one.causes:
                chain = cause.chain or (cause.requirement,)
                via = f" via {chain[0]}" if len(chain) > 1 else ""
                wanted.setdefault(f"{chain[-1]}{via}", set()).add(str(cause.location))
        name = subject
        for text, places in wanted.items():
            table.add_row(Text(name, style="bold"), Text(text), Text(_few(sorted(places)), style="cyan"))
            name = ""
    console.print(Padding(table, (0, 0, 1, 2)))


def _few(places: Sequence[str], most: int = 2) -> str:
    shown = ", ".join(places[:most])
    return f"{shown} and {len(places) - most} more" if len(places) > most else shown


def _notes(console: Console, notes: Sequence[Finding]) -> None:
    for one in notes[:MOST_NOTES]:
        place = f"  {one.causes[0].location}" if one.causes else ""
        console.print(
            Text.assemble((f"· {one.code} ", "dim"), f"{one.subject}: {one.message}", (place, "cyan")),
            overflow="ellipsis",
        )
    if len(notes) > MOST_NOTES:
        console.print(Text(f"· and {len(notes) - MOST_NOTES} more notes (--format json lists them all)", style="dim"))
    console.print()


def _projects(entries: Sequence[Entry]) -> Table:
    table = _table("project", "python", "state", "packages", "download")
    for column in ("packages", "download"):
        next(one for one in table.columns if one.header == column).justify = "right"
    for entry in entries:
        locks = entry.locks
        python = entry.outcomes[0].environment.python if entry.outcomes else entry.reading.python
        state = Text(entry.status, style="" if locks else "yellow")
        if entry.reason:
            state.append(f"\n{entry.reason}", style="dim")
        table.add_row(
            Text(entry.project.name),
            python,
            state,
            str(max(len(lock.pins) for lock in locks)) if locks else "",
            size(max(sum(pin.download_bytes for pin in lock.pins) for lock in locks)) if locks else "",
        )
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _sums(diagnosis: Diagnosis) -> list[str | tuple[str, str]]:
    parts: list[str | tuple[str, str]] = []
    for severity in sorted(Severity, reverse=True):
        count = sum(one.severity is severity for one in diagnosis.findings)
        parts += [(_many(count, str(severity)), STYLES[severity] if count else ""), ", "]
    return parts[:-1]


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def size(count_bytes: int) -> str:
    """Turn a number of bytes into a short decimal text such as "725 MB"; "" for none."""
    if not count_bytes:
        return ""
    amount, unit = float(count_bytes), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.0f} {unit}" if amount >= 100 or unit == "B" else f"{amount:.1f} {unit}"
