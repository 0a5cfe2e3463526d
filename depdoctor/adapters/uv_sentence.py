"""What uv gives as its reason, in one plain sentence; its derivation is for those who want to follow it."""

from __future__ import annotations

import re

SENTENCE_LIMIT = 300
"""Characters of a sentence. What is longer is a derivation, and nobody reads it in a table."""

_NO_ACCESS = re.compile(r"index URL \((\S+)\) could not be queried .*?\((\d{3}) ([^)]*)\)")
_FETCH = re.compile(r"Failed to fetch: `?(\S+?)`?(?= |$)")
_STATUS = re.compile(r"HTTP status \w+ error \((\d{3} [^)]*)\)")
_SEVERAL = re.compile(r"\b(?:one|all) of: ((?:[^\s,]+[=<>~!][^\s]* )+)")
_REQUIRE = re.compile(r" and you require (.+)$")


def sentence(text: str, hint: str = "") -> str:
    """The reason in an explanation, which is one line that begins with "error:", and in uv's hints."""
    if access := _NO_ACCESS.search(hint):
        return (
            f"the index {access[1]} refuses the credentials it was given, or was given none ({access[2]} {access[3]})"
        )
    if fetch := _FETCH.search(text):
        return f"{fetch[1]} cannot be fetched: {_last_cause(text)}"
    head, _, cause = text.partition(" cause: ")
    if not head.startswith("error: No solution"):
        return _short(text.removeprefix("error: ").replace(" cause: ", ": "))
    premises = cause.removeprefix("Because ").partition("we can conclude")[0].rstrip(" ,.")
    premises = _SEVERAL.sub(lambda listed: " or ".join(listed[1].split()) + " ", f"{premises} ").rstrip()
    if (required := _REQUIRE.search(premises)) and _said(required[1], premises[: required.start()]):
        premises = premises[: required.start()]
    return _short(premises.replace("you require", "the project requires").replace("your requirements", "these"))


def _said(required: str, before: str) -> bool:
    """Whether all that is required was named already, so that nothing is lost where it is left out."""
    words = [word.strip(",.") for word in required.split() if word != "and"]
    return all(word in before.replace(",", " ").split() or word in before.split() for word in words)


def _last_cause(text: str) -> str:
    if status := _STATUS.search(text):
        return status[1]
    return text.rpartition(" cause: ")[2].partition(" (os error")[0]


def _short(text: str) -> str:
    text = text.rstrip(". ")
    return text if len(text) <= SENTENCE_LIMIT else text[:SENTENCE_LIMIT].rpartition(" ")[0] + " ..."
