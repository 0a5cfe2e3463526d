"""The steps of uv's proof that something is impossible: which package asks for which versions of another.

The text is not a stable format. A step that is not understood is left out, and no verdict rests on those that are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

_MARKER = re.compile(r"\{[^}]*\}")
_PROSE = {"and", "but", "because", "we"}
_UPPER, _LOWER = {"<", "<="}, {">", ">="}

MOST_TEXT = 50_000
"""Characters read of a proof; a hard one runs to a thousand lines, and nobody follows a chain out of those."""

MOST_RANGES = 200
"""Ranges read of one list."""


def read_steps(text: str) -> tuple[tuple[str, str], ...]:
    """Pairs of what depends and what it depends on, as PEP 508 texts, each two packages once.

    `transformers>=4.45.2,<5 depends on one of: tokenizers>=0.20,<0.21 tokenizers>=0.21` and another statement about
    `transformers>=5` are read as `("transformers>=4.45.2", "tokenizers>=0.20")`, a range around all. What uv concludes
    about two packages counts only where it also says that the one depends on the other by itself.
    """
    found: dict[tuple[str, str], list[Step]] = {}
    for step in _steps(_MARKER.sub("", text[:MOST_TEXT]).split()):
        found.setdefault((_name(step.dependent), _name(step.needed)), []).append(step)
    return tuple(
        (
            dependent + around([str(step.dependent.specifier) for step in steps]),
            needed + around([str(step.needed.specifier) for step in steps]),
        )
        for (dependent, needed), steps in found.items()
        if not all(step.concluded for step in steps)
    )


class Step(NamedTuple):
    """A statement of the proof: a premise, or something concluded."""

    dependent: Requirement
    needed: Requirement
    concluded: bool


def _steps(words: Sequence[str]) -> Iterator[Step]:
    concluded = False
    for place, word in enumerate(words):
        if word in {"that", "Because", "because"}:
            concluded = word == "that"
        if word in {"depend", "depends"} and place and words[place + 1 : place + 2] == ["on"]:
            dependent, start = _requirement(words[place - 1]), place + 2
            several = words[start + 1 : start + 2] == ["of:"]
            listed = words[start + 2 : start + 2 + MOST_RANGES] if several else words[start : start + 1]
            if dependent is not None:
                yield from (Step(dependent, needed, concluded) for needed in _listed(listed))


def _listed(words: Sequence[str]) -> Iterator[Requirement]:
    for word in words:
        requirement = _requirement(word)
        if requirement is None or word.lower() in _PROSE:
            return
        yield requirement
        if word.endswith((",", ".")):
            return


def _name(requirement: Requirement) -> str:
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    return f"{canonicalize_name(requirement.name)}{extras}"


def around(ranges: list[str]) -> str:
    """One specifier that holds every version which one of these specifiers does, as narrow as two bounds allow."""
    if len(set(ranges)) == 1:
        return ranges[0]
    bounds = [_bounds(text) for text in ranges]
    lows = [low for low, _ in bounds]
    highs = [high for _, high in bounds]
    low = "" if "" in lows else min(lows, key=_version)
    high = "" if "" in highs else max(highs, key=_version)
    return ",".join(filter(None, (low, high)))


def _bounds(text: str) -> tuple[str, str]:
    low = high = ""
    for specifier in SpecifierSet(text):
        if specifier.operator == "==" and "*" not in specifier.version:
            return f">={specifier.version}", f"<={specifier.version}"
        low = str(specifier) if specifier.operator in _LOWER else low
        high = str(specifier) if specifier.operator in _UPPER else high
    return low, high


def _version(bound: str) -> Version:
    return Version(bound.lstrip("<>="))


def _requirement(text: str) -> Requirement | None:
    try:
        return Requirement(text.rstrip(",."))
    except InvalidRequirement:
        return None
