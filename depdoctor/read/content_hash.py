"""The digests by which Poetry, PDM and Pipenv know that a manifest is the one that their lockfile was made from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

from packaging.utils import canonicalize_name

from depdoctor.read.document import Document

_OLDER_KEYS = ("dependencies", "source", "extras", "dev-dependencies")
"""Of `[tool.poetry]`; null counts where nothing newer is used, as in the first versions."""

_PIPENV_KEYS = frozenset(
    {"source", "packages", "dev-packages", "requires", "scripts", "pipfile", "pipenv", "default", "develop"}
)

_PROJECT_KEYS = ("requires-python", "dependencies", "optional-dependencies")


def poetry(document: Document) -> tuple[str, ...]:
    """The `content-hash` of a manifest as Poetry 1 and 2 write it; Poetry before 2.2 leaves dependency groups out.

    Empty where something has no place in JSON, such as a date.
    """
    return tuple(dict.fromkeys(digest for content in _poetry(document) for digest in _digest(content)))


def pdm(document: Document) -> tuple[str, ...]:
    """The `content_hash` of a `pyproject.toml` as PDM writes it into locks of version 4.5."""
    project, settings = document.table("project"), document.table("tool", "pdm")
    groups: dict[str, list[Any]] = {}
    for table in (document.table("dependency-groups"), document.table("tool", "pdm", "dev-dependencies")):
        for name, lines in table.items():
            groups.setdefault(canonicalize_name(name), []).extend(lines if isinstance(lines, list) else ())
    content = {
        "sources": settings.get("source", []),
        "dependencies": project.get("dependencies", []),
        "dev-dependencies": groups,
        "optional-dependencies": project.get("optional-dependencies", {}),
        "requires-python": project.get("requires-python", ""),
        "resolution": settings.get("resolution", {}),
    }
    return _digest(content)


def pipenv(document: Document) -> tuple[str, ...]:
    """The hash of a `Pipfile` as plette computes it; none without a source, for which Pipenv puts one of its own."""
    data = document.data
    if not data.get("source"):
        return ()
    others = {name: table for name, table in data.items() if name not in _PIPENV_KEYS}
    content = {
        "_meta": {"sources": data["source"], "requires": data.get("requires", {})},
        "default": data.get("packages", {}),
        "develop": data.get("dev-packages", {}),
    }
    return _digest({**content, **others}, separators=(",", ":"))


def _digest(content: Mapping[str, Any], separators: tuple[str, str] | None = None) -> tuple[str, ...]:
    """The SHA-256 of content as JSON with sorted keys; none where something has no place in JSON, such as a date."""
    try:
        text = json.dumps(content, sort_keys=True, separators=separators)
    except TypeError:
        return ()
    return (sha256(text.encode()).hexdigest(),)


def _poetry(document: Document) -> Iterator[Mapping[str, Any]]:
    project = {key: document.table("project")[key] for key in _PROJECT_KEYS if key in document.table("project")}
    groups = document.table("dependency-groups")
    for counted in (groups, {}):
        table = document.table("tool", "poetry")
        older = () if project or counted else _OLDER_KEYS
        poetry = {key: table.get(key) for key in (*_OLDER_KEYS, "group") if key in table or key in older}
        newer = {"project": project, "dependency-groups": counted}
        content: Mapping[str, Any] = {name: value for name, value in newer.items() if value}
        yield {**content, "tool": {"poetry": poetry}} if content else poetry
