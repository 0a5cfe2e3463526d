"""`poetry.lock` of Poetry 1 and 2.

The file does not list the project itself: its roots are what `pyproject.toml` declares (`with_root`). A package's
`requires` are edges under their markers, `optional_requires` those of its extras. `groups` name the parts of the
project that need it, as "group:NAME" and "" for the main one; empty where the file does not tell (Poetry 1.5 to 1.8).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from depdoctor.model.distribution import LockedPackage
from depdoctor.model.project import DEFAULT_GROUP, Manifest
from depdoctor.read import address, lockfile, toml
from depdoctor.read.declarations import text_of
from depdoctor.read.document import Document
from depdoctor.read.errors import ManifestError
from depdoctor.read.package_table import AlternativesError
from depdoctor.read.poetry import specifiers

FORMAT = "poetry.lock"


def parse(text: str, path: str) -> Manifest:
    """Read a `poetry.lock`. Raises `ManifestError` with the line of what cannot be read."""
    document = toml.document(text)
    if "lock-version" not in document.table("metadata"):
        raise ManifestError("is not a poetry.lock: it has no `lock-version`", hint="write it anew with `poetry lock`")
    files = document.table("metadata", "files")
    packages = lockfile.packages(document, "package", lambda entry, line: _package(entry, files, line), "poetry lock")
    return Manifest(
        path=path,
        format=FORMAT,
        requires_python=_requires_python(document),
        python_line=document.line("metadata", "python-versions"),
        packages=packages,
        problems=tuple(address.problems_of_lock(text, path)),
        digests=tuple(filter(None, [text_of(document.table("metadata").get("content-hash"))])),
    )


def with_root(lock: Manifest, project: Manifest, source: str) -> Manifest:
    """The lock with the project itself as its root: what its `pyproject.toml` declares, group by group."""
    groups: dict[str, list[Requirement]] = {DEFAULT_GROUP: []}
    for declared in project.requirements:
        groups.setdefault(declared.group, []).append(declared.requirement)
    root = LockedPackage(
        name=canonicalize_name(project.name),
        version=lockfile.UNKNOWN_VERSION,
        requires=tuple(groups.pop(DEFAULT_GROUP)),
        optional_requires=tuple(sorted((group, tuple(edges)) for group, edges in groups.items())),
        source=source,
        is_root=True,
    )
    return replace(lock, packages=(root, *lock.packages))


def _requires_python(document: Document) -> SpecifierSet | None:
    value = document.table("metadata").get("python-versions")
    try:
        return specifiers(value) if isinstance(value, str) else None
    except (ValueError, InvalidSpecifier):
        return None  # the manifest beside it says the same, and is where a user would mend it


def _package(entry: Mapping[str, Any], listed: Mapping[str, Any], line: int) -> LockedPackage:
    source = entry.get("source") or {}
    kind = source.get("type", "")
    files = entry.get("files") or listed.get(entry["name"]) or ()
    edges = {name: tuple(_edges(name, value)) for name, value in entry.get("dependencies", {}).items()}
    optional = {name for name, value in entry.get("dependencies", {}).items() if _is_optional(value)}
    return LockedPackage(
        name=canonicalize_name(entry["name"]),
        version=Version(entry["version"]),
        line=line,
        marker=_marker(entry.get("markers")),
        hashes=tuple(sorted(file["hash"] for file in files)),
        requires=tuple(edge for name, found in edges.items() if name not in optional for edge in found),
        optional_requires=tuple(sorted(_extras(entry.get("extras", {})))),
        groups=tuple(sorted(_groups(entry))),
        index=address.redact(source.get("url", "")) if kind == "legacy" else "",
        source=_source(source) if kind not in {"", "legacy"} else "",
    )


def _is_optional(value: Any) -> bool:
    entries = value if isinstance(value, list) else [value]
    return all(isinstance(entry, dict) and entry.get("optional") is True for entry in entries)


def _edges(name: str, value: Any) -> Iterator[Requirement]:
    for entry in value if isinstance(value, list) else [value]:
        table = {"version": entry} if isinstance(entry, str) else entry
        requirement = Requirement(name)
        requirement.extras = {canonicalize_name(extra) for extra in table.get("extras", ())}
        with suppress(AlternativesError):  # the pin tells
            requirement.specifier = specifiers(table.get("version", "*"))
        requirement.marker = _marker(table.get("markers"))
        yield requirement


_EXTRA = re.compile(r"^(?P<name>[\w.-]+)\s*(?P<extras>\[[^\]]*\])?\s*(?:\((?P<versions>[^)]*)\))?\s*(?P<marker>;.*)?$")


def _extras(extras: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, tuple[Requirement, ...]]]:
    """The requirements of each extra; Poetry writes them as `name (>=1)` or as PEP 508 has it."""
    for extra, requirements in extras.items():
        found = []
        for text in requirements:
            if match := _EXTRA.match(text):
                requirement = Requirement(f"{match['name']}{match['extras'] or ''}{match['marker'] or ''}")
                with suppress(AlternativesError):
                    requirement.specifier = specifiers(match["versions"] or "*")
            else:
                requirement = Requirement(text)
            found.append(requirement)
        yield f"extra:{canonicalize_name(extra)}", tuple(found)


def _marker(written: Any) -> Marker | None:
    """A marker, or of a table by groups (Poetry 2) the one under which any of them needs the package."""
    if isinstance(written, dict):
        markers = [_marker(text) for text in written.values()]
        if not markers or None in markers:
            return None
        whole = markers[0]
        for marker in markers[1:]:
            whole = whole | marker if whole and marker else None
        return whole
    return Marker(written) if written else None


def _groups(entry: Mapping[str, Any]) -> Iterator[str]:
    names = entry.get("groups") or ([entry["category"]] if "category" in entry else [])
    for name in names:
        yield DEFAULT_GROUP if name == "main" else f"group:{canonicalize_name(name)}"


def _source(source: Mapping[str, Any]) -> str:
    url = address.redact(source.get("url", ""))
    if source.get("type") != "git":
        return url
    folder = source.get("subdirectory")
    revision = source.get("resolved_reference") or source.get("reference") or ""
    return f"git+{url}@{revision}" + (f"#subdirectory={folder}" if folder else "")
