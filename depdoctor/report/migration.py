"""What a migration writes: a manifest for each project, one patch of them all, and a report project by project."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.console import Console
from rich.text import Text

from depdoctor.model.finding import Diagnosis, Severity
from depdoctor.model.migration import Migration, Move
from depdoctor.report import patch as diff
from depdoctor.report.amounts import many
from depdoctor.report.markdown import code, table, text

MANIFEST, CONSTRAINTS = "requirements.txt", "constraints.installed.txt"
PATCH, REPORT = "changes.diff", "report.md"

SUFFIX = ".new"
"""Ends the names of files to review, so that nobody takes them for manifests of projects."""


def files(done: Migration, broken: Diagnosis, standing: Mapping[str, str | None]) -> dict[str, str]:
    """The files by path. `standing` has the requirements file of each project as it is, by the project's folder."""
    found: dict[str, str] = {}
    patch: list[str] = []
    for move in done.moves:
        folder = "" if move.root == "." else f"{move.root}/"
        parts = {MANIFEST: (standing.get(move.root), manifest(move))}
        if move.pins:
            parts[CONSTRAINTS] = (None, constraints(move))
        for name, (before, after) in parts.items():
            found[f"{folder}{name}{SUFFIX}"] = after
            patch += diff.lines(f"{folder}{name}", before, after)
    found[PATCH] = "".join(patch)
    found[REPORT] = report(done, broken)
    return found


def manifest(move: Move) -> str:
    """The direct requirements of a project."""
    lines = [f"# what {move.project} itself needs, pinned as it was installed".replace("\n", " ")]
    if move.pins:
        lines.append(f"-c {CONSTRAINTS}")
    lines += [f"{need.line}  # {'imported at ' if need.imported else ''}{need.location}" for need in move.needs]
    return "\n".join(lines) + "\n"


def constraints(move: Move) -> str:
    """All that the requirements bring along, held at what was installed wherever that resolves."""
    return "\n".join(["# what comes along, held at what was installed", *move.pins]) + "\n"


def console(out: Console, done: Migration, folder: str) -> None:
    """Print a line for each project, and what to do next."""
    for move in done.moves:
        if move.unknown:
            state = Text(f"could not be resolved: {move.unknown}", style="yellow")
        else:
            state = Text(f"{many(len(move.pins), 'package')}, {len(move.moved) or 'none'} not as installed")
        by_hand = f"; {len(move.remarks)} to check by hand" if move.remarks else ""
        out.print(Text.assemble((move.project, "bold"), "  ", state, by_hand))
    for one in done.contested:
        wants = "; ".join(f"{project} wants {want}" for project, want, _ in one.wants)
        out.print(
            Text.assemble(("▲ ", "yellow"), (one.name, "bold"), f" {one.installed or '(not installed)'}: {wants}")
        )
    idle = ", ".join(done.idle) or "nothing"
    out.print(Text(f"needed by no project: {idle if done.idle_known else 'not known'}", style="dim"))
    out.print(Text.assemble("\n", (f"{folder}/{REPORT}", "bold"), " tells it project by project; nothing was changed"))
    out.print(f"next: `git apply {folder}/{PATCH}` (back: with -R), then `depdoctor plan` and `depdoctor build`")


def report(done: Migration, broken: Diagnosis) -> str:
    """Project by project what changes, why, and what to check by hand."""
    return "\n\n".join(_parts(done, broken)) + "\n"


def _parts(done: Migration, broken: Diagnosis) -> Iterator[str]:
    yield "# Out of the shared environment"
    yield f"{code(done.source)}, Python {done.python}, {many(len(done.moves), 'project')}."
    yield (
        "Nothing was changed yet. Review the `.new` files, then, in the folder of the projects: "
        f"`git apply {PATCH}` (back: `git apply -R {PATCH}`; without git: `patch -p1 <`). "
        "After that: `depdoctor scan`, `depdoctor plan`, `depdoctor build`, `depdoctor verify`."
    )
    wrong = [one for one in broken.findings if one.severity > Severity.NOTE]
    yield "## What is broken in it already"
    yield "\n".join(f"- {one.code} {code(one.subject)}: {text(one.message)}" for one in wrong) or "Nothing was found."
    if done.contested:
        yield "## What projects need at different versions"
        rows = [
            (one.name, str(one.installed or "(none)"), f"`{want}`", f"{project} ({place})")
            for one in done.contested
            for project, want, place in one.wants
        ]
        yield table(("package", "installed", "wanted", "by"), rows)
    yield "## What nobody needs"
    if done.idle_known:
        yield "\n".join(f"- {text(name)}" for name in done.idle) or "Everything is needed by some project."
    else:
        yield "Not known: not every project resolves."
    for move in done.moves:
        yield from _project(move)


def _project(move: Move) -> Iterator[str]:
    yield f"## {text(move.project)}"
    if move.unknown:
        yield f"**Could not be resolved:** {text(move.unknown)}"
    elif move.moved:
        rows = [(one.name, one.installed or "(none)", one.resolved) for one in move.moved]
        yield f"**{many(len(move.pins), 'package')}**, of which {len(move.moved)} not as installed:"
        yield table(("package", "installed", "now"), rows)
    else:
        yield f"**{many(len(move.pins), 'package')}, all as installed.**"
    yield (
        "\n".join(
            f"- {code(need.line)} from {'an import in ' if need.imported else ''}{code(str(need.location))}"
            for need in move.needs
        )
        or "It needs nothing."
    )
    if move.remarks:
        yield "Check by hand:"
        yield "\n".join(f"- {text(remark)}" for remark in move.remarks)
