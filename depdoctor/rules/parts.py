"""A large table a package at a time: most runs ask for the rows of a few packages of hundreds."""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeVar

from packaging.utils import NormalizedName, canonicalize_name

from depdoctor.rules.places import Source
from depdoctor.rules.schema import Table, parse

R = TypeVar("R")

_PACKAGE = re.compile(r'^package = "([^"]+)"$', re.MULTILINE)


class ByPackage(Mapping[NormalizedName, tuple[R, ...]], Generic[R]):
    """The rows of a table by their package, each parsed when it is first asked for.

    A row begins with its `[[header]]` on a line of its own, and names its package on another, as in all tables here.
    Raises `RulesError` when a row that is asked for breaks a rule, and TOML's error.
    """

    def __init__(self, table: Table[R], source: Source) -> None:
        self._table, self._name = table, source.name
        self._head, *parts = re.split(rf"^(?=\[\[{table.row}\]\]$)", source.text, flags=re.MULTILINE)
        texts: dict[str, list[str]] = defaultdict(list)
        for part in parts:
            for name in _PACKAGE.findall(part):
                texts[canonicalize_name(name)].append(part)
        self._texts: Mapping[Any, list[str]] = dict(texts)
        self._rows: dict[NormalizedName, tuple[R, ...]] = {}

    def __getitem__(self, name: NormalizedName) -> tuple[R, ...]:
        """The rows of a package, in the order of the table."""
        if name not in self._rows:
            text = "".join((self._head, *self._texts[name]))
            self._rows[name] = parse(self._table, tomllib.loads(text), Source(f"{self._name}, of {name}", text))
        return self._rows[name]

    def __iter__(self) -> Iterator[NormalizedName]:
        """The packages."""
        return iter(self._texts)

    def __len__(self) -> int:
        """How many packages there are."""
        return len(self._texts)
