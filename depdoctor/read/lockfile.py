"""What the readers of lockfiles share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from packaging.version import Version

from depdoctor.model.distribution import DistributionFile, LockedPackage
from depdoctor.read.document import Document
from depdoctor.read.errors import ManifestError

UNKNOWN_VERSION = Version("0")
"""Of a package from a folder or a repository, where the format leaves its version out. No index has it."""


def packages(
    document: Document, key: str, read: Callable[[Any, int], LockedPackage], command: str
) -> tuple[LockedPackage, ...]:
    """Every entry of a list as a package. Half a lock is none: raises `ManifestError` with the line of a broken one.

    `command` is what writes the file anew.
    """
    entries = document.data.get(key, [])
    if not isinstance(entries, list):
        raise ManifestError(
            f"has a `{key}` that is no list", line=document.line(key), hint=f"write it anew with `{command}`"
        )
    return tuple(package(entry, document.line(key, number), read, command) for number, entry in enumerate(entries))


def package(
    entry: Any, line: int, read: Callable[[Any, int], LockedPackage], command: str, *, name: str = ""
) -> LockedPackage:
    """One entry as a package, of this name where the entry does not hold it. Raises `ManifestError` with its line."""
    try:
        return read(entry, line)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        name = name or (entry.get("name", "") if isinstance(entry, dict) else "")
        reason = f"lacks {error}" if isinstance(error, KeyError) else str(error).partition("\n")[0]
        message = f"has a package `{name}` that cannot be read: {reason}"
        raise ManifestError(message, line=line, hint=f"write the lockfile anew with `{command}`") from error


def file_of(filename: str, url: str, digest: str, size_bytes: int | None = None) -> DistributionFile:
    """A file by its hash as lockfiles write it ("sha256:..."); another algorithm leaves the hash empty."""
    algorithm, _, value = digest.partition(":")
    sha256 = value if algorithm == "sha256" else ""
    return DistributionFile(filename=filename, url=url, sha256=sha256, size_bytes=size_bytes)


def merged(packages: Iterable[LockedPackage]) -> tuple[LockedPackage, ...]:
    """Packages listed several times, for several groups or sets of extras, as one with all its groups and edges."""
    found: dict[tuple[str, str, str], LockedPackage] = {}
    for entry in packages:
        key = (entry.name, str(entry.version), str(entry.marker or ""))
        first = found.get(key)
        if first is None:
            found[key] = entry
            continue
        edges = {str(edge): edge for edge in (*(first.requires or ()), *(entry.requires or ()))}
        found[key] = replace(
            first,
            groups=tuple(sorted({*first.groups, *entry.groups})),
            extras=tuple(sorted({*first.extras, *entry.extras})),
            hashes=tuple(sorted({*first.hashes, *entry.hashes})),
            requires=None if first.requires is None else tuple(edges.values()),
        )
    return tuple(found.values())


def filename_of(url: str) -> str:
    """The name of the file that an address leads to."""
    return unquote(url.partition("#")[0].partition("?")[0].rpartition("/")[2])
