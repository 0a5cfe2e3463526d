"""Answers to `explain` and `whatif`, as a person reads them."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from itertools import groupby

from packaging.version import Version
from rich.console import Console
from rich.table import Table
from rich.text import Text

from depdoctor.model.demand import Demand
from depdoctor.model.explanation import Consequence, History, Move, Pair, Wanted, WhatIf
from depdoctor.model.finding import Severity
from depdoctor.model.lock import DeclaredOnly, Lock, LockOutcome, Unresolvable
from depdoctor.report import console as findings
from depdoctor.report.amounts import size

MOST_MOVES = 12
"""Moves of one project that are listed."""

FEW_GROUPS, FEW_MOVES = 3, 3
"""Up to how many groups of projects have their moves listed, and how many are named in a line otherwise."""

MOST_NAMES = 6


def wanted(out: Console, found: Wanted) -> None:
    """Who wants a package: a row for each way that leads to it, those who have the newest version first."""
    versions = {want.version for want in found.wants if want.version}
    projects = {want.project for want in found.wants}
    out.print(
        Text.assemble((found.name, "bold"), f": {_many(len(versions), 'version')} in {_many(len(projects), 'project')}")
    )
    table = _table("project", "has", "wanted", "by")
    environments = {want.environment for want in found.wants}
    for want in sorted(found.wants, key=lambda one: (-_rank(one.version, versions), one.project, one.environment)):
        name = f"{want.project} ({want.environment})" if len(environments) > 1 else want.project
        has = str(want.version or "not locked")
        if not want.causes:
            table.add_row(Text(name), has, "", Text("nothing that it declares; its lockfile holds it", style="dim"))
        for cause in sorted(want.causes, key=lambda one: (len(one.chain), one)):
            chain = cause.chain or (cause.requirement,)
            way = Text.assemble((str(cause.location), "cyan"), f" {' → '.join(chain[:-1])}" if len(chain) > 1 else "")
            table.add_row(Text(name), has, Text(chain[-1]), way)
            name = has = ""
    out.print(table)
    if found.without:
        out.print(Text(f"not in {_few(found.without)}", style="dim"))
    if found.unknown:
        out.print(Text(f"not known of {_few(found.unknown)}: without a lock nobody knows what they bring", style="dim"))


def pair(out: Console, found: Pair) -> None:
    """Whether two projects can share an environment, why not, or with which versions."""
    names = " and ".join(found.projects)
    locks = [outcome for outcome in found.together if isinstance(outcome, Lock)]
    if not found.together:
        out.print(f"{names} cannot share an environment: there is no Python that both admit")
    for outcome in found.together:
        out.print(Text(f"{names} {_can(outcome)} for {outcome.environment}", style="bold"))
    out.print()
    findings.findings(out, found.diagnosis)
    for lock in locks[:1]:
        out.print(f"together: {_sum(lock)}")
    for name, moves in found.moves:
        if moves:
            out.print(f"{name} gets {_many(len(moves), 'package')} in another version than alone:")
            _moves(out, moves)
        elif locks:
            out.print(f"{name} gets what it gets alone")


def history(out: Console, found: History, *, dated: bool) -> None:
    """How a project stands, what has moved since a date, and which release brought what is wrong."""
    findings.findings(out, found.diagnosis)
    if all(one.severity is Severity.NOTE for one in found.diagnosis.findings):
        out.print(f"nothing is wrong with {found.project}")
    if found.demands:
        out.print(f"\nwhat {found.project} asks of a machine")
        _demands(out, found.demands)
    if dated:
        _since(out, found)


def _since(out: Console, found: History) -> None:
    """Which release brought what is wrong, and what has moved since."""
    if found.unknown:
        out.print(f"nothing can be said of what was before: {found.unknown}")
    for one in found.breaks:
        code, subject = one.what
        published = [move for move in one.releases if move.published and move.published >= one.moment]
        released = " and ".join(f"{move.name} {move.after}" for move in published) or "no release of what it installs"
        out.print(
            Text.assemble(
                (f"{code} {subject}", "bold"), f" since {one.moment:%Y-%m-%d %H:%M} UTC, when {released} was published"
            )
        )
        _moves(out, one.releases)
    for code, subject in found.before:
        out.print(f"{code} {subject} was wrong on {found.since:%Y-%m-%d} already")
    known = {*found.before, *(one.what for one in found.breaks)}
    wrong = {(one.code, one.subject) for one in found.diagnosis.findings if one.severity is Severity.ERROR}
    for code, subject in sorted(wrong - known) if not found.unknown else ():
        out.print(f"since when {code} {subject} is wrong is not known")
    count = _many(len(found.moves), "package") if found.moves else "nothing"
    out.print(f"{count} of {found.project} moved since {found.since:%Y-%m-%d}")
    _moves(out, found.moves)


def _demands(out: Console, demands: Sequence[Demand]) -> None:
    """A line for each thing and value, with the packages that ask for it and the first ground."""
    table = _table("what", "at least", "by", "because")
    groups: dict[tuple[str, str], list[Demand]] = {}
    for one in demands:
        groups.setdefault((one.what, one.least), []).append(one)
    for (what, least), some in groups.items():
        ground = some[0].evidence
        because = Text(f"{ground.fact} ({', '.join(filter(None, (ground.source, ground.date)))})", style="dim")
        table.add_row(what, Text(least), Text(_few([one.package for one in some])), because)
    out.print(table)


def whatif(out: Console, changes: str, found: WhatIf, histories: Sequence[History]) -> None:
    """Who would break and why, who would move, and what that is in bytes."""
    concerned = [*found.changed, *found.held]
    out.print(Text.assemble("what if ", (changes, "bold"), f": {_many(len(concerned), 'project')} concerned"))
    if found.held:
        out.print(Text(f"held to it, though no line of theirs names it: {_few(found.held)}", style="dim"))
    broken = [one for one in found.consequences if isinstance(one.after, Unresolvable)]
    fresh = [one for one in broken if not isinstance(one.before, Unresolvable)]
    mended = [one for one in found.consequences if isinstance(one.before, Unresolvable) and one not in broken]
    old = [one.project for one in broken if one not in fresh]
    verdict = [f"breaks {_few([one.project for one in fresh]) or 'nothing'}"]
    verdict += [f"stays broken: {_few(old)}"] if old else []
    verdict += [f"mends {_few([one.project for one in mended])}"] if mended else []
    out.print("; ".join(verdict))
    if broken:
        out.print()
        findings.findings(out, found.diagnosis)
    for one in histories:
        _since(out, one)
    moving = [one for one in found.consequences if one.moves]
    groups = [(moves, list(some)) for moves, some in groupby(sorted(moving, key=_by_moves), key=lambda one: one.moves)]
    for moves, some in groups:
        names = Text(_few([one.project for one in some]), style="bold")
        if len(groups) <= FEW_GROUPS:
            out.print(Text.assemble(names, f": {_bytes(some[0])}"))
            _moves(out, moves)
        else:
            out.print(Text.assemble(names, f": {_brief(moves, found.packages)}; {_bytes(some[0])}"))
    still = [
        one.project for one in found.consequences if one not in broken and not one.moves and isinstance(one.after, Lock)
    ]
    if still:
        out.print(f"nothing moves in {_few(still)}")
    unknown = [one.project for one in found.consequences if isinstance(one.after, DeclaredOnly)]
    if unknown:
        out.print(f"not known of {_few(unknown)}")
    standing = [one for one in found.consequences if isinstance(one.before, Lock) and isinstance(one.after, Lock)]
    if standing:
        before = _distinct(one.before for one in standing)
        after = _distinct(one.after for one in standing)
        sums = f"{size(before) or '0 B'} → {size(after) or '0 B'} ({_signed(after - before)})"
        out.print(
            f"wheels of {_many(len(standing), 'environment')} that stand{'s' if len(standing) == 1 else ''}: {sums}"
        )


def _moves(out: Console, moves: Sequence[Move]) -> None:
    if not moves:
        return
    table = _table("  package", "from", "to", "published")
    for move in moves[:MOST_MOVES]:
        published = f"{move.published:%Y-%m-%d}" if move.published else ""
        table.add_row(Text(f"  {move.name}"), str(move.before or "-"), str(move.after or "-"), published)
    out.print(table)
    if len(moves) > MOST_MOVES:
        out.print(Text(f"  and {len(moves) - MOST_MOVES} more (--format json lists them all)", style="dim"))


def _can(outcome: LockOutcome) -> str:
    if isinstance(outcome, Lock):
        return "can share an environment"
    return "cannot share an environment" if isinstance(outcome, Unresolvable) else "may be able to share an environment"


def _rank(version: Version | None, versions: Iterable[Version]) -> int:
    return sorted(versions).index(version) if version else -1


def _bytes(one: Consequence) -> str:
    before, after = (_download(outcome) for outcome in (one.before, one.after))
    return f"{_many(len(one.moves), 'package')} would move, download {size(after)} ({_signed(after - before)})"


def _by_moves(one: Consequence) -> tuple[int, tuple[Move, ...], str]:
    return -len(one.moves), one.moves, one.project


def _brief(moves: Sequence[Move], named: Container[str]) -> str:
    """The moves that matter most: of what was named, then of what stays, then what comes and goes."""
    ranked = sorted(moves, key=lambda move: (move.name not in named, not (move.before and move.after), move.name))
    told = [f"{move.name} {move.before or 'none'} → {move.after or 'none'}" for move in ranked[:FEW_MOVES]]
    return ", ".join(told) + (f" and {len(moves) - FEW_MOVES} more" if len(moves) > FEW_MOVES else "")


def _signed(change_bytes: int) -> str:
    return f"{'-' if change_bytes < 0 else '+'}{size(abs(change_bytes)) or '0 B'}"


def _sum(lock: Lock) -> str:
    return f"{_many(len(lock.pins), 'package')}, download {size(_download(lock)) or 'of unknown size'}"


def _download(outcome: LockOutcome) -> int:
    return sum(pin.download_bytes for pin in outcome.pins) if isinstance(outcome, Lock) else 0


def _distinct(outcomes: Iterable[LockOutcome]) -> int:
    pins = {(pin.name, pin.version): pin for one in outcomes if isinstance(one, Lock) for pin in one.pins}
    return sum(pin.download_bytes for pin in pins.values())


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(names[:MOST_NAMES])
    return f"{shown} and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else shown


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
