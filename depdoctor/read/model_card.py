"""Model cards: the version of a model that the front matter of the README beside its weights states.

The hub's model card format: YAML between two lines of three dashes, before anything else.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping

from depdoctor.model.expression import expression
from depdoctor.read.weights import version_of

NAMES = ("README.md", "MODEL_CARD.md", "model_card.md", "modelcard.md")
LONGEST_FRONT = 50_000
"""Characters of front matter; reading YAML takes its time, and nobody writes more by hand."""
_FRONT = expression(r"\A\ufeff?---[ \t]*\r?\n(?P<text>.*?)^---[ \t\r]*$", re.DOTALL | re.MULTILINE)


def version_beside(path: str, root: str, text_or_none: Callable[[str], str | None]) -> str:
    """The version that the nearest card states, in the folder of a file of weights or above it, up to its project."""
    for folder in _folders(path, root):
        for name in NAMES:
            text = text_or_none(posixpath.normpath(posixpath.join(folder, name)))
            if text is not None and (found := version(text)):
                return found
    return ""


def version(text: str) -> str:
    """The version that the front matter of a card states, "" for none. Raises nothing for what it holds."""
    front = _FRONT.match(text)
    if front is None or "version" not in front["text"] or len(front["text"]) > LONGEST_FRONT:
        return ""
    import yaml

    # Every scalar as its author wrote it: 1.10 is no number here.
    try:
        found = yaml.load(front["text"], Loader=yaml.BaseLoader)  # noqa: S506 - makes nothing but text, lists and dicts
    except (yaml.YAMLError, RecursionError, ValueError):
        return ""
    return version_of(found) if isinstance(found, Mapping) else ""


def _folders(path: str, root: str) -> Iterator[str]:
    """The folder of a file and those above it, up to the root of its project."""
    folder = posixpath.dirname(path) or "."
    top = posixpath.normpath(root)
    while True:
        yield folder
        if folder in {top, ".", ""}:
            return
        folder = posixpath.dirname(folder) or "."
