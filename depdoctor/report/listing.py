"""What a folder holds as it was understood: projects, their files and what these hold, and what was passed over."""

from __future__ import annotations

import json as library
import posixpath
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from depdoctor.model.formats import DOCKERFILE
from depdoctor.model.project import Location, Manifest, Project, Survey
from depdoctor.model.reading import Reading
from depdoctor.report.json import SCHEMA_VERSION

MOST_PASSED_OVER = 40
"""Lines of what was passed over; JSON has them all."""


def json(found: Survey, readings: Sequence[Reading]) -> str:
    """Turn the projects, and all that was read of them, into JSON."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "projects": [_project(reading) for reading in readings],
        "counts": dict(_counts(readings)),
        "environments": list(found.environments),
        "passed_over": [{"path": one.path, "reason": one.reason} for one in found.passed_over],
    }
    return library.dumps(document, indent=2, ensure_ascii=False) + "\n"


def console(out: Console, found: Survey, readings: Sequence[Reading]) -> None:
    """Print the projects with their files, the number of files of each kind, and what was passed over."""
    for reading in readings:
        project = reading.project
        out.print(Text.assemble((project.name, "bold"), (f"  {project.reason}", "dim")))
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
        for _ in range(3):
            table.add_column(overflow="fold")
        for manifest in reading.manifests:
            places = [_near(str(place), project) for place in _drawn_in(manifest, reading)]
            words = [_holds(manifest), *(f"drawn in by {place}" for place in places)]
            groups = ", ".join(_groups(manifest))
            path = Text(_near(manifest.path, project), style="cyan")
            table.add_row(path, Text(groups, style="dim"), Text("; ".join(words)))
        for broken in reading.unreadable:
            table.add_row(
                Text(_near(broken.path, project), style="cyan"),
                "",
                Text(broken.problem.reason, "yellow"),
            )
        out.print(Padding(table, (0, 0, 0, 2), expand=False))
    counts = _counts(readings)
    kinds = ", ".join(f"{number} {kind}" for kind, number in counts.items())
    out.print(f"\n{len(readings)} projects, {counts.total()} files: {kinds}" if readings else "no project")
    for folder in found.environments:
        advice = f": `depdoctor scan {folder}` tells what is wrong in it"
        out.print(Text.assemble("environment ", (folder, "cyan"), advice))
    if found.passed_over:
        out.print(f"\npassed over: {len(found.passed_over)}")
        for one in found.passed_over[:MOST_PASSED_OVER]:
            out.print(Text.assemble("  ", (one.path, "cyan"), f" {one.reason}"))
        if len(found.passed_over) > MOST_PASSED_OVER:
            out.print(f"  and {len(found.passed_over) - MOST_PASSED_OVER} more (--format json lists them all)")


def _counts(readings: Sequence[Reading]) -> Counter[str]:
    """How many different files of each format there are, those that could not be read under a name of their own."""
    formats = {manifest.path: manifest.format for reading in readings for manifest in reading.manifests}
    formats |= {broken.path: "unreadable" for reading in readings for broken in reading.unreadable}
    return Counter(dict(Counter(formats.values()).most_common()))


def _project(reading: Reading) -> Mapping[str, Any]:
    project = reading.project
    return {
        "name": project.name,
        "path": project.root,
        "manifests": list(project.manifests),
        "reason": project.reason,
        "files": [
            *({**_file(one), "drawn_in_by": list(map(str, _drawn_in(one, reading)))} for one in reading.manifests),
            *({"path": one.path, "format": one.format, "problem": one.problem.reason} for one in reading.unreadable),
        ],
        "sources": len(project.sources),
        "weights": [one.path for one in reading.weights],
    }


def _file(manifest: Manifest) -> Mapping[str, Any]:
    return {
        "path": manifest.path,
        "format": manifest.format,
        "groups": list(_groups(manifest)),
        "requirements": len(manifest.requirements) + len(manifest.conda),
        "constraints": len(manifest.constraints),
        "packages": len(manifest.packages) + len(manifest.conda_packages),
        "bases": [base.reference for base in manifest.base_images],
        "problems": len(manifest.problems),
    }


def _groups(manifest: Manifest) -> list[str]:
    groups = {one.group for one in manifest.requirements} | {one.group for one in manifest.conda}
    return sorted(group or "default" for group in groups)


def _holds(manifest: Manifest) -> str:
    """What a file holds, in a few words."""
    parts = [
        _many(len(manifest.requirements) + len(manifest.conda), "requirement"),
        _many(len(manifest.constraints), "constraint"),
        _many(len(manifest.packages) + len(manifest.conda_packages), "locked package"),
        *(f"FROM {base.reference}" for base in manifest.base_images if base.is_final),
        _many(len(manifest.problems), "problem"),
    ]
    return ", ".join(filter(None, parts)) or "nothing"


def _drawn_in(manifest: Manifest, reading: Reading) -> Iterator[Location]:
    """Where each of the other files of the project draws a file in. What a Dockerfile copies may lie above it."""
    for other in reading.manifests:
        for include in other.includes:
            inner = posixpath.relpath(include.path, posixpath.dirname(other.path) or ".")
            copied = other.format == DOCKERFILE and f"/{manifest.path}".endswith(f"/{inner}")
            if other is not manifest and (copied or include.path == manifest.path):
                yield include.location
                break


def _near(path: str, project: Project) -> str:
    """A path as it is called in the folder of a project."""
    return path.removeprefix(f"{project.root}/")


def _many(count: int, noun: str) -> str:
    return "" if not count else f"{count} {noun}" if count == 1 else f"{count} {noun}s"
