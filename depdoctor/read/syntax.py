"""Python text to a syntax tree, without running a line of it and without its warnings."""

from __future__ import annotations

import ast
import threading
import warnings

_parsing = threading.Lock()
"""Held while the compiler's warnings are silenced, which is for the whole process."""


def tree_of(text: str) -> ast.Module:
    """The syntax tree of a file. Raises `SyntaxError` for whatever does not parse, hostile nesting included."""
    try:
        with _parsing, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (ValueError, RecursionError, MemoryError) as error:
        raise SyntaxError(str(error)) from error
