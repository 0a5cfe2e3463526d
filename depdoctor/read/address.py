"""Addresses in manifests: without their secrets, with their variables named, and paths kept inside the scan root."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from depdoctor.model.project import Location, Problem

_USER = re.compile(r"://(?P<user>[^/\s?#]*)@")
_SECRET_PARAMETER = re.compile(
    r"(?P<key>[?&](?:[\w-]{0,40}(?:token|secret|signature|password|passwd|credential|api[-_]?key)[\w-]{0,40}|sig|auth)=)"
    r"(?P<value>[^&#\s]+)",
    re.IGNORECASE,
)
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
"""What pip and uv expand in requirements files."""

_LEFT_OUT = "****"


def redact(text: str) -> str:
    """The text with every user name, password and secret parameter of its addresses left out.

    The user name of an ssh address stays: it names an account, not a secret. Idempotent.
    """
    return _SECRET_PARAMETER.sub(rf"\g<key>{_LEFT_OUT}", _USER.sub(_without_secret, text))


def _without_secret(match: re.Match[str]) -> str:
    account = match["user"].partition(":")[0]
    over_ssh = match.string.endswith("ssh", 0, match.start())
    return f"://{account}@" if over_ssh and account else "://"


def _holds_secret(text: str) -> bool:
    """Whether an address holds more than an account of public knowledge (`git@`) or what variables tell."""
    for match in _USER.finditer(text):
        account, colon, password = match["user"].partition(":")
        over_ssh = text.endswith("ssh", 0, match.start())
        secret = password if colon else ("" if over_ssh else account)
        if _VARIABLE.sub("", secret) not in {"", "git"}:
            return True
    return any(_VARIABLE.sub("", match["value"]) for match in _SECRET_PARAMETER.finditer(text))


def variables(text: str) -> tuple[str, ...]:
    """The names of the environment variables that a text refers to as `${NAME}`."""
    return tuple(dict.fromkeys(_VARIABLE.findall(text)))


def problems(text: str, location: Location) -> Iterator[Problem]:
    """What is wrong with the addresses in a text as written: secrets in them, or variables that nobody expands here."""
    redacted = redact(text)
    if _holds_secret(text):
        yield Problem(
            location=location,
            reason="an address holds credentials; they are left out",
            hint="give them through the environment, a keyring or netrc",
            kind="credentials",
        )
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


def problems_of_lock(text: str, path: str) -> Iterator[Problem]:
    """One problem, at its first place, if addresses anywhere in a lockfile hold credentials."""
    for found in sorted((*_USER.finditer(text), *_SECRET_PARAMETER.finditer(text)), key=re.Match.start):
        before = text[max(0, found.start() - len("ssh")) : found.end()]
        if _holds_secret(before):
            line = text.count("\n", 0, found.start()) + 1
            yield from problems(before, Location(path=path, line=line))
            return


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
