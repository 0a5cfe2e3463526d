"""What an image holds and what each package is for, as a person reads it."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from depdoctor.model.explanation import Contents, Purpose
from depdoctor.report.amounts import many, size


def contents(out: Console, found: Contents) -> None:
    """Print a row for each package, the heaviest first, with the shortest way to it; all ways where there is one."""
    total = sum(one.size_bytes for one in found.purposes)
    out.print(
        Text.assemble(
            (found.image, "bold"),
            f": {many(len(found.purposes), 'package')}, {size(total)} on disk, for `{found.project}` on {found.base}",
        )
    )
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("package", overflow="fold")
    table.add_column("size", justify="right")
    table.add_column("in others", justify="right")
    table.add_column("for", overflow="fold")
    alone = len(found.purposes) == 1
    for one in found.purposes:
        ways = _ways(one)
        first = ways[0] if ways else Text("nothing declared: a lockfile holds it", style="dim")
        others = str(one.others) if one.others else ""
        table.add_row(Text(f"{one.package} {one.version}"), size(one.size_bytes), others, first)
        for way in ways[1:] if alone else ():
            table.add_row("", "", "", way)
    out.print(table)


def _ways(one: Purpose) -> list[Text]:
    return [
        Text.assemble((str(cause.location), "cyan"), f"  {' → '.join(cause.chain or (cause.requirement,))}")
        for cause in one.causes
    ]
