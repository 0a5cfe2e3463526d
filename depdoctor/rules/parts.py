"""Large tables in parts: most runs ask for the rows of a few packages, or of one image, of hundreds."""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Generic, TypeVar

from packaging.utils import NormalizedName, canonicalize_name

from depdoctor.model.expression import expression
from depdoctor.rules.pattern import Pattern
from depdoctor.rules.places import Source
from depdoctor.rules.schema import Table, parse

R = TypeVar("R")

_PACKAGES = expression(r'^packages? = ("[^"]+"|\[.*\])$', re.MULTILINE)
_NAME = expression(r'"([^"]+)"')
_IMAGE = expression(r"^image = .*$", re.MULTILINE)


class ByPackage(Mapping[NormalizedName, tuple[R, ...]], Generic[R]):
    """The rows of a table by their packages, each parsed when it is first asked for.

    A row begins with its `[[header]]` on a line of its own, and names its packages on another, as in all tables here.
    Raises `RulesError` when a row that is asked for breaks a rule, and TOML's error.
    """

    def __init__(self, table: Table[R], source: Source) -> None:
        self._table, self._name = table, source.name
        self._head, *parts = _split(table, source)
        texts: dict[NormalizedName, list[str]] = defaultdict(list)
        for part in parts:
            for line in _PACKAGES.findall(part):
                for name in _NAME.findall(line):
                    texts[canonicalize_name(name)].append(part)
        self._texts = dict(texts)
        self._rows: dict[NormalizedName, tuple[R, ...]] = {}

    def __getitem__(self, name: NormalizedName) -> tuple[R, ...]:
        """The rows of a package, in the order of the table."""
        if name not in self._rows:
            text = "".join((self._head, *self._texts[name]))
            self._rows[name] = _parsed(self._table, Source(f"{self._name}, of {name}", text))
        return self._rows[name]

    def __contains__(self, name: object) -> bool:
        """Whether there are rows of a package; none is parsed for that."""
        return name in self._texts

    def __iter__(self) -> Iterator[NormalizedName]:
        """The packages."""
        return iter(self._texts)

    def __len__(self) -> int:
        """How many packages there are."""
        return len(self._texts)


class ByImage(Generic[R]):
    """The rows of a table whose `image` is a pattern on a line of its own, parsed when an image has that name.

    Raises as `ByPackage` does.
    """

    def __init__(self, table: Table[R], source: Source) -> None:
        self._table, self._name = table, source.name
        self._head, *parts = _split(table, source)
        self._parts = [(_image(match[0]) if (match := _IMAGE.search(part)) else None, part) for part in parts]
        self._rows: dict[str, tuple[R, ...]] = {}

    def rows(self, image: str) -> tuple[R, ...]:
        """The rows of an image, in the order of the table."""
        if image not in self._rows:
            parts = (part for pattern, part in self._parts if pattern is None or pattern.match(image))
            text = "".join((self._head, *parts))
            self._rows[image] = _parsed(self._table, Source(f"{self._name}, of {image}", text))
        return self._rows[image]


def _split(table: Table[R], source: Source) -> list[str]:
    """What stands before the first row, and the rows."""
    return re.split(rf"^(?=\[\[{table.row}\]\]$)", source.text, flags=re.MULTILINE)


def _parsed(table: Table[R], source: Source) -> tuple[R, ...]:
    return parse(table, tomllib.loads(source.text), source)


@lru_cache(maxsize=256)
def _image(line: str) -> Pattern:
    return Pattern(text=tomllib.loads(line)["image"])
