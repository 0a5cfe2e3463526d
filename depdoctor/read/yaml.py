"""YAML text to values with their lines. Every scalar stays the text that was written (`3.10` is not a number here).

Built from the parser's events, with no recursion, no tags and no objects: nothing in a document can run or grow.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from depdoctor.read.document import Document, Path
from depdoctor.read.errors import ManifestError

MOST_VALUES = 300_000
DEEPEST = 60
MOST_ALIASES = 100
"""Aliases are shared, never copied; but a walk over what is shared would visit it each time."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULL = frozenset({"", "~", "null", "Null", "NULL"})


def document(text: str) -> Document:
    """The first document of a YAML text; its top must be a mapping. Raises `ManifestError`."""
    try:
        top, lines = _Builder().build(text)
    except yaml.MarkedYAMLError as error:
        line = min(error.problem_mark.line, text.count("\n")) + 1 if error.problem_mark else 0
        raise ManifestError(f"is not valid YAML: {error.problem}", line=line, hint="mend the file") from error
    except (yaml.YAMLError, UnicodeError) as error:
        raise ManifestError(f"is not valid YAML: {error}", hint="mend the file") from error
    if not isinstance(top, dict):
        raise ManifestError("holds no mapping", line=1)
    return Document(top, lines)


class _Builder:
    def __init__(self) -> None:
        self._lines: dict[Path, int] = {}
        self._anchors: dict[str, Any] = {}
        self._open: list[tuple[Any, Path, str | None]] = []
        """The collections being filled: value, path and anchor."""
        self._key: str | None = None
        self._top: Any = None
        self._aliases = 0
        self._last = 0

    def build(self, text: str) -> tuple[Any, dict[Path, int]]:
        self._last = text.count("\n")
        events: Iterator[Any] = yaml.parse(text, Loader=_LOADER)
        for count, event in enumerate(events):
            line = min(event.start_mark.line, self._last) + 1
            if count > MOST_VALUES:
                raise ManifestError(f"holds more than {MOST_VALUES} values", line=line)
            if isinstance(event, yaml.DocumentEndEvent):
                break
            self._take(event, line)
        return self._top, self._lines

    def _take(self, event: Any, line: int) -> None:
        if isinstance(event, yaml.ScalarEvent):
            is_null = event.implicit[0] and event.value in _NULL
            self._add(event, None if is_null else event.value, line)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._add(event, {} if isinstance(event, yaml.MappingStartEvent) else [], line)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            value, _, anchor = self._open.pop()
            if anchor:  # only now, so that nothing can hold itself
                self._anchors[anchor] = value
        elif isinstance(event, yaml.AliasEvent):
            self._aliases += 1
            if self._aliases > MOST_ALIASES:
                raise ManifestError(f"has more than {MOST_ALIASES} aliases", line=line)
            if event.anchor not in self._anchors:
                raise ManifestError(f"has an alias `{event.anchor}` that stands for nothing", line=line)
            self._add(event, self._anchors[event.anchor], line)

    def _add(self, event: Any, value: Any, line: int) -> None:
        """Put a value where it belongs; a collection that begins becomes the innermost one."""
        starts = isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent)
        if isinstance(event, yaml.ScalarEvent) and event.anchor:
            self._anchors[event.anchor] = value
        path: Path = ()
        if not self._open:
            self._top = value
        else:
            collection, above, _ = self._open[-1]
            if isinstance(collection, list):
                path = (*above, len(collection))
                collection.append(value)
                self._lines.setdefault(path, line)
            elif self._key is None and not starts and not isinstance(value, dict | list):
                self._key = value or ""
                self._lines.setdefault((*above, self._key), line)
                return
            elif self._key is None:
                raise ManifestError("has a key that is no text", line=line)
            else:
                path = (*above, self._key)
                collection.setdefault(self._key, value)
                self._key = None
        if starts:
            if len(self._open) >= DEEPEST:
                raise ManifestError("is nested too deeply", line=line)
            self._open.append((value, path, event.anchor))
