"""What could be updated: at a terminal, as JSON, as Markdown for a pull request, and as a patch."""

from __future__ import annotations

import json as standard
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from packaging.utils import NormalizedName
from rich.console import Console
from rich.table import Table
from rich.text import Text

from depdoctor.model.conflict import Edit
from depdoctor.model.finding import Finding
from depdoctor.model.update import Advisory, Proposal, Renewal, Unmoved, Update
from depdoctor.report import patch as diff
from depdoctor.report.amounts import many, size
from depdoctor.report.json import finding
from depdoctor.report.markdown import code, table, text

SCHEMA_VERSION = 1

PATCH, REPORT = "changes.diff", "report.md"

MOST_NAMES, MOST_ROWS, MOST_WHY = 3, 24, 8

Texts = Mapping[str, tuple[str, str]]


def files(done: Update, texts: Texts) -> dict[str, str]:
    """The patch and the report by their paths."""
    return {PATCH: patch(texts), REPORT: markdown(done)}


def patch(texts: Texts) -> str:
    """All edits, as `git apply` and `patch -p1` take them."""
    return "".join(line for path, (before, after) in sorted(texts.items()) for line in diff.lines(path, before, after))


def console(out: Console, done: Update, path: str, root: str) -> None:
    """Print what moves, what does not and why, and what to do next. `path` is the patch, "" where all is done."""
    moving = {project for one in done.proposals for project in one.projects}
    mends = sum(bool(one.fixes) for one in done.proposals)
    head = f"{many(len(done.proposals), 'move')} in {many(len(moving), 'project')}"
    mending = f"; {mends} of them {'mends' if mends == 1 else 'mend'} a known flaw" if done.advised else ""
    out.print(Text(f"{head}{mending}", style="bold"))
    if done.proposals:
        out.print(_table_of(done.proposals))
        if len(done.proposals) > MOST_ROWS:
            out.print(Text(f"  and {len(done.proposals) - MOST_ROWS} more (in {REPORT})", style="dim"))
    _listed(out, "still with a known flaw", [_exposed(one) for one in _exposures(done)])
    _listed(out, "a newer one exists", [_held(name, one.newest, one.projects, one.reason) for name, one in done.held])
    _listed(out, "left as they are", [Text.assemble((name, "bold"), f": {why}") for name, why in done.left])
    _listed(out, "not looked at", [Text(_unmoved(one)) for one in done.unmoved])
    by_hand = [edit for one in done.proposals for edit in one.by_hand]
    _listed(out, "to be written by hand", [Text(_hand(edit)) for edit in by_hand])
    _listed(out, "lockfiles to make anew", [Text(_renewal(one)) for one in done.renewals])
    for line in _sums(done):
        out.print(line)
    if not done.proposals:
        out.print("nothing was changed")
    elif not path:
        out.print("the files were changed; next: the lockfiles, if any, then `depdoctor plan`")
    else:
        folder = "" if root == "." else f" --directory={shlex.quote(root)}"
        out.print(
            Text.assemble(
                "nothing was changed; next: ", (f"git apply{folder} {shlex.quote(path)}", "bold"), " (back: with -R)"
            )
        )


def _table_of(proposals: Sequence[Proposal]) -> Table:
    found = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("  package", "from", "to", "in"):
        found.add_column(column, overflow="fold")
    flawed = any(one.fixes for one in proposals)
    if flawed:
        found.add_column("mends", overflow="fold")
    for one in proposals[:MOST_ROWS]:
        mark = Text("✚ ", style="bold red") if one.fixes else Text("  ")
        row: list[Text | str] = [
            Text.assemble(mark, (one.name, "bold")),
            _before(one),
            Text(str(one.after)),
            _few(one.projects),
        ]
        found.add_row(*row, *([_ids(one.fixes)] if flawed else []))
    return found


def _listed(out: Console, title: str, rows: Sequence[Text]) -> None:
    if not rows:
        return
    out.print(Text(f"\n{title}", style="bold"))
    for row in rows[:MOST_WHY]:
        lines = list(row.wrap(out, max(out.width - 4, 20)))
        if len(lines) > MOST_NAMES:
            del lines[MOST_NAMES:]
            lines[-1].rstrip()
            lines[-1].truncate(max(out.width - 8, 16))
            lines[-1].append(" ...")
        for number, line in enumerate(lines):
            out.print(Text.assemble("    " if number else "  ", line))
    if len(rows) > MOST_WHY:
        out.print(Text(f"  and {len(rows) - MOST_WHY} more (in {REPORT}, and in --format json)", style="dim"))


def _sums(done: Update) -> Iterator[Text]:
    gone, new = _difference(done)
    counted = f"{_count(done.before)} → {_count(done.after)}"
    changes = [*(f"-{one}" for one in gone[:MOST_NAMES]), *(f"+{one}" for one in new[:MOST_NAMES])]
    more = len(gone) + len(new) - len(changes)
    told = f" ({', '.join(changes)}{f' and {more} more' if more else ''})" if changes else ""
    yield Text(f"\nfindings: {counted}{told}")
    change = done.after_bytes - done.before_bytes
    sign = "-" if change < 0 else "+"
    yield Text(
        f"wheels of the fleet: {size(done.before_bytes) or '0 B'} → {size(done.after_bytes) or '0 B'} "
        f"({sign}{size(abs(change)) or '0 B'})"
    )
    if done.verified:
        yield Text(f"uv resolved {many(len(done.verified), 'project')} with the very lines that are proposed", "dim")


def markdown(done: Update) -> str:
    """A page for a pull request: the moves, those that mend flaws first, then what stays and why."""
    return "\n\n".join(_parts(done)) + "\n"


def _parts(done: Update) -> Iterator[str]:
    yield "# Newer versions"
    gone, new = _difference(done)
    yield "\n".join(
        (
            f"- {many(len(done.proposals), 'move')} in {many(len(done.verified), 'project')}, all resolved by uv.",
            f"- Findings: {_count(done.before)} before, {_count(done.after)} after."
            + (f" Mended: {', '.join(map(text, gone))}." if gone else "")
            + (f" New: {', '.join(map(text, new))}." if new else ""),
            f"- Wheels: {size(done.before_bytes) or '0 B'} before, {size(done.after_bytes) or '0 B'} after.",
        )
    )
    if done.proposals:
        yield "## What moves"
        rows = (
            (one.name, _before(one), str(one.after), ", ".join(one.projects), _ids(one.fixes)) for one in done.proposals
        )
        yield table(("package", "from", "to", "projects", "mends"), rows)
        edits = sorted({(edit.location, edit.before, edit.after) for one in done.proposals for edit in one.edits})
        if edits:
            yield "\n".join(f"- {code(str(place))}: {code(old)} becomes {code(new)}" for place, old, new in edits)
    by_hand = [edit for one in done.proposals for edit in one.by_hand]
    if by_hand:
        yield "## To be written by hand"
        yield "\n".join(f"- {text(_hand(edit))}" for edit in by_hand)
    if done.renewals:
        yield "## Lockfiles to make anew"
        yield "\n".join(f"- {code(_renewal(one))}" for one in done.renewals)
    if done.exposed:
        yield "## Still with a known flaw"
        yield "\n".join(f"- {text(_exposed(one).plain)}" for one in _exposures(done))
    if done.held:
        yield "## What has a newer release"
        yield "\n".join(f"- {text(_held(name, one.newest, one.projects, one.reason).plain)}" for name, one in done.held)
    if done.unmoved:
        yield "## Not looked at"
        yield "\n".join(f"- {text(_unmoved(one))}" for one in done.unmoved)
    if done.left:
        yield "## Left as they are"
        yield "\n".join(f"- {code(name)}: {text(why)}" for name, why in done.left)


def json(done: Update, texts: Texts, path: str) -> str:
    """What programs read."""
    document: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "proposals": [
            {
                "package": one.name,
                "to": str(one.after),
                "projects": {project: str(version) for project, version in one.before},
                "edits": [_edit(edit) for edit in one.edits],
                "by_hand": [_edit(edit) for edit in one.by_hand],
                "mends": [_advisory(each) for each in one.fixes],
                "open": [_advisory(each) for each in one.open],
            }
            for one in done.proposals
        ],
        "held": [
            {"package": name, "newest": str(one.newest), "projects": list(one.projects), "reason": one.reason}
            for name, one in done.held
        ],
        "exposed": [
            {
                "package": one.name,
                "version": str(one.version),
                "project": one.project,
                "advisories": [_advisory(each) for each in one.advisories],
                "reason": one.reason,
            }
            for one in done.exposed
        ],
        "renewals": [
            {"path": one.lockfile.path, "command": one.command, "packages": list(one.names)} for one in done.renewals
        ],
        "unmoved": [
            {
                "path": one.location.path,
                "line": one.location.line,
                "text": one.text,
                "lines": one.count,
                "reason": one.reason,
            }
            for one in done.unmoved
        ],
        "left": [{"project": name, "reason": why} for name, why in done.left],
        "verified": list(done.verified),
        "before": {"findings": [finding(one) for one in done.before], "download_bytes": done.before_bytes},
        "after": {"findings": [finding(one) for one in done.after], "download_bytes": done.after_bytes},
        "patch": path or None,
        "diff": patch(texts),
    }
    return standard.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _edit(edit: Edit) -> dict[str, Any]:
    place = {"path": edit.location.path, "line": edit.location.line}
    return {"project": edit.project, **place, "from": edit.before, "to": edit.after}


def _advisory(one: Advisory) -> dict[str, Any]:
    return {"id": one.id, "aliases": list(one.aliases), "summary": one.summary, "source": one.source}


def _before(one: Proposal) -> str:
    return ", ".join(map(str, sorted({version for _, version in one.before})))


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(names[:MOST_NAMES])
    return f"{shown} and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else shown


def _ids(advisories: Sequence[Advisory]) -> str:
    return _few([one.id for one in advisories])


def _held(name: NormalizedName, newest: object, projects: Sequence[str], reason: str) -> Text:
    return Text.assemble((f"{name} {newest}", "bold"), f" not in {_few(projects)}: {reason}")


Exposed = tuple[str, str, tuple[Advisory, ...], str, list[str]]


def _exposures(done: Update) -> list[Exposed]:
    """The flaws that stay, those of one version for one reason together."""
    found: dict[tuple[str, str, tuple[Advisory, ...], str], list[str]] = {}
    for one in done.exposed:
        found.setdefault((one.name, str(one.version), one.advisories, one.reason), []).append(one.project)
    return [(*key, projects) for key, projects in found.items()]


def _exposed(one: Exposed) -> Text:
    name, version, advisories, reason, projects = one
    return Text.assemble((f"{name} {version}", "bold"), f" in {_few(projects)} ({_ids(advisories)}): {reason}")


def _hand(edit: Edit) -> str:
    return f"{edit.location}: `{edit.before}` to become `{edit.after}`"


def _unmoved(one: Unmoved) -> str:
    more = f" (and {many(one.count - 1, 'line')} more)" if one.count > 1 else ""
    return f"{one.location}: `{one.text}`{more} {one.reason}"


def _renewal(one: Renewal) -> str:
    folder = one.lockfile.path.rpartition("/")[0]
    return f"(cd {shlex.quote(folder)} && {one.command})" if folder else one.command


def _count(findings: Sequence[Finding]) -> str:
    counted = Counter(str(one.severity) for one in findings)
    return ", ".join(many(counted[word], word) for word in ("error", "warning"))


def _difference(done: Update) -> tuple[list[str], list[str]]:
    before, after = ({f"{one.code} {one.subject}" for one in some} for some in (done.before, done.after))
    return sorted(before - after), sorted(after - before)
