"""TOML text to values, and the line on which each value stands, which `tomllib` does not tell."""

from __future__ import annotations

import re
import tomllib
from array import array
from bisect import bisect_right
from typing import Any

from depdoctor.read.document import Document, Path
from depdoctor.read.errors import ManifestError

LONGEST = 4_000_000
"""Characters; several times the longest lockfile seen."""

MOST_TABLES = 50_000
"""Lines that begin with a bracket; several times those of the longest lockfile. Tables take sixty times their text."""

MOST_KEY_PARTS = 500
"""`a.b.c` has three. tomllib takes time with the square of this number."""

_PART = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')"""
# Matches single parts too, so that a long word is passed over at once and not from each of its letters.
_DOTTED = re.compile(rf"{_PART}(?:[ \t]*+\.[ \t]*+{_PART})*+")
_HEADER = re.compile(r"^[ \t]*\[", re.MULTILINE)
_AT_LINE = re.compile(r"\(at line (\d+), column \d+\)")


def document(text: str) -> Document:
    """The values of a TOML document and their lines. Raises `ManifestError`."""
    data = load(text)
    return Document(data, _Scan(text).lines)


def load(text: str) -> dict[str, Any]:
    """The values of a TOML document. Raises `ManifestError` with the line where it breaks, or if it is far too long."""
    if len(text) > LONGEST:
        raise ManifestError(f"is longer than {LONGEST} characters")
    for dotted in _DOTTED.finditer(text):
        if dotted.end() - dotted.start() > MOST_KEY_PARTS and dotted.group().count(".") > MOST_KEY_PARTS:
            line = text.count("\n", 0, dotted.start()) + 1
            raise ManifestError("has a key of too many parts", line=line)
    if sum(1 for _ in _HEADER.finditer(text)) > MOST_TABLES:
        raise ManifestError(f"has more than {MOST_TABLES} tables", hint="is this a manifest?")
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ManifestError("is nested too deeply") from error
    except ValueError as error:
        found = _AT_LINE.search(str(error))
        line = int(found.group(1)) if found else 0
        message = _AT_LINE.sub("", str(error)).strip()
        raise ManifestError(f"is not valid TOML: {message}", line=line, hint="mend the file") from error


_SKIP = re.compile(r"(?:[ \t\r\n,]++|#[^\n]*+)*+")
_KEY_PART = re.compile(r"""[ \t]*+(?P<part>[\w-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')[ \t]*+(?P<dot>\.)?+""")
_SCALAR = re.compile(
    r'''"""(?:[^"\\]|\\.|"(?!""))*+"{3,5}|\'\'\'(?:[^']|'(?!''))*+'{3,5}|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+'|[^,\]}\n#]++''',
    re.DOTALL,
)


class _Scan:
    """The line of every key and array item of a TOML document that `load` accepts."""

    def __init__(self, text: str) -> None:
        self.lines: dict[Path, int] = {}
        self._text = text
        # Of packed numbers: as objects they would take forty times a file of empty lines.
        self._ends = array("L", (match.start() for match in re.finditer("\n", text)))
        self._tables: dict[Path, int] = {}
        self._scan()

    def _scan(self) -> None:
        position = 0
        table: Path = ()
        while (position := self._skip(position)) < len(self._text):
            if self._text.startswith("[[", position):
                path, end = self._key(position + 2)
                parent, key = self._resolved(path[:-1]), path[-1]
                index = self._tables.get((*parent, key), 0)
                self._tables[(*parent, key)] = index + 1
                table = (*parent, key, index)
                for depth in range(len(table)):
                    self._note(table[: depth + 1], position)
                position = end + 2
            elif self._text[position] == "[":
                path, end = self._key(position + 1)
                table = self._resolved(path)
                for depth in range(len(table)):
                    self._note(table[: depth + 1], position)
                position = end + 1
            else:
                position = self._pair(position, table)

    def _pair(self, position: int, table: Path) -> int:
        key, equals = self._key(position)
        path = (*table, *key)
        for depth in range(len(table), len(path)):
            self._note(path[: depth + 1], position)
        return self._value(self._skip(equals + 1), path)

    def _value(self, position: int, path: Path) -> int:
        opening = self._text[position]
        if opening == "[":
            index, position = 0, self._skip(position + 1)
            while self._text[position] != "]":
                self._note((*path, index), position)
                position = self._skip(self._value(position, (*path, index)))
                index += 1
            return position + 1
        if opening == "{":
            position = self._skip(position + 1)
            while self._text[position] != "}":
                position = self._skip(self._pair(position, path))
            return position + 1
        scalar = _SCALAR.match(self._text, position)
        return scalar.end() if scalar else len(self._text)

    def _key(self, position: int) -> tuple[tuple[str, ...], int]:
        """The parts of a dotted key, and where it ends."""
        parts: list[str] = []
        while match := _KEY_PART.match(self._text, position):
            part, position = match["part"], match.end()
            parts.append(tomllib.loads(f"_={part}")["_"] if part[0] in "\"'" else part)
            if not match["dot"]:
                break
        return tuple(parts), position

    def _resolved(self, path: tuple[str, ...]) -> Path:
        """A header's path with the index of the newest table in each array of tables on its way."""
        resolved: Path = ()
        for part in path:
            resolved = (*resolved, part)
            if count := self._tables.get(resolved):
                resolved = (*resolved, count - 1)
        return resolved

    def _skip(self, position: int) -> int:
        match = _SKIP.match(self._text, position)
        return match.end() if match else position

    def _note(self, path: Path, position: int) -> None:
        self.lines.setdefault(path, bisect_right(self._ends, position - 1) + 1)
