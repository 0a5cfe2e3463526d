"""What a build or a push would do, for people and as JSON."""

from __future__ import annotations

import json as standard
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from depdoctor.report.amounts import many, size

if TYPE_CHECKING:
    from rich.console import Console

    from depdoctor.model.intent import Intent

SCHEMA_VERSION = 1


def console(out: Console, intents: Sequence[Intent]) -> None:
    """Print a line for each image, with what would be fetched and made below it, and the sums."""
    for one in intents:
        out.print(Text.assemble((one.name, "bold"), (f"  {_summary(one)}", "dim")))
        for file in one.fetch:
            out.print(Text(f"  fetch {file.filename}  {size(file.size_bytes or 0)}".rstrip()))
        for title in one.make:
            out.print(Text(f"  make  {title}"), overflow="ellipsis", no_wrap=True)
    fetched = [file for one in intents for file in one.fetch]
    words = [f"{many(len(fetched), 'wheel')} to fetch ({size(sum(file.size_bytes or 0 for file in fetched)) or '0 B'})"]
    words.append(f"{many(sum(len(one.make) for one in intents), 'layer')} to make")
    if any(one.push_bytes is not None for one in intents):
        words.append(f"{size(sum(one.push_bytes or 0 for one in intents)) or '0 B'} to push")
    out.print(f"\n{', '.join(words)}; nothing was done")


def _summary(one: Intent) -> str:
    if one.stands:
        return "stands in the registry as it is"
    if one.builder != "oci":
        return f"built with {one.builder}, whose cache decides what is done"
    pushed = ""
    if one.push_bytes is not None:
        pushed = f", {'about ' if one.is_estimate else ''}{size(one.push_bytes) or '0 B'} to push"
    return f"{many(len(one.fetch), 'wheel')} to fetch, {many(len(one.make), 'layer')} to make{pushed}"


def json(intents: Sequence[Intent]) -> str:
    """Turn it into JSON."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "images": [
            {
                "name": one.name,
                "builder": one.builder,
                "fetch": [{"filename": file.filename, "bytes": file.size_bytes} for file in one.fetch],
                "make": list(one.make),
                "push_bytes": one.push_bytes,
                "is_estimate": one.is_estimate,
                "stands": one.stands,
            }
            for one in intents
        ],
    }
    return standard.dumps(document, indent=2) + "\n"
