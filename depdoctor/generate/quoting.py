"""Text of others as words of a Dockerfile, so that nothing in a manifest becomes an instruction."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from depdoctor.errors import UsageError
from depdoctor.model.plan import REFERENCE

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def exec_form(arguments: Sequence[str]) -> str:
    """A command as a JSON array. BuildKit runs it without a shell and expands nothing in it."""
    return json.dumps(list(arguments))


def copy_form(source: str, destination: str) -> str:
    """Source and destination of a COPY as a JSON array.

    COPY expands variables, quotes and backslashes even there, so these are escaped; and it takes `[` for the start of a
    class, so that becomes a class of its own. `*` and `?` have no spelling that BuildKit 0.12 takes literally.
    """
    words = (source.replace("[", "[[]"), destination)
    return json.dumps([re.sub(r"[\\'\"$]", lambda match: f"\\{match[0]}", word) for word in words])


def label_value(text: str) -> str:
    """A double-quoted word of LABEL or ENV. Control characters are shown as escapes, since a line must not end."""
    visible = CONTROL.sub(lambda match: f"%{ord(match[0]):02X}", text)
    return '"' + re.sub(r"[\\\"$]", lambda match: f"\\{match[0]}", visible) + '"'


def reference(text: str) -> str:
    """An image reference, which FROM cannot quote. Raises `UsageError` if it is none."""
    if not REFERENCE.fullmatch(text):
        raise UsageError(f"`{CONTROL.sub('?', text)}` is not an image reference", hint="correct `base` under `[image]`")
    return text
