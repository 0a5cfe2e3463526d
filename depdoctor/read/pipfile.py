"""`Pipfile` (Pipenv's documentation, "Pipfile & Pipfile.lock").

`[packages]` is the default group, `[dev-packages]` the group `dev`, any other table of packages a group of its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from packaging.markers import Marker
from packaging.utils import canonicalize_name

from depdoctor.model.project import DEFAULT_GROUP, IndexOptions, Manifest
from depdoctor.read import address, content_hash, toml
from depdoctor.read.declarations import Declarations, text_of
from depdoctor.read.document import Document
from depdoctor.read.package_table import Dialect, require
from depdoctor.read.python_version import minor_of

FORMAT = "Pipfile"

_NO_PACKAGES = frozenset({"source", "requires", "scripts", "pipenv"})
_MARKERS = ("os_name", "sys_platform", "platform_machine", "platform_system", "python_version", "python_full_version")
"""Keys of a package that are markers by another name."""


def parse(text: str, path: str) -> Manifest:
    """Read a `Pipfile`. Raises `ManifestError` for broken TOML; a wrong value is a `Problem`."""
    document = toml.document(text)
    declarations = Declarations(document=document, path=path)
    indexes = _indexes(document, declarations)
    dialect = Dialect(marker=_marker, indexes=indexes)
    for name, table in document.data.items():
        if name in _NO_PACKAGES or not isinstance(table, dict):
            continue
        group = DEFAULT_GROUP if name == "packages" else f"group:{canonicalize_name(name.removesuffix('-packages'))}"
        for package, value in table.items():
            require(package, value, (name, package), group, declarations, dialect)
    urls = list(indexes.values())
    requires = document.table("requires")
    return Manifest(
        path=path,
        format=FORMAT,
        python=minor_of(text_of(requires.get("python_version")) or text_of(requires.get("python_full_version"))),
        requirements=tuple(declarations.requirements),
        includes=tuple(declarations.includes),
        indexes=IndexOptions(index_url=urls[0] if urls else None, extra_index_urls=tuple(urls[1:])),
        problems=tuple(declarations.problems),
        digests=content_hash.pipenv(document),
    )


def _indexes(document: Document, declarations: Declarations) -> dict[str, str]:
    """The address of each source by its name, in order."""
    found = {}
    sources = document.data.get("source")
    for number, source in enumerate(sources if isinstance(sources, list) else ()):
        if isinstance(source, dict) and (url := text_of(source.get("url"))):
            declarations.problems.extend(address.problems(url, declarations.location("source", number)))
            if not address.variables(address.redact(url)):
                found[text_of(source.get("name")) or str(number)] = address.redact(url)
    return found


def _marker(table: Mapping[str, Any]) -> Marker | None:
    parts = [Marker(f"{key} {table[key]}") for key in _MARKERS if text_of(table.get(key))]
    if markers := text_of(table.get("markers")):
        parts.insert(0, Marker(markers))
    marker = parts[0] if parts else None
    for part in parts[1:]:
        marker = marker & part if marker else part
    return marker
