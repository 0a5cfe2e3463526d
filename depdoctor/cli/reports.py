"""Which report a format names, and what it is given."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from depdoctor.pipeline.native import Built
    from depdoctor.pipeline.planning import Planned
    from depdoctor.pipeline.scanning import Scan


def scan(options: argparse.Namespace, result: Scan, elapsed_s: float) -> str:  # noqa: PLR0911 - one a format
    """What is printed of a scan in the format that is wanted."""
    inventory, diagnosis = result.inventory, result.diagnosis
    if options.format == "json":
        from depdoctor.report import json

        return json.scan(inventory, diagnosis, elapsed_s, result.conflicts.groupings)
    if options.format == "sarif":
        from depdoctor.diagnose import RULES
        from depdoctor.report import sarif

        return sarif.scan(diagnosis, inventory.incomplete, RULES, prefix=prefix(options.path))
    if options.format in {"github", "gitlab"}:
        from depdoctor.report import github, gitlab

        if options.format == "gitlab":
            return gitlab.scan(diagnosis, prefix=prefix(options.path))
        return github.scan(diagnosis, inventory.incomplete, prefix=prefix(options.path))
    if options.format == "markdown":
        from depdoctor.report import markdown

        return markdown.scan(inventory, diagnosis)
    if options.format == "html":
        from depdoctor.report import html

        return html.scan(inventory, diagnosis, result.conflicts, result.plan)
    from depdoctor.cli import terminal
    from depdoctor.report import console

    out = terminal.output()
    with out.capture() as printed:
        console.scan(out, inventory, diagnosis, elapsed_s)
    return printed.get()


def plan(options: argparse.Namespace, made: Planned, state: str) -> str:
    """A plan, or what changes, in the format that is wanted; and the findings that `--check` fails by."""
    from depdoctor.model.finding import Severity

    least = Severity.ERROR if options.fail_on == "never" else Severity[options.fail_on.upper()]
    findings = [one for one in made.diagnosis.findings if one.severity >= least]
    if options.format == "json":
        from depdoctor.report import json

        return json.plan(
            made.plan,
            made.costs,
            made.change,
            path=made.path.name,
            changed=made.changed,
            advice=made.aligned.advice,
            afresh=made.afresh,
            needs=made.needs,
            findings=findings,
        )
    if options.format == "markdown":
        from depdoctor.report import markdown

        return markdown.plan(made.plan, made.costs, made.change, path=made.path.name, state=state)
    from depdoctor.cli import terminal
    from depdoctor.report import tree

    out = terminal.output()
    with out.capture() as printed:
        if options.diff or options.check:
            tree.diff(out, made.change)
        if not options.diff:
            tree.plan(
                out,
                made.plan,
                made.costs,
                path=made.path.name,
                state=state,
                advice=made.aligned.advice,
                afresh=made.afresh,
                needs=made.needs,
                findings=findings,
            )
    return printed.get()


def built(options: argparse.Namespace, made: Built, started: float) -> None:
    """Print what was built and pushed since a moment of the monotonic clock."""
    elapsed_s = time.monotonic() - started
    if options.format == "json":
        from depdoctor.report import json

        sys.stdout.write(json.built(made.images, made.pushed, elapsed_s))
    else:
        from depdoctor.report import built as columns

        sys.stdout.write(columns.text(made.images, made.pushed, elapsed_s))


def prefix(root: Path) -> str:
    """The way from the current folder, which is a repository's root where services ask, down to the scan root."""
    way = Path(os.path.relpath(root.resolve()))
    return "" if way == Path() or way.parts[:1] == ("..",) else way.as_posix()
