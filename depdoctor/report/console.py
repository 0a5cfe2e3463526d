"""What a tired person reads at a terminal: worst first, then the projects, then one line of sums."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Container, Hashable, Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import TypeVar

from rich.console import Console
from rich.table import Table
from rich.text import Text

from depdoctor.model.finding import Cause, Diagnosis, Evidence, Finding, Kind, Severity
from depdoctor.model.installed import InstalledEnvironment
from depdoctor.model.inventory import Entry, Inventory
from depdoctor.model.lock import Lock
from depdoctor.report.amounts import many, size
from depdoctor.report.explained import chain
from depdoctor.report.outcomes import fit, table

MARKS = {Severity.ERROR: "✖", Severity.WARNING: "▲", Severity.NOTE: "·"}
STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.NOTE: "dim"}

MOST_LINES = 12
"""Lines of one finding, and of all notes."""

MOST_DETAILED, MOST_HEADLINES = 4, 12
"""Findings that need no line of their own before they are told in detail, and lines where there are more."""

MOST_PROJECTS = 24
"""Projects that are listed each; of more only those that something is the matter with."""

MOST_REASONS, REASON_LINES = 12, 3
"""Reasons why something could not be known, and lines of each."""

MESSAGE_LINES, CAUSE_LINES, EVIDENCE_LINES, FIX_LINES = 3, 4, 2, 4
"""Lines of a finding's parts: at most, but for the causes, which have at least so many before evidence is told."""

_Item = TypeVar("_Item")

_FETCH = re.compile(r"(?:Request failed after|Failed to fetch).* cause: (?P<cause>.*)", re.DOTALL)
_HOST = re.compile(r"https?://(?:[^/\s]*@)?([^/\s)]+)")


def scan(console: Console, inventory: Inventory, diagnosis: Diagnosis, elapsed_s: float) -> None:
    """Print a scan. Notes that only say what could not be known are told under that heading, once for all projects."""
    unknown = {line.partition(": ")[0] for line in inventory.incomplete}
    told = replace(diagnosis, findings=tuple(one for one in diagnosis.findings if not _says_unknown(one, unknown)))
    _worst(console, told)
    findings(console, told)
    if inventory.entries:
        _projects(console, inventory.entries)
    for one in inventory.installed:
        console.print(Text.assemble((one.path, "bold"), f"  {_environment(one)}"))
    if not inventory.entries and not inventory.installed:
        console.print(
            f"no project under `{inventory.root}`: a project is a folder with a requirements file or pyproject.toml"
        )
    if inventory.incomplete:
        console.print(Text("\nWhat could not be known", style="bold"))
        _unknown(console, inventory.incomplete)
    console.print()
    console.print(
        Text.assemble(
            f"{many(len(inventory.entries), 'project')}, index as of {inventory.index_date.date()}: ",
            *_sums(diagnosis),
            f" in {elapsed_s:.1f} s",
        )
    )


def _worst(console: Console, diagnosis: Diagnosis) -> None:
    """Print a line for each of the worst findings, where there are more of them than a screen shows in detail."""
    single = [one for one in diagnosis.findings if not _folds(one) and one.severity > Severity.NOTE]
    if len(single) <= MOST_DETAILED:
        return
    worst = single[:MOST_HEADLINES]
    code, subject = max(len(one.code) for one in worst), max(len(one.subject) for one in worst)
    for one in worst:
        who = one.projects[0] if len(one.projects) == 1 else many(len(one.projects), "project") if one.projects else ""
        line = Text.assemble(
            (f"{MARKS[one.severity]} ", STYLES[one.severity]),
            (f"{one.code:{code}}  ", "dim"),
            (f"{one.subject:{min(subject, 30)}}  ", "bold"),
            f"{one.public_kind:22}  ",
            (who, "cyan"),
        )
        line.truncate(console.width, overflow="ellipsis")
        _print(console, [line], indent=0)
    if len(single) > len(worst):
        console.print(Text(f"· and {len(single) - len(worst)} more; all of them below, worst first", style="dim"))
    console.print()


def findings(console: Console, diagnosis: Diagnosis) -> None:
    """Print findings, worst first; crossing pins of undeclared neighbours fold into one table."""
    folded = [one for one in diagnosis.findings if _folds(one)]
    single = [one for one in diagnosis.findings if not _folds(one) and one.severity > Severity.NOTE]
    notes = [one for one in diagnosis.findings if not _folds(one) and one.severity is Severity.NOTE]
    for one in single:
        _finding(console, one)
    if folded:
        _crossings(console, folded)
    for remark in diagnosis.remarks:
        _print(console, _wrapped(console, Text(remark), indent=2), indent=2)
    if diagnosis.remarks:
        console.print()
    if notes:
        _notes(console, notes)


def _finding(console: Console, one: Finding) -> None:
    """Print a finding in at most `MOST_LINES`, its table of targets and a blank line.

    A long path in its first line may take one more.
    """
    head = Text.assemble(
        (f"{MARKS[one.severity]} {one.severity} ", STYLES[one.severity]),
        (f"{one.code} {one.public_kind} ", "dim"),
        (one.subject, "bold"),
    )
    message = _wrapped(console, Text(one.message), indent=2, most=MESSAGE_LINES)
    fix = Text.assemble(("fix: ", "bold green"), one.hint) if one.hint else Text()
    ends = _wrapped(console, fix, indent=2, most=FIX_LINES) if one.hint else []
    facts = [_ground(console, fact) for fact in one.evidence[:2]]
    rows = table(one.outcomes, console.width - 4)
    room = MOST_LINES - 1 - len(message) - len(ends)
    causes = _causes(console, one.causes, max(room - sum(map(len, facts)), min(CAUSE_LINES, room)))
    console.print(head)
    _print(console, message, indent=2)
    _print(console, rows, indent=4)
    _print(console, causes, indent=4)
    room -= len(causes)
    for fact in facts:
        if len(fact) <= room:
            _print(console, fact, indent=2)
            room -= len(fact)
    _print(console, ends, indent=2)
    console.print()


def _ground(console: Console, fact: Evidence) -> list[Text]:
    """A fact with where it is from, which is cut before the fact is."""
    widths = (len(fact.source), *(console.width * share // 6 for share in range(6, 1, -1)))
    sources = [fit(fact.source, width).rstrip() for width in widths]
    for source in sources:
        text = Text(f"because {fact.fact} ({source}, {fact.date})", style="dim")
        lines = _wrapped(console, text, indent=2)
        if len(lines) <= EVIDENCE_LINES:
            return lines
    return _wrapped(console, text, indent=2, most=EVIDENCE_LINES, tail=f" ... ({sources[-1]}, {fact.date})")


def _causes(console: Console, causes: Iterable[Cause], most: int) -> list[Text]:
    """A line for each chain, with the first place of it, as many as fit."""
    places: dict[tuple[str, ...], dict[str, None]] = defaultdict(dict)
    for cause in causes:
        places[chain(cause)][str(cause.location)] = None
    blocks = [
        _wrapped(console, Text.assemble((f"{_few(list(found), 1)}  ", "cyan"), " → ".join(links)), indent=4)
        for links, found in places.items()
    ]
    if sum(map(len, blocks)) <= most:
        return [line for block in blocks for line in block]
    lines: list[Text] = []
    told = 0
    for block in blocks:
        if len(lines) + len(block) >= most:
            break
        lines += block
        told += 1
    return [*lines, Text(f"and {len(blocks) - told} more", style="dim")]


def _wrapped(console: Console, text: Text, *, indent: int, most: int = MOST_LINES, tail: str = " ...") -> list[Text]:
    """A text in lines that fit beside an indent; where there are more than `most`, the last one ends with `tail`."""
    width = max(console.width - indent, 1)
    lines = list(text.wrap(console, width, overflow="fold"))
    for line in lines:
        line.rstrip()
    if len(lines) > most:
        del lines[most:]
        lines[-1].truncate(max(width - len(tail), 0))
        lines[-1].append(tail, style=text.style)
    return lines


def _print(console: Console, lines: Iterable[Text], *, indent: int) -> None:
    for line in lines:
        console.print(Text.assemble(" " * indent, line), no_wrap=True, overflow="ignore", crop=True)


def _hanging(console: Console, lines: Sequence[Text]) -> None:
    """Print lines, all but the first below the text of the first, which begins with a sign."""
    _print(console, lines[:1], indent=0)
    _print(console, lines[1:], indent=2)


def _folds(one: Finding) -> bool:
    return one.kind is Kind.VERSION_CONFLICT and one.severity < Severity.ERROR


def _crossings(console: Console, crossings: Sequence[Finding]) -> None:
    severity = max(one.severity for one in crossings)
    head = Text.assemble(
        (f"{MARKS[severity]} {severity} ", STYLES[severity]),
        ("DD101 version-conflict ", "dim"),
        f"{many(len({one.subject for one in crossings}), 'package')} wanted at different versions: "
        "fine in an image each",
    )
    _hanging(console, _wrapped(console, head, indent=2))
    for subject, found in groupby(sorted(crossings, key=lambda one: one.subject), key=lambda one: one.subject):
        group = list(found)
        wanted: dict[str, set[str]] = {}
        for one in group:
            for cause in one.causes:
                links = cause.chain or (cause.requirement,)
                via = f" via {links[0]}" if len(links) > 1 else ""
                wanted.setdefault(f"{links[-1]}{via}", set()).add(str(cause.location))
        _print(console, [Text(subject, style="bold")], indent=2)
        column = min(max(map(len, wanted)), console.width // 2)
        for text, places in wanted.items():
            line = Text.assemble(f"{text:{column}}  ", (_few(sorted(places), 2), "cyan"))
            _print(console, _wrapped(console, line, indent=4), indent=4)
        for one in group:
            if any(each.fixes for each in one.conflicts):
                _print(console, _wrapped(console, Text(one.hint, style="green"), indent=4, most=FIX_LINES), indent=4)
    console.print()


def _few(places: Sequence[str], most: int) -> str:
    shown = ", ".join(places[:most])
    return f"{shown} and {len(places) - most} more" if len(places) > most else shown


def _notes(console: Console, notes: Sequence[Finding]) -> None:
    """Print notes within `MOST_LINES`: what is said of one package, or is said of several things alike, is one note."""
    by_subject = _gathered(notes, [(one.code, one.subject) for one in notes])
    by_message = _gathered(by_subject, [(group[0].code, _short(group[0].message)) for group in by_subject])
    shown = [
        (group[0][0], [each[0].subject for each in group], len(group[0]) - 1 if len(group) == 1 else 0)
        for group in by_message
    ]
    each = 2 if 2 * len(shown) <= MOST_LINES else 1
    told = shown if len(shown) <= MOST_LINES else shown[: MOST_LINES - 1]
    for first, subjects, more in told:
        place = f"  {first.causes[0].location}" if first.causes else ""
        also = f" (and {more} more)" if more else ""
        text = Text.assemble(
            (f"· {first.code} ", "dim"), f"{_few(subjects, 2)}{also}: {_short(first.message)}", (place, "cyan")
        )
        tail = f" ...{place}" if len(place) < console.width // 2 else " ..."
        _hanging(console, _wrapped(console, text, indent=2, most=each, tail=tail))
    if len(told) < len(shown):
        left = f"· and {len(shown) - len(told)} more kinds of notes (--format json lists them all)"
        console.print(Text(left, style="dim"))
    console.print()


def _says_unknown(one: Finding, unknown: Container[str]) -> bool:
    return (
        one.kind in {Kind.NO_WHEEL, Kind.INDEX_MISSING}
        and one.severity is Severity.NOTE
        and not one.evidence
        and one.subject in unknown
    )


def _gathered(items: Sequence[_Item], keys: Sequence[Hashable]) -> list[list[_Item]]:
    groups: dict[Hashable, list[_Item]] = defaultdict(list)
    for key, item in zip(keys, items, strict=True):
        groups[key].append(item)
    return list(groups.values())


def _unknown(console: Console, lines: Sequence[str]) -> None:
    """Print what could not be known, each reason once."""
    whom: dict[str, list[str]] = defaultdict(list)
    for line in lines:
        name, _, reason = line.partition(": ")
        whom[_short(reason)].append(name)
    for reason, names in list(whom.items())[:MOST_REASONS]:
        text = Text(f"· {_few(list(dict.fromkeys(names)), 2)}: {reason}")
        _print(console, _wrapped(console, text, indent=2, most=REASON_LINES), indent=2)
    if len(whom) > MOST_REASONS:
        left = f"· and {len(whom) - MOST_REASONS} more reasons (--format json lists them all)"
        _print(console, [Text(left, style="dim")], indent=2)


def _short(reason: str) -> str:
    """A resolver's reason without its conclusions; that an index was not reached is one short sentence."""
    if failed := _FETCH.search(reason):
        host = _HOST.search(reason)
        cause = failed["cause"].partition(" (os error")[0]
        return f"{reason[: failed.start()]}{host[1] if host else 'the index'} cannot be reached: {cause}"
    return reason.removeprefix("Because ").partition(", we can conclude")[0].rstrip(".")


def _environment(one: InstalledEnvironment) -> str:
    python = f"Python {one.python}" if one.python else "an unknown Python"
    return f"environment with {python}, {many(len(one.distributions), 'package')}"


def _projects(console: Console, entries: Sequence[Entry]) -> None:
    """Print the projects; of many only those that have no lock at all, and how many there are of the others."""
    if len(entries) <= MOST_PROJECTS:
        console.print(_table_of(entries))
        return
    failing = [entry for entry in entries if entry.status in {"unresolvable", "unreadable"}]
    if failing:
        console.print(_table_of(failing))
    states = Counter(entry.status for entry in entries)
    told = ", ".join(f"{count} {state}" for state, count in states.most_common())
    _print(console, _wrapped(console, Text(f"{told} (`depdoctor scan --list` names them all)"), indent=0), indent=0)


def _table_of(entries: Sequence[Entry]) -> Table:
    brought = any(lock.provided for entry in entries for lock in entry.locks)
    table = _table("project", "python", "state", "packages", "download", *(("from base",) if brought else ()))
    for column in ("packages", "download"):
        next(one for one in table.columns if one.header == column).justify = "right"
    for entry in entries:
        locks = entry.locks
        python = entry.outcomes[0].environment.python if entry.outcomes else entry.reading.python
        state = Text(entry.status, style="" if locks else "yellow")
        table.add_row(
            Text(entry.project.name),
            python,
            state,
            str(max(len(lock.pins) for lock in locks)) if locks else "",
            size(max(sum(pin.download_bytes for pin in lock.pins) for lock in locks)) if locks else "",
            *((_from_base(locks),) if brought else ()),
        )
    return table


def _from_base(locks: Sequence[Lock]) -> str:
    """What comes with the image that a project stands on: the packages whose version is known, else their names."""
    provided = sorted({one for lock in locks for one in lock.provided})
    return ", ".join([one for one in provided if "==" in one] or provided)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _sums(diagnosis: Diagnosis) -> list[str | tuple[str, str]]:
    parts: list[str | tuple[str, str]] = []
    for severity in sorted(Severity, reverse=True):
        count = sum(one.severity is severity for one in diagnosis.findings)
        parts += [(many(count, str(severity)), STYLES[severity] if count else ""), ", "]
    return parts[:-1]
