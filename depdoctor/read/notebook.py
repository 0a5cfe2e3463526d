"""The code of a Jupyter notebook as one Python file (nbformat 3 and 4); what only IPython understands is left out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

_NOT_PYTHON = ("!", "%", "?")


def code_of(text: str) -> str:
    """The Python of all code cells, a line for each of theirs; "" for what is no notebook."""
    try:
        data = json.loads(text)
        cells = data["cells"] if "cells" in data else [cell for sheet in data["worksheets"] for cell in sheet["cells"]]
        return "\n".join(line for cell in cells for line in _lines(cell))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return ""


def _lines(cell: Any) -> Iterator[str]:
    if cell.get("cell_type") != "code":
        return
    source = cell.get("source", cell.get("input", ""))
    lines = (source if isinstance(source, str) else "".join(map(str, source))).splitlines()
    if lines and lines[0].startswith("%%") and lines[0].split()[0] not in {"%%time", "%%timeit", "%%capture"}:
        return  # a cell in another language
    for line in lines:
        # A line of IPython becomes an empty statement, so that a block that it stands in stays one.
        yield f"{line[: len(line) - len(line.lstrip())]}pass" if line.lstrip().startswith(_NOT_PYTHON) else line
