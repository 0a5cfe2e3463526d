"""Bytes of a manifest to text, as pip does it.

A byte order mark decides, else a comment of PEP 263, else it is UTF-8, else a legacy code page.
"""

from __future__ import annotations

import codecs
import re

from depdoctor.read.errors import ManifestError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

_DECLARED = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)", re.ASCII)

LEGACY = "cp1252"
"""What Windows editors of western Europe write when they do not write UTF-8."""


def decode(data: bytes) -> tuple[str, str]:
    """The text of a file and the encoding it was read in.

    Raises `ManifestError` for what is no text: a NUL after decoding, or bytes that break the encoding they claim.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            text = _strictly(data[len(mark) :], encoding)
            break
    else:
        text, encoding = _unmarked(data)
    if "\0" in text:
        raise ManifestError("is not a text file: it holds zero bytes", hint="save it as UTF-8", kind="encoding")
    return text, encoding


def _unmarked(data: bytes) -> tuple[str, str]:
    for line in data.split(b"\n", 2)[:2]:
        if declared := _DECLARED.match(line):
            encoding = declared.group(1).decode("ascii")
            return _strictly(data, encoding), encoding
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        return data.decode(LEGACY, errors="replace"), LEGACY


def _strictly(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except (LookupError, ValueError) as error:
        message = f"cannot be decoded as {encoding}"
        raise ManifestError(message, hint="save it as UTF-8", kind="encoding") from error
