"""Whether a file with the name of a manifest is one, by a look at its beginning."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from pathlib import Path
from typing import Any

from depdoctor.model.expression import expression
from depdoctor.model.formats import DOCKERFILE, GENERATED

SMALL_BYTES = 65_536
"""How much of a file is looked at to see what it is for."""

_PYPROJECT = expression(
    r"^[ \t]*\[+[ \t]*"
    r"(?:project|build-system|dependency-groups|tool[ \t]*\.[ \t]*(?:poetry|pdm|pixi|flit|hatch[ \t]*\.[ \t]*envs))\b",
    re.MULTILINE,
)
_LOOKS = {
    "setup.cfg": (re.compile(r"^\[(?:metadata|options)\b", re.MULTILINE), "has neither [metadata] nor [options]"),
    "setup.py": (re.compile(r"\bsetup\s*\("), "calls no setup()"),
    "environment.yml": (re.compile(r"^dependencies\s*:", re.MULTILINE), "has no `dependencies`"),
    "config.yaml": (re.compile(r"^(?:model_name|model_metadata)\s*:", re.MULTILINE), "is not of Truss"),
}
"""What a file of a common name must hold somewhere to be a manifest, and what it is otherwise."""

_FROM = expression(
    r"^[ \t]*(?:FROM[ \t]+\S|[Ff]rom[ \t]+(?:--\S+[ \t]+)*\S+(?:[ \t]+as[ \t]+\S+)?[ \t]*\r?$)", re.MULTILINE
)
"""The instruction without which nothing is a Dockerfile; `from x import y` of a `dockerfile.py` is none."""

_ABOUT_PYTHON = expression(r"\b(?:pip3?|uv|conda|mamba|micromamba|poetry|pipenv|python[\d.]*|py3)\b")


def small(path: Path | str) -> str:
    """The beginning of a text file; "" if there is none to read, or only a symlink to one."""
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return ""
        with open(path, "rb") as file:  # noqa: PTH123 - of hundreds, a `Path` each is what takes the time
            data = file.read(SMALL_BYTES)
    except OSError:
        return ""
    return data.decode("utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig", errors="replace")


def why_not(path: Path, format_name: str) -> str:
    """Why a file with the name of a manifest is none, "" if it is one or may be.

    A symlink may be one: where it leads is for the reader to judge. So may a Dockerfile: what lies around it counts.
    """
    if path.is_symlink():
        return ""
    if format_name == DOCKERFILE:
        return _why_no_dockerfile(small(path))
    if format_name in _LOOKS:
        look, reason = _LOOKS[format_name]
        return "" if look.search(small(path)) else reason
    if format_name == "pyproject.toml" and _is_settings_only(small(path)):
        return "only configures tools"
    return ""


def _why_no_dockerfile(text: str) -> str:
    if text.startswith(GENERATED):
        return "was made by depdoctor"
    return "has no FROM" if text.strip() and not _FROM.search(text) else ""


def is_about_python(path: Path) -> bool:
    """Whether what a Dockerfile builds has to do with Python."""
    return bool(_ABOUT_PYTHON.search(small(path)))


def _is_settings_only(text: str) -> bool:
    """Whether a `pyproject.toml` only configures tools. One that is broken counts as a manifest, to be reported."""
    if _PYPROJECT.search(text):
        return False
    data = toml(text)
    return data is not None and data.keys().isdisjoint({"project", "build-system", "dependency-groups"})


def toml(text: str) -> dict[str, Any] | None:
    """A TOML document, None where it is broken."""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError):
        return None
