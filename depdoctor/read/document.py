"""A structured document: its values, and the line on which each stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from depdoctor.model.noun import dataclass

Path = tuple[str | int, ...]
"""From the top of a document down: keys of tables and indexes of lists."""


@dataclass(frozen=True, slots=True)
class Document:
    """The top table of a document, and the line of each value by its path."""

    data: Mapping[str, Any]
    lines: Mapping[Path, int]

    def line(self, *path: str | int) -> int:
        """The line of a value by its path, of the nearest thing around it if it has none, or 0."""
        while path:
            if line := self.lines.get(path):
                return line
            path = path[:-1]
        return 0

    def table(self, *path: str) -> Mapping[str, Any]:
        """The table at a path, empty where there is none or something else."""
        value: Any = self.data
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        return value if isinstance(value, dict) else {}
