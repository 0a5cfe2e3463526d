"""Files of weights that are the same in several projects, known by their SHA-256.

Files are large, so a file is read whole only if another one has its size and begins and ends like it. A Git LFS pointer
states the hash of what it stands for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Protocol

from depdoctor.model.project import Weights
from depdoctor.model.reading import Reading


class Files(Protocol):
    """The files under the scan root, by POSIX paths relative to it."""

    def ends(self, path: str) -> bytes:
        """The beginning and the end of a file, b"" where it cannot be read."""
        ...

    def sha256(self, path: str) -> str:
        """The SHA-256 of a file in hex, "" where it cannot be read."""
        ...


def identified(readings: Iterable[Reading], files: Files) -> tuple[Reading, ...]:
    """The readings, each file of weights that may be the same as another one with its `sha256`."""
    found = tuple(readings)
    hashes = _hashes({one.path: one for reading in found for one in reading.weights}, files)
    return tuple(
        replace(
            reading,
            weights=tuple(replace(one, sha256=hashes.get(one.path, one.sha256)) for one in reading.weights),
        )
        for reading in found
    )


def _hashes(weights: Mapping[str, Weights], files: Files) -> dict[str, str]:
    by_size: dict[int, list[Weights]] = defaultdict(list)
    for one in weights.values():
        by_size[one.size_bytes].append(one)
    found: dict[str, str] = {}
    for alike in by_size.values():
        stated = [one for one in alike if one.sha256]
        by_ends: dict[bytes, list[str]] = defaultdict(list)
        for one in alike if len(alike) > 1 else ():
            if not one.sha256:
                by_ends[files.ends(one.path)].append(one.path)
        for paths in by_ends.values():
            if stated or len(paths) > 1:
                found |= {path: files.sha256(path) for path in paths}
    return found
