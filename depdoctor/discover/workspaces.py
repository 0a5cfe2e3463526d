"""Workspaces of uv: which projects share one lockfile (uv's documentation, "Using workspaces")."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from depdoctor.discover.looks import small, toml
from depdoctor.model.noun import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """A workspace by the folders of its root and its members, and its lockfile, "" while there is none."""

    folder: str
    members: tuple[str, ...]
    lockfile: str


def workspaces(root: Path, folders: Mapping[str, Sequence[str]]) -> dict[str, Workspace]:
    """The workspace of each project that is in one."""
    found: dict[str, Workspace] = {}
    with_pyproject = [folder for folder, paths in folders.items() if posixpath.join(folder, "pyproject.toml") in paths]
    for folder, table in _workspace_roots(root, folders):
        wanted, unwanted = (_patterns(table.get(key)) for key in ("members", "exclude"))
        members = [folder] if folder in with_pyproject else []
        for candidate in with_pyproject:
            inner = _below(candidate, folder)
            if inner and _matches(inner, wanted) and not _matches(inner, unwanted):
                members.append(candidate)
        lockfile = posixpath.join(folder, "uv.lock")
        workspace = Workspace(
            folder=folder,
            members=tuple(sorted(members)),
            lockfile=lockfile if (root / lockfile).is_file() else "",
        )
        found.update(dict.fromkeys(members, workspace))
    return found


def _workspace_roots(root: Path, folders: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The folders at or above projects whose `pyproject.toml` makes a workspace, and that table; outermost first."""
    candidates = set(folders)
    for folder in folders:
        parts = folder.split("/")
        candidates.update("/".join(parts[:depth]) for depth in range(len(parts)))
    for folder in sorted(candidates):
        text = small(posixpath.join(root, folder, "pyproject.toml"))
        if "workspace" in text and (table := _table(toml(text) or {}, "tool", "uv", "workspace")):
            yield folder, table


def _table(data: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    value: Any = data
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _patterns(value: Any) -> list[list[str]]:
    listed = value if isinstance(value, list) else []
    return [posixpath.normpath(pattern).split("/") for pattern in listed if isinstance(pattern, str)]


def _below(folder: str, above: str) -> str:
    """A folder's path from one above it; "" if it is not below."""
    if not above:
        return folder
    return folder[len(above) + 1 :] if folder.startswith(f"{above}/") else ""


def _matches(path: str, patterns: Sequence[Sequence[str]]) -> bool:
    return any(_glob(path.split("/"), pattern) for pattern in patterns)


def _glob(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_glob(parts[start:], pattern[1:]) for start in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _glob(parts[1:], pattern[1:])
