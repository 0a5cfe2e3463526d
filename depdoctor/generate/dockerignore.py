"""What never goes into an image: histories, environments, caches, secrets, and what a project itself leaves out."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from depdoctor.model.context import IGNORED


def dockerignore(folders: Collection[str], ignored: Mapping[str, Sequence[str]]) -> str:
    """The file that BuildKit reads because it stands beside the Dockerfile and bears its name.

    `folders` are the projects', "." for the root of all; `ignored` are the lines of the `.dockerignore` that some of
    them have. What a project leaves out says nothing of a project inside it, which has the same context.
    """
    lines = [*IGNORED]
    for folder in sorted(set(folders), key=lambda path: "" if path == "." else path):
        if any(_holds(other, folder) for other in ignored):
            lines += [f"!{_escaped(folder)}", f"!{_escaped(folder)}/**", *_below(folder, IGNORED)]
        lines += _below(folder, ignored.get(folder, ()))
    return "\n".join([*lines, ""])


def _holds(outer: str, inner: str) -> bool:
    return outer != inner and (outer == "." or inner.startswith(f"{outer}/"))


def _below(folder: str, lines: Sequence[str]) -> Iterator[str]:
    """The patterns of a project's own file, which start from its folder, as those of the whole context."""
    for line in lines:
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        negated, pattern = ("!", pattern[1:].strip()) if pattern.startswith("!") else ("", pattern)
        pattern = pattern.removeprefix("./").strip("/")
        if pattern and pattern != ".":
            yield f"{negated}{pattern}" if folder == "." else f"{negated}{_escaped(folder)}/{pattern}"


def _escaped(path: str) -> str:
    return re.sub(r"([\\*?\[\]])", r"\\\1", path)
