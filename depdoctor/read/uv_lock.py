"""`uv.lock` (versions 1 and up): every package with its files and edges.

A package that lies in a folder (the project itself, workspace members, path dependencies) has `source` "./" and its
path relative to the scan root ("." for the root itself); `is_root` marks the one in the lockfile's own folder. Its
`requires` are the default group; `optional_requires` has a row per "extra:NAME" and "group:NAME". An edge is a
requirement with the marker under which it counts, and `==` the version where the lockfile holds several of that name.
Where the project declares conflicts, uv writes markers such as `extra == 'extra-3-foo-cpu'` and
`extra == 'group-3-foo-dev'`: kind, length of the package's name, that name, and the extra or group.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache, reduce
from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from depdoctor.model.distribution import DistributionFile, LockedPackage
from depdoctor.model.project import Manifest
from depdoctor.read import address, lockfile, toml
from depdoctor.read.document import Document
from depdoctor.read.errors import ManifestError

FORMAT = "uv.lock"

_LOCAL = ("editable", "virtual", "directory", "path")


def parse(text: str, path: str) -> Manifest:
    """Read a `uv.lock`. Raises `ManifestError` with the line of what cannot be read."""
    document = toml.document(text)
    if not isinstance(document.data.get("version"), int):
        raise ManifestError("is not a uv.lock: it has no `version`", hint="write it anew with `uv lock`")
    folder = posixpath.dirname(path)
    packages = lockfile.packages(document, "package", lambda entry, line: _package(entry, line, folder), "uv lock")
    return Manifest(
        path=path,
        format=FORMAT,
        name=next((package.name for package in packages if package.is_root), ""),
        requires_python=_requires_python(document),
        python_line=document.line("requires-python"),
        packages=packages,
        problems=tuple(address.problems_of_lock(text, path)),
    )


def _requires_python(document: Document) -> SpecifierSet | None:
    value = document.data.get("requires-python")
    try:
        return SpecifierSet(value) if isinstance(value, str) else None
    except InvalidSpecifier as error:
        line = document.line("requires-python")
        raise ManifestError(f"has a `requires-python` that is no set of versions: `{value}`", line=line) from error


def _package(entry: Mapping[str, Any], line: int, folder: str) -> LockedPackage:
    source = entry["source"]
    written = entry.get("version")
    local = next((source[kind] for kind in _LOCAL if kind in source), None)
    if written is None and local is None:
        raise ValueError("it has no version")
    return LockedPackage(
        name=canonicalize_name(entry["name"]),
        version=Version(written) if written is not None else lockfile.UNKNOWN_VERSION,
        line=line,
        marker=_any_of(entry.get("resolution-markers", ())),
        files=tuple(sorted(_files(entry, folder))),
        requires=_edges(entry.get("dependencies", ())),
        index=_place(source.get("registry", ""), folder),
        source=_source(source, local, folder),
        optional_requires=tuple(sorted(_optional(entry))),
        is_root=any(source.get(kind) == "." for kind in ("editable", "virtual", "directory")),
        declared=_declared(entry["metadata"]) if "metadata" in entry else None,
    )


def _declared(metadata: Mapping[str, Any]) -> tuple[Requirement, ...]:
    """What the project declared; what has a source of its own stands there without versions."""
    entries = [
        *metadata.get("requires-dist", ()),
        *(one for row in metadata.get("requires-dev", {}).values() for one in row),
    ]
    found = []
    for one in entries:
        requirement = Requirement(one["name"])
        requirement.extras = {canonicalize_name(extra) for extra in one.get("extras", ())}
        requirement.specifier = SpecifierSet(one.get("specifier", ""))
        found.append(requirement)
    return tuple(found)


def _any_of(markers: Sequence[str]) -> Marker | None:
    """One marker for several of which any suffices; None for none."""
    alternatives = [_marker(marker) for marker in markers]
    return reduce(lambda one, other: one | other, alternatives) if alternatives else None


@lru_cache(maxsize=1024)
def _marker(text: str) -> Marker:
    return Marker(text)


def _edges(entries: Sequence[Mapping[str, Any]]) -> tuple[Requirement, ...]:
    return tuple(_edge(entry) for entry in entries)


def _edge(entry: Mapping[str, Any]) -> Requirement:
    requirement = Requirement(entry["name"])
    requirement.extras = {canonicalize_name(extra) for extra in entry.get("extra", ())}
    if "version" in entry:
        requirement.specifier = SpecifierSet(f"=={entry['version']}")
    if "marker" in entry:
        requirement.marker = _marker(entry["marker"])
    return requirement


def _optional(entry: Mapping[str, Any]) -> Iterator[tuple[str, tuple[Requirement, ...]]]:
    for kind, key in (("extra", "optional-dependencies"), ("group", "dev-dependencies")):
        for name, edges in entry.get(key, {}).items():
            yield f"{kind}:{canonicalize_name(name)}", _edges(edges)


def _files(entry: Mapping[str, Any], folder: str) -> Iterator[DistributionFile]:
    sdist = entry.get("sdist")
    for file in (*entry.get("wheels", ()), *((sdist,) if sdist else ())):
        where = _place(file.get("url") or file.get("path") or "", folder)
        algorithm, _, digest = file.get("hash", "").partition(":")
        uploaded = file.get("upload-time")
        yield DistributionFile(
            filename=file.get("filename") or lockfile.filename_of(where),
            url=where,
            sha256=digest if algorithm == "sha256" else "",
            size_bytes=file.get("size"),
            upload_time=datetime.fromisoformat(uploaded) if isinstance(uploaded, str) else uploaded,
        )


def _place(written: str, folder: str) -> str:
    """An address without credentials; for a path, "./" and that path from the scan root, "" if it leads out of it."""
    if not written or ("://" in written and not written.startswith("file:")):
        return address.redact(written)
    inner = address.inside(folder, written)
    return f"./{inner}" if inner is not None else ""


def _source(source: Mapping[str, Any], local: str | None, folder: str) -> str:
    if local is not None:
        inner = address.inside(folder, local)
        return "" if inner is None else inner if inner == "." else f"./{inner}"
    if "url" in source:
        return address.redact(source["url"])
    if "git" not in source:
        return ""
    parts = urlsplit(source["git"])
    subfolder = dict(parse_qsl(parts.query)).get("subdirectory")
    where = address.redact(urlunsplit(parts._replace(query="", fragment="")))
    return f"git+{where}@{parts.fragment}" + (f"#subdirectory={subfolder}" if subfolder else "")
