"""`pdm.lock`: packages with files, edges as PEP 508 texts, and the groups of the project that need them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from depdoctor.model.distribution import DistributionFile, LockedPackage
from depdoctor.model.project import DEFAULT_GROUP, Manifest
from depdoctor.read import address, lockfile, toml
from depdoctor.read.declarations import text_of
from depdoctor.read.errors import ManifestError
from depdoctor.read.requirement import address_of

FORMAT = "pdm.lock"


def parse(text: str, path: str) -> Manifest:
    """Read a `pdm.lock`. Raises `ManifestError` with the line of what cannot be read.

    PDM lists a package once more for each set of extras asked of it; these entries are one package here.
    """
    document = toml.document(text)
    if "lock_version" not in document.table("metadata"):
        raise ManifestError("is not a pdm.lock: it has no `lock_version`", hint="write it anew with `pdm lock`")
    files = document.table("metadata", "files")
    packages = lockfile.packages(document, "package", lambda entry, line: _package(entry, files, line), "pdm lock")
    return Manifest(
        path=path,
        format=FORMAT,
        packages=lockfile.merged(packages),
        problems=tuple(address.problems_of_lock(text, path)),
        digests=_digests(document.table("metadata")),
    )


def _digests(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    """What the lock says of its manifest; versions before 4.5 count other keys."""
    algorithm, _, digest = text_of(metadata.get("content_hash")).partition(":")
    counts = text_of(metadata.get("lock_version")).startswith("4.5")
    return (digest,) if counts and algorithm == "sha256" and digest else ()


def _package(entry: Mapping[str, Any], listed: Mapping[str, Any], line: int) -> LockedPackage:
    name, version = entry["name"], entry["version"]
    files = entry.get("files") or listed.get(f"{name} {version}") or ()
    where = address_of(entry)
    if revision := entry.get("revision"):
        where = address_of({**entry, "rev": revision})
    return LockedPackage(
        name=canonicalize_name(name),
        version=Version(version),
        line=line,
        marker=Marker(entry["marker"]) if entry.get("marker") else None,
        files=tuple(sorted(_files(files))),
        hashes=tuple(sorted(file["hash"] for file in files if not file.get("url"))),
        requires=tuple(Requirement(address.redact(text)) for text in entry.get("dependencies", ())),
        extras=tuple(sorted(canonicalize_name(extra) for extra in entry.get("extras", ()))),
        groups=tuple(sorted(_groups(entry))),
        source=address.redact(where),
    )


def _files(files: Any) -> Iterator[DistributionFile]:
    """The files that are listed with an address; the others are known by their hashes only."""
    for file in files:
        if url := address.redact(file.get("url", "")):
            yield lockfile.file_of(file.get("file") or lockfile.filename_of(url), url, file["hash"])


def _groups(entry: Mapping[str, Any]) -> Iterator[str]:
    for name in entry.get("groups", ()):
        yield DEFAULT_GROUP if name == "default" else f"group:{canonicalize_name(name)}"
