"""What a migration writes: a manifest for each project, one patch of them all, and a report project by project."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Collection, Iterator, Mapping

from rich.console import Console
from rich.text import Text

from depdoctor.model.finding import Diagnosis, Severity
from depdoctor.model.migration import CONSTRAINTS, MANIFEST, PYTHON, Migration, Move, Need
from depdoctor.report import patch as diff
from depdoctor.report.amounts import many
from depdoctor.report.markdown import code, table, text

PATCH, REPORT = "changes.diff", "report.md"

_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+")
_OPTION = re.compile(
    r"(?:-i|-f|--(?:index-url|extra-index-url|find-links|no-index|trusted-host|pre)|--(?:no|only)-binary)\b"
)
_COMMENT = re.compile(r"\s+#.*$")

SUFFIX = ".new"
"""Ends the names of files to review, so that nobody takes them for manifests of projects."""


def files(
    done: Migration, broken: Diagnosis, standing: Mapping[str, str], folder: str, unpatched: Collection[str] = ()
) -> dict[str, str]:
    """The files by path relative to the `folder` that they go to.

    `standing` has the files of the projects as they are, by their paths, where there are any. Of those in `unpatched`
    there is no patch.
    """
    found: dict[str, str] = {}
    patch: list[str] = []
    for move in done.moves:
        place = "" if move.root == "." else f"{move.root}/"
        parts = {}
        if move.needs or f"{place}{MANIFEST}" in standing:
            parts[MANIFEST] = _readable(manifest(move, standing.get(f"{place}{MANIFEST}")))
        if move.pins:
            parts[CONSTRAINTS] = constraints(move)
        if move.python:
            parts[PYTHON] = f"{move.python}\n"
        for name, after in parts.items():
            path = f"{place}{name}"
            found[f"{path}{SUFFIX}"] = after
            if path not in unpatched:
                patch += diff.lines(path, standing.get(path), after)
    found[PATCH] = "".join(patch)
    found[REPORT] = _readable(report(done, broken, f"{folder}/{PATCH}"))
    return found


def _readable(text: str) -> str:
    """A text without what is no character of it: names of folders may hold any bytes."""
    return text.encode(errors="replace").decode()


def manifest(move: Move, before: str | None = None) -> str:
    """The direct requirements of a project; of a file that stands all lines that are no requirement stay."""
    head = [f"# what {move.project} itself needs, pinned as it was installed".replace("\n", " ")]
    if move.pins:
        head.append(f"-c {CONSTRAINTS}")
    if before is None:
        return "\n".join([*head, *(f"{need.line}  # {_origin(need)}" for need in move.needs)]) + "\n"
    if move.holds:
        return before
    kept = _options(before) if move.anew else _edited(before, dict(move.edits))
    end = "\r\n" if "\r\n" in before else "\n"
    there = {line.strip() for line in _LINE.findall(before)}
    if move.added and kept and not kept.endswith("\n"):
        kept += end
    top = (f"{line}{end}" for line in head if line not in there)
    return "".join([*top, kept, *(f"{need.line}  # {_origin(need)}{end}" for need in move.added)])


def _origin(need: Need) -> str:
    return f"{'imported at ' if need.imported else ''}{need.location}"


def _options(before: str) -> str:
    """The lines of a text that say where packages come from."""
    return "".join(line for line in _LINE.findall(before) if _OPTION.match(line))


def _edited(before: str, edits: Mapping[int, str | None]) -> str:
    """A text with lines replaced by their numbers, each with the lines that continue it; comments at its end stay."""
    kept: list[str] = []
    pending: list[str] = []
    numbers: set[int] = set()
    for number, line in enumerate(_LINE.findall(before), 1):
        pending.append(line)
        numbers.add(number)
        text = line.rstrip("\r\n")
        if text.endswith("\\") and not text.lstrip().startswith("#"):
            continue
        found = numbers & edits.keys()
        new = edits[found.pop()] if found else None
        if new is not None:
            comment = match[0] if (match := _COMMENT.search(text)) else ""
            kept.append(f"{new}{comment}{line[len(text) :]}")
        elif not numbers & edits.keys():
            kept += pending
        pending, numbers = [], set()
    return "".join([*kept, *pending])


def constraints(move: Move) -> str:
    """All that the requirements bring along, held at what was installed wherever that resolves."""
    return "\n".join(["# what comes along, held at what was installed", *move.pins]) + "\n"


def console(out: Console, done: Migration, folder: str, root: str = ".") -> None:
    """Print a line for each project, and what to do next in the `root` of the projects."""
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
    for remark in done.remarks:
        out.print(Text.assemble(("▲ ", "yellow"), remark))
    if done.tools:
        out.print(Text(f"asked of conda, and no Python package: {', '.join(done.tools)}", style="dim"))
    there = "" if root == "." else f"cd {shlex.quote(root)} && "
    inside = posixpath.relpath(folder, root)
    out.print(Text.assemble("\n", (f"{folder}/{REPORT}", "bold"), " tells it project by project; nothing was changed"))
    out.print(f"next: {there}git apply {shlex.quote(f'{inside}/{PATCH}')}", soft_wrap=True, markup=False)
    out.print("then `depdoctor plan` and `depdoctor build`; `git apply -R` takes it back")


def report(done: Migration, broken: Diagnosis, patch: str) -> str:
    """Project by project what changes, why, and what to check by hand; `patch` is where that of all of them lies."""
    return "\n\n".join(_parts(done, broken, patch)) + "\n"


def _parts(done: Migration, broken: Diagnosis, patch: str) -> Iterator[str]:
    yield "# Out of the shared environment"
    yield f"{code(done.source)}, Python {done.python}, {many(len(done.moves), 'project')}."
    yield (
        "Nothing was changed yet. Review the `.new` files, then, in the folder of the projects: "
        f"`git apply {patch}` (back: `git apply -R {patch}`; without git: `patch -p1 < {patch}`). "
        "After that: `depdoctor scan`, `depdoctor plan`, `depdoctor build`, `depdoctor verify`."
    )
    wrong = [one for one in broken.findings if one.severity > Severity.NOTE]
    yield "## What is broken in it already"
    yield "\n".join(f"- {one.code} {code(one.subject)}: {text(one.message)}" for one in wrong) or "Nothing was found."
    if done.remarks:
        yield "## What was not read"
        yield "\n".join(f"- {text(remark)}" for remark in done.remarks)
    if done.contested:
        yield "## What projects need at another version than is installed, or at different ones"
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
    if done.tools:
        yield "## What conda was asked for that is no Python package"
        yield "\n".join(f"- {text(name)}" for name in done.tools)
        yield (
            "Wheels bring CUDA and most other libraries of their own. A tool or library that is still needed comes "
            "with another base image, or is named under `system-packages` of its `[[project]]`."
        )
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
