"""Reads advisories: an export of OSV as a folder or a zip archive of JSON files, or one JSON file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from zipfile import BadZipFile, ZipFile

from depdoctor.errors import UsageError

MOST_BYTES = 64_000_000
"""How large one file may be."""

T = TypeVar("T")


def read(path: Path, parse: Callable[[Any, str], tuple[T, ...]]) -> tuple[T, ...]:
    """What `parse` finds in every document. Raises `UsageError` where nothing can be read, or holds no advisory."""
    try:
        found = tuple(one for name, text in _texts(path) for one in parse(_document(text, name), name))
    except OSError as error:
        raise UsageError(
            f"no advisories can be read from `{path}`: {error.strerror or error}",
            hint="name a folder or a zip of OSV files, or what `pip-audit --format json` printed",
        ) from error
    except (BadZipFile, NotImplementedError, RuntimeError) as error:
        raise UsageError(f"`{path}` is no archive that can be read: {error}", hint="fetch it again") from error
    if not found and not path.is_file():
        raise UsageError(
            f"`{path}` holds no advisory about a Python package",
            hint="it is to be an export of OSV's ecosystem `PyPI`, a JSON file for each advisory",
        )
    return found


def _texts(path: Path) -> Iterator[tuple[str, bytes]]:
    if path.is_dir():
        for one in sorted(path.rglob("*.json")):
            if one.is_file() and one.stat().st_size <= MOST_BYTES:
                yield one.relative_to(path).as_posix(), one.read_bytes()
    elif path.suffix == ".zip":
        with ZipFile(path) as archive:
            for member in sorted(archive.infolist(), key=lambda each: each.filename):
                if member.filename.endswith(".json") and member.file_size <= MOST_BYTES:
                    yield member.filename, archive.read(member)
    else:
        yield path.name, path.read_bytes()


def _document(text: bytes, name: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"`{name}` is not valid JSON: {error}", hint="advisories are read as OSV writes them"
        ) from None
