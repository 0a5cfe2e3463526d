"""Addresses in manifests: without their secrets, with their variables named, and paths kept inside the scan root."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from depdoctor.model.address import holds_secret, redact, secret_line, variables
from depdoctor.model.project import Location, Problem

__all__ = ["inside", "outside", "problems", "problems_of_lock", "redact", "variables"]


def problems(text: str, location: Location) -> Iterator[Problem]:
    """What is wrong with the addresses in a text as written: secrets in them, or variables that nobody expands here."""
    redacted = redact(text)
    if holds_secret(text):
        yield _credentials(location)
    elif variables(text) != variables(redacted):
        yield Problem(
            location=location,
            reason="an address takes credentials from variables; they are left out",
            hint="give them through a keyring, netrc or UV_INDEX_*_USERNAME and UV_INDEX_*_PASSWORD",
            kind="variable",
        )
    for name in variables(redacted):
        yield Problem(
            location=location,
            reason=f"`${{{name}}}` is not expanded, so what it is part of is not used",
            hint="write the value out",
            kind="variable",
        )


def _credentials(location: Location) -> Problem:
    return Problem(
        location=location,
        reason="an address holds credentials; they are left out",
        hint="give them through the environment, a keyring or netrc",
        kind="credentials",
    )


def problems_of_lock(text: str, path: str) -> Iterator[Problem]:
    """One problem, at its first place, if addresses anywhere in a lockfile hold credentials."""
    if line := secret_line(text):
        yield _credentials(Location(path=path, line=line))


def inside(folder: str, path: str) -> str | None:
    """A path written in a file of `folder`, relative to the scan root ("." for the root); None if it leads out of it.

    Pure: symlinks are for whoever opens the file.
    """
    path = path.removeprefix("file://").removeprefix("file:")
    if path.startswith(("/", "\\", "~")) or re.match(r"[A-Za-z]:[\\/]", path):
        return None
    joined = posixpath.normpath(posixpath.join(folder, path.replace("\\", "/")))
    return None if joined == ".." or joined.startswith("../") else joined


def joined(folder: str, path: str) -> str:
    """A path written in a file of `folder`, wherever it leads: relative to the scan root, or absolute."""
    return posixpath.normpath(posixpath.join(folder, path.removeprefix("file://").removeprefix("file:")))


def outside(location: Location, path: str) -> Problem:
    """The problem of a path that leads out of the scan root."""
    return Problem(
        location=location,
        reason=f"`{path}` leads out of the folder that is scanned, so it is not read",
        hint="scan the folder that holds both, or allow it with `--allow-outside`",
        kind="outside",
    )
