"""Which Python a project asks for outside its manifests."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable

from depdoctor.model.expression import expression

_VERSION = expression(r"^(?:cpython[-@]?|python-)?(?P<minor>3\.\d{1,2})(?:\.\d+)?(?:[abrc.]\w*)?$", re.IGNORECASE)


def python_of(folder: str, open_text: Callable[[str], str | None]) -> str:
    """The Python minor of a project folder: `.python-version` there or in a folder around it, else `runtime.txt`.

    Each holds a version on its first line that is no comment; what is not CPython 3 is passed over. "" if none says.
    """
    around = folder
    while True:
        if minor := _first(open_text(_in(around, ".python-version"))):
            return minor
        if around in {"", "."}:
            return _first(open_text(_in(folder, "runtime.txt")))
        around = posixpath.dirname(around)


def _in(folder: str, name: str) -> str:
    return posixpath.normpath(posixpath.join(folder, name))


def minor_of(version: str) -> str:
    """The minor ("3.11") of a Python version as people write it; "" for what is not CPython 3."""
    match = _VERSION.match(version.strip())
    return match["minor"] if match else ""


def _first(text: str | None) -> str:
    lines = (line.strip() for line in (text or "").splitlines())
    for line in lines:
        if line and not line.startswith("#"):
            return minor_of(line)
    return ""
