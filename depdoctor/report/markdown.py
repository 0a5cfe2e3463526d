"""Markdown (CommonMark with tables) for a pull request or a job summary. What manifests say is text, never markup."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from textwrap import indent

from depdoctor.model.alignment import Moved
from depdoctor.model.cost import Costs, ImageDiff, PlanDiff
from depdoctor.model.finding import Cause, Diagnosis, Finding, Severity
from depdoctor.model.inventory import Inventory
from depdoctor.model.plan import Plan, Skipped
from depdoctor.report.amounts import many, size
from depdoctor.report.explained import chain
from depdoctor.report.outcomes import STATES

MOST_CHARACTERS = 60_000
"""Services refuse a comment of more than 65,536."""

MOST_CAUSES, MOST_LINES, MOST_MOVES, MOST_PROJECTS = 12, 60, 40, 4

HEADINGS = {Severity.ERROR: "Errors", Severity.WARNING: "Warnings", Severity.NOTE: "Notes"}

_MARKUP = re.compile(r"[\\`*_{}\[\]|~]")
_ENTITIES = re.compile(r"[&<>@#]|:(?=//)|(?<=www)\.")


def scan(inventory: Inventory, diagnosis: Diagnosis) -> str:
    """Turn a scan into a page: counts, findings worst first, then the projects and what could not be known."""
    counts = [many(sum(one.severity is each for one in diagnosis.findings), str(each)) for each in HEADINGS]
    looked = f"{many(len(inventory.entries), 'project')}, index as of {inventory.index_date.date()}"
    return _within(["## Dependencies", f"{looked}: **{', '.join(counts)}**"], _scanned(inventory, diagnosis))


def _scanned(inventory: Inventory, diagnosis: Diagnosis) -> Iterator[str]:
    for severity, heading in HEADINGS.items():
        found = [one for one in diagnosis.findings if one.severity is severity]
        if not found:
            continue
        yield f"### {heading}"
        if severity is Severity.NOTE:
            yield _folded(many(len(found), "note"), (f"- {_line(one)}" for one in found))
        else:
            yield from map(_finding, found)
    if diagnosis.remarks:
        yield "\n".join(f"- {text(remark)}" for remark in diagnosis.remarks)
    rows = (
        (entry.project.name, entry.status, str(max((len(lock.pins) for lock in entry.locks), default=0) or ""))
        for entry in inventory.entries
    )
    if inventory.entries:
        yield _folded(many(len(inventory.entries), "project"), table(("project", "state", "packages"), rows))
    elif not inventory.installed:
        yield "No project was found: a project is a folder with a requirements file or a pyproject.toml."
    if inventory.incomplete:
        unknown = (f"- {text(line)}" for line in inventory.incomplete)
        yield _folded(f"{len(inventory.incomplete)} could not be known", unknown)


def _line(one: Finding) -> str:
    place = f" ({code(str(one.causes[0].location))})" if one.causes else ""
    return f"{one.code} {code(one.subject)}{place}: {text(one.message)}"


def _finding(one: Finding) -> str:
    lines = [f"- **{one.code} {one.public_kind}** {code(one.subject)}: {text(one.message)}"]
    if one.outcomes:
        rows = ((each.target, each.machine, f"{STATES[each.state][0]} {each.effect}") for each in one.outcomes)
        lines += ["", indent(table(("target", "has", "what happens"), rows), "  "), ""]
    lines += [f"  - {_place(cause)}" for cause in one.causes[:MOST_CAUSES]]
    if len(one.causes) > MOST_CAUSES:
        lines.append(f"  - and {len(one.causes) - MOST_CAUSES} more")
    lines += [f"  - because {text(fact.fact)} ({text(fact.source)}, {fact.date})" for fact in one.evidence[:2]]
    if one.hint:
        lines.append(f"  - **fix:** {text(one.hint)}")
    return "\n".join(lines)


def _place(cause: Cause) -> str:
    asked = " → ".join(chain(cause))
    return f"{code(str(cause.location))} {code(asked)}" if asked else code(str(cause.location))


def plan(made: Plan, costs: Costs, change: PlanDiff, *, path: str, state: str) -> str:
    """Turn a plan into the text of a pull request: what changes by image, what it costs to push and to pull."""
    head = ["## Images", f"{code(path)} {text(state)}: **{many(len(made.images), 'image')}**"]
    return _within(head, _planned(made, costs, change))


def _planned(made: Plan, costs: Costs, change: PlanDiff) -> Iterator[str]:
    if change.images:
        rows = (
            (
                one.name,
                "; ".join((one.change, *one.besides)),
                str(len(one.moves)),
                str(one.new_layers),
                _bytes(one.push_bytes),
                _bytes(one.pull_bytes),
            )
            for one in change.images
        )
        yield table(("image", "change", "packages moved", "new layers", "to push", "to pull"), rows)
        yield from (_moves(one) for one in change.images if one.moves)
    else:
        yield "No image changes."
    layouts = (
        ("in a registry", costs.planned.registry_bytes, costs.least.registry_bytes, costs.single.registry_bytes),
        ("on a disk that holds them all", costs.planned.disk_bytes, costs.bound_bytes, costs.single.disk_bytes),
    )
    saved = (
        (name, _bytes(ours), _bytes(least), _bytes(single), f"{1 - ours / single:.0%}" if single else "")
        for name, ours, least, single in layouts
    )
    yield table(("all images", "as planned", "at least", "one layer each", "saved"), saved)
    if made.moves:
        yield _aligned(made.moves)
    if variants := [f"- {code(one.name)}: {text(one.why)}" for one in made.images if one.why]:
        yield "\n".join(variants)
    if made.skipped:
        yield "\n".join(f"- no image for {code(one.project)}{_on(one)}: {text(one.reason)}" for one in made.skipped)


def _on(one: Skipped) -> str:
    return f" on {', '.join(map(code, one.targets))}" if one.targets else ""


def _aligned(moves: Sequence[Moved]) -> str:
    """What moved so that images share more, the most bytes first."""
    rows = (
        (
            one.package,
            one.before or "(none)",
            one.after or "(none)",
            ", ".join(one.projects[:MOST_PROJECTS]) + (" ..." if len(one.projects) > MOST_PROJECTS else ""),
            one.reason,
            f"{one.saved_bytes / 1e6:+,.0f} MB",
        )
        for one in sorted(moves, key=lambda one: (-one.saved_bytes, one.package))[:MOST_MOVES]
    )
    left = f"\n\nand {len(moves) - MOST_MOVES} more, in the plan file" if len(moves) > MOST_MOVES else ""
    total = sum(one.saved_bytes for one in moves)
    head = ("package", "before", "after", "projects", "why", "saved")
    return _folded(f"aligned: {_bytes(total)} less in all images together", table(head, rows) + left)


def _moves(one: ImageDiff) -> str:
    rows = [(move.name, move.before or "(none)", move.after or "(none)") for move in one.moves[:MOST_MOVES]]
    left = [(f"and {len(one.moves) - MOST_MOVES} more", "", "")] if len(one.moves) > MOST_MOVES else []
    return _folded(f"{one.name}: {many(len(one.moves), 'move')}", table(("package", "before", "after"), [*rows, *left]))


def _bytes(count: int) -> str:
    return size(count) or "0 B"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of texts."""
    lines = [head, ["---"] * len(head), *([text(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _folded(title: str, body: str | Iterable[str]) -> str:
    """What a reader unfolds; of many lines the first."""
    lines = body.splitlines() if isinstance(body, str) else list(body)
    left = [f"\nand {len(lines) - MOST_LINES} more"] if len(lines) > MOST_LINES else []
    inner = "\n".join([*lines[:MOST_LINES], *left])
    return f"<details><summary>{text(title)}</summary>\n\n{inner}\n\n</details>"


def _within(head: Sequence[str], parts: Iterable[str]) -> str:
    """Parts with blank lines between them, as many as a comment takes."""
    taken, room = list(head), MOST_CHARACTERS - sum(map(len, head))
    for part in parts:
        room -= len(part) + 2
        if room < 0:
            taken.append("and more than fits here: `depdoctor scan` prints it all")
            break
        taken.append(part)
    return "\n\n".join(taken) + "\n"


def text(value: str) -> str:
    """A text in one line that shows as it is, but that what it has between backticks becomes code."""
    value = " ".join(value.split())
    parts = value.split("`")
    if len(parts) % 2 == 0 or any(not part.strip() or "|" in part for part in parts[1::2]):
        return _escaped(value)
    return "".join(code(part) if number % 2 else _escaped(part) for number, part in enumerate(parts))


def _escaped(value: str) -> str:
    # a letter that means something to a service (@name, #1, an address) is an entity, which means nothing to any
    return _MARKUP.sub(r"\\\g<0>", _ENTITIES.sub(lambda sign: f"&#{ord(sign[0])};", value))


def code(value: str) -> str:
    """A text as code, in a fence longer than any run of backticks in it."""
    value = " ".join(value.split())
    longest = max((len(run) for run in re.findall("`+", value)), default=0)
    fence = "`" * (longest + 1)
    gap = " " if value[:1] == "`" or value[-1:] == "`" or not value else ""
    return f"{fence}{gap}{value}{gap}{fence}"
