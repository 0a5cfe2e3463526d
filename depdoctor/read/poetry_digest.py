"""The digest by which Poetry knows that a `pyproject.toml` is the one that its lockfile was made from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

from depdoctor.read.document import Document

_OLDER_KEYS = ("dependencies", "source", "extras", "dev-dependencies")
"""Of `[tool.poetry]`; null counts where nothing newer is used, as in the first versions."""

_PROJECT_KEYS = ("requires-python", "dependencies", "optional-dependencies")


def digests(document: Document) -> tuple[str, ...]:
    """The `content-hash` of a manifest as Poetry 1 and 2 write it; Poetry before 2.2 leaves dependency groups out.

    Empty where something has no place in JSON, such as a date.
    """
    try:
        return tuple(dict.fromkeys(_digests(document)))
    except TypeError:
        return ()


def _digests(document: Document) -> Iterator[str]:
    project = {key: document.table("project")[key] for key in _PROJECT_KEYS if key in document.table("project")}
    groups = document.table("dependency-groups")
    for counted in (groups, {}):
        table = document.table("tool", "poetry")
        older = () if project or counted else _OLDER_KEYS
        poetry = {key: table.get(key) for key in (*_OLDER_KEYS, "group") if key in table or key in older}
        newer = {"project": project, "dependency-groups": counted}
        content: Mapping[str, Any] = {name: value for name, value in newer.items() if value}
        content = {**content, "tool": {"poetry": poetry}} if content else poetry
        yield sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
