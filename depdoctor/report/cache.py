"""What the cache holds, and what was removed from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from json import dumps
from typing import Protocol

from rich.console import Console
from rich.table import Table

from depdoctor.report.amounts import size
from depdoctor.report.json import SCHEMA_VERSION


class Part(Protocol):
    """A part of the cache."""

    @property
    def name(self) -> str:
        """What it holds."""

    @property
    def files(self) -> int:
        """How many files it has."""

    @property
    def size_bytes(self) -> int:
        """Their size."""


def sizes(console: Console, folder: str, parts: Sequence[Part]) -> None:
    """Print each part, and the sum in the last line."""
    grid = Table(box=None, pad_edge=False, header_style="dim")
    grid.add_column("part")
    grid.add_column("files", justify="right")
    grid.add_column("size", justify="right")
    for part in parts:
        grid.add_row(part.name, str(part.files), _size(part.size_bytes))
    console.print(grid)
    console.print(f"\n{_size(_sum(parts))} in {folder}", markup=False, soft_wrap=True)


def pruned(console: Console, parts: Sequence[Part]) -> None:
    """Print what was removed."""
    console.print(f"{sum(part.files for part in parts)} files removed, {_size(_sum(parts))} freed")


def verified(console: Console, bad: Sequence[str]) -> None:
    """Print what had gone bad."""
    for name in bad:
        console.print(f"{name} had gone bad and was removed", markup=False, soft_wrap=True)
    if not bad:
        console.print("everything in the cache is what it should be")


def parts_json(folder: str, parts: Sequence[Part]) -> str:
    """Turn parts into JSON."""
    return _text(
        {
            "folder": folder,
            "parts": [{"name": part.name, "files": part.files, "size_bytes": part.size_bytes} for part in parts],
            "size_bytes": _sum(parts),
        }
    )


def verified_json(folder: str, bad: Sequence[str]) -> str:
    """Turn what had gone bad into JSON."""
    return _text({"folder": folder, "removed": list(bad)})


def _sum(parts: Iterable[Part]) -> int:
    return sum(part.size_bytes for part in parts)


def _size(size_bytes: int) -> str:
    return size(size_bytes) or "nothing"


def _text(document: dict[str, object]) -> str:
    return dumps({"schema_version": SCHEMA_VERSION, **document}, indent=2, ensure_ascii=False) + "\n"
