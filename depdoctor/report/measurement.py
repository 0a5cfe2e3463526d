"""What containers cost and gain, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from depdoctor.model.measurement import Measurement, NotMeasured
from depdoctor.report.amounts import size

SHARED = "in the virtual environment"

COLUMNS = {
    "pull_s": "pull",
    "start_s": "start",
    "import_s": "imports",
    "resident_bytes": "memory then",
    "healthy_s": "healthy",
    "service_bytes": "memory then",
    "size_bytes": "size",
    "unique_bytes": "its own",
}
"""The columns of the table, by the field that they show."""


def table(console: Console, images: Sequence[Measurement], shared: Sequence[Measurement]) -> None:
    """Print a line for each image and, below it, one for the same service in a shared virtual environment."""
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    grid.add_column("image", overflow="fold")
    for heading in COLUMNS.values():
        grid.add_column(heading, justify="right")
    beside = {one.name: one for one in shared}
    reasons: dict[str, None] = {}
    for one in images:
        _row(grid, Text(one.name, style="bold"), one, reasons)
        if one.name in beside:
            _row(grid, Text(f"  {SHARED}", style="dim"), beside[one.name], reasons)
    console.print(grid)
    for number, reason in enumerate(reasons, 1):
        console.print(f"{number}) {reason}", markup=False, soft_wrap=True, style="dim")


def _row(grid: Table, name: Text, one: Measurement, reasons: dict[str, None]) -> None:
    cells = []
    for field in COLUMNS:
        value = getattr(one, field)
        if isinstance(value, NotMeasured):
            reasons[value.reason] = None
            cells.append(Text(f"{list(reasons).index(value.reason) + 1})", style="dim"))
        else:
            cells.append(Text(f"{value:.2f} s" if field.endswith("_s") else size(value) or "0 B"))
    grid.add_row(name, *cells)


def values(measurements: Sequence[Measurement]) -> list[dict[str, Any]]:
    """Turn measurements into JSON objects: a figure, or null with the reason under `not_measured`."""
    return [_values(one) for one in measurements]


def _values(one: Measurement) -> dict[str, Any]:
    found = {field.name: getattr(one, field.name) for field in fields(one)}
    missing = {name: value.reason for name, value in found.items() if isinstance(value, NotMeasured)}
    return {name: None if name in missing else value for name, value in found.items()} | {"not_measured": missing}
