"""HTML elements: whatever is not markup already is escaped, so that nothing has to remember to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

VOID = frozenset({"input", "meta"})
UNCLOSED = frozenset({"td", "th", "tr", "li"})
"""Elements whose end tags may be left out (HTML, section 13.1.2.4); a matrix has thousands of them."""

_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
"""What no page can hold, and what makes a page show letters in another order than they stand in."""

_BARE = re.compile("[A-Za-z0-9_.-]+")
"""Values that need no quotation marks (HTML, section 13.1.2.3)."""


class Markup(str):
    """HTML as it goes into a page."""

    __slots__ = ()


Child = str | Iterable["Child"]


def text(value: str) -> Markup:
    """A text as markup that shows it."""
    return Markup(escape(_UNSEEN.sub("\ufffd", value)).replace("\r", "&#13;"))


def tag(name: str, /, *children: Child, **attributes: str | bool) -> Markup:
    """An element. `class_` stands for `class`, and `aria_label` for `aria-label`; False and "" leave one out."""
    stated = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f"={_quoted(str(value))}")
        for key, value in attributes.items()
        if value
    )
    end = "" if name in VOID or name in UNCLOSED else f"</{name}>"
    return Markup(f"<{name}{stated}>{joined(children)}{end}")


def _quoted(value: str) -> str:
    return value if _BARE.fullmatch(value) else f'"{text(value)}"'


def joined(children: Child) -> Markup:
    """Children one after another."""
    if isinstance(children, Markup):
        return children
    if isinstance(children, str):
        return text(children)
    return Markup("".join(map(joined, children)))


def phrase(value: str) -> Markup:
    """A text in which what stands between backticks is code."""
    parts = value.split("`")
    if len(parts) % 2 == 0:
        return text(value)
    return joined(tag("code", part) if number % 2 else part for number, part in enumerate(parts))


def path(value: str) -> Markup:
    """A path that may be broken after each slash, and elsewhere only if it has to."""
    return Markup(text(value).replace("/", "/<wbr>"))


def scrolling(label: str, table: Markup) -> Markup:
    """A table in a part of the page that scrolls by itself, with the keyboard too."""
    return tag("div", table, class_="scroll", tabindex="0", role="region", aria_label=label)
