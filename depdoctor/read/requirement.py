"""One requirement as people write it: PEP 508, or an address or path that pip takes as well."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)

from depdoctor.model.expression import expression
from depdoctor.model.noun import dataclass
from depdoctor.read.address import inside, redact, variables
from depdoctor.read.errors import ManifestError

_NAMED_ADDRESS = expression(r"^[A-Za-z0-9][\w.-]*\s*(?:\[[^\]]*\])?\s*@")
_ADDRESS = expression(r"^(?!file:)(?:(?:git|hg|svn|bzr)\+|[A-Za-z][A-Za-z0-9+.-]*://|git@)")
_PATH = expression(r"^(?:file:|\.{1,2}(?:[/\\\[]|$)|[/~]|[A-Za-z]:\\|[^\s;=<>!~\[@]*[/\\])")
_ARCHIVE = expression(r"^\S+\.(?:whl|zip|tar\.gz|tgz|tar\.bz2|tar\.xz)$", re.IGNORECASE)
_EGG = expression(r"(?:^|&)egg=(?P<name>[A-Za-z0-9][\w.-]*?)(?P<extras>\[[^\]]*\])?(?:&|$)")
_SHORT_SSH = expression(r"(?P<account>[\w.-]+@[\w.-]+):(?P<path>[^/].*)$")
_SINGLE_EQUALS = expression(r"^[\w.-]+\s*=\s*[\w.]")
_MARKER = expression(r"(?:(?<=\s);|;(?=\s))(?P<marker>.+)$")

LONGEST = 4096
"""Characters of one requirement; what is longer is none, and a number of more than 4300 digits is none to Python."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalFolder:
    """A project of its own that is required by its path, relative to the scan root."""

    path: str
    extras: tuple[str, ...]


def parse_requirement(text: str, folder: str) -> Requirement | LocalFolder:
    """Read a requirement that stands in a file of `folder`, without options and comments, credentials left out.

    Raises `ManifestError` with the kind of problem: "unparsable", "unnamed", "variable" or "outside".
    """
    text = redact(text.strip())
    if len(text) > LONGEST:
        raise ManifestError(f"`{text[:40]}...` is too long for a requirement", kind="unparsable")
    if names := variables(text):
        raise ManifestError(
            f"`{text}` needs the variable {', '.join(names)}, which is not expanded",
            hint="write the value out",
            kind="variable",
        )
    if _ADDRESS.match(text):
        return _addressed(text)
    if not _NAMED_ADDRESS.match(text) and (_PATH.match(text) or _ARCHIVE.match(_split_marker(text)[0])):
        return _local(text, folder)
    try:
        requirement = Requirement(text)
    except (InvalidRequirement, RecursionError) as error:
        raise ManifestError(
            f"`{text}` is not a requirement: {_first_line(error)}", hint=_hint(text), kind="unparsable"
        ) from error
    if requirement.url and not _ADDRESS.match(requirement.url):
        return _local(
            f"{requirement.url}{_extras(requirement)}", folder, name=requirement.name, marker=requirement.marker
        )
    return requirement


def address_of(table: Mapping[str, Any]) -> str:
    """The address that a table spells in parts, as Poetry, uv, pixi and Pipenv write them; "" where it spells none."""
    texts = {key: value for key, value in table.items() if isinstance(value, str)}
    if git := texts.get("git"):
        if match := _SHORT_SSH.match(git):
            git = f"ssh://{match['account']}/{match['path']}"
        revision = next((texts[key] for key in ("rev", "ref", "tag", "branch") if key in texts), "")
        folder = texts.get("subdirectory", "")
        prefix = "" if git.startswith("git+") else "git+"
        return f"{prefix}{git}" + (f"@{revision}" if revision else "") + (f"#subdirectory={folder}" if folder else "")
    if path := texts.get("path") or texts.get("file"):
        return path if path.startswith((".", "/", "~")) or "://" in path else f"./{path}"
    return texts.get("url", "")


def _hint(text: str) -> str:
    if _SINGLE_EQUALS.match(text):
        return "pip wants `==`"
    return "write `name==version`, `name>=version` or `name @ address`"


def _split_marker(text: str) -> tuple[str, str]:
    if match := _MARKER.search(text):
        return text[: match.start()].rstrip(), match["marker"].strip()
    return text, ""


def _extras(requirement: Requirement) -> str:
    return f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""


def _addressed(text: str) -> Requirement:
    """A requirement that is an address alone; its name must stand in `#egg=` or in the name of the file."""
    address, marker = _split_marker(text)
    try:
        parts = urlsplit(address)
    except ValueError as error:
        raise ManifestError(f"`{address}` is not an address: {error}", kind="unparsable") from error
    name, extras = _name_of_file(unquote(parts.path.rpartition("/")[2])), ""
    if egg := _EGG.search(unquote(parts.fragment)):
        name, extras = egg["name"], egg["extras"] or ""
        fragment = "&".join(part for part in parts.fragment.split("&") if not part.startswith("egg="))
        address = urlunsplit(parts._replace(fragment=fragment))
    return _assemble(name, extras, address, marker)


def _local(text: str, folder: str, *, name: str = "", marker: Marker | str | None = None) -> Requirement | LocalFolder:
    """A requirement that is a path: an archive is a requirement like any other, a folder is a project of its own."""
    path, written_marker = _split_marker(text)
    extras = ""
    if path.endswith("]") and "[" in path:
        path, _, inner_extras = path.rpartition("[")
        path, extras = path.rstrip(), f"[{inner_extras}"
    path, _, fragment = path.partition("#")
    if egg := _EGG.search(unquote(fragment)):
        name, extras = name or egg["name"], extras or egg["extras"] or ""
    inner = inside(folder, path)
    if inner is None:
        problem = f"`{path}` leads out of the folder that is scanned"
        raise ManifestError(problem, hint="scan the folder that holds both", kind="outside")
    if _ARCHIVE.match(posixpath.basename(inner)):
        return _assemble(
            name or _name_of_file(posixpath.basename(inner)), extras, f"./{inner}", marker or written_marker
        )
    asked = tuple(sorted(canonicalize_name(extra.strip()) for extra in extras.strip("[]").split(",") if extra.strip()))
    return LocalFolder(path=inner, extras=asked)


def _name_of_file(filename: str) -> str:
    """The package that a wheel or an sdist holds, by its file name; "" where the name does not tell."""
    try:
        if filename.endswith(".whl"):
            return parse_wheel_filename(filename)[0]
        return parse_sdist_filename(filename)[0]
    except (InvalidWheelFilename, InvalidSdistFilename):
        return ""


def _assemble(name: str, extras: str, address: str, marker: Marker | str | None) -> Requirement:
    text = f"{name}{extras} @ {address}" + (f" ; {marker}" if marker else "")
    if not name:
        raise ManifestError(
            f"`{address}` does not say which package it is", hint=f"write `name @ {address}`", kind="unnamed"
        )
    try:
        return Requirement(text)
    except (InvalidRequirement, RecursionError) as error:
        raise ManifestError(f"`{text}` is not a requirement: {_first_line(error)}", kind="unparsable") from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
