"""Reading a table: the fields of a row class are the schema of its table."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, fields
from functools import lru_cache, partial
from types import NoneType
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from depdoctor.errors import RulesError
from depdoctor.model.expression import expression
from depdoctor.model.finding import Confidence
from depdoctor.model.noun import dataclass
from depdoctor.rules.pattern import Pattern, compiled
from depdoctor.rules.places import Source
from depdoctor.rules.rows import Capability, Provenance

SCHEMA = 1
"""The version of the format that this release reads."""

PROVENANCE = ("source", "date", "confidence")

HEADER = ("schema", "title", *PROVENANCE)

REMOVE = "remove"
"""The key that makes a row of one's own take the shipped row with its key away."""

R = TypeVar("R")

_TARGET = expression(r"^(sm|compute)_(\d+)(\d)([af]?)$")


@dataclass(frozen=True, slots=True)
class Table(Generic[R]):
    """A table: the stem of its file, the name of its rows there, their class, and the fields that tell rows apart."""

    stem: str
    row: str
    type: type[R]
    key: tuple[str, ...]

    def key_of(self, row: R) -> tuple[str, ...]:
        """What tells this row apart; a row of a later file with the same key takes its place."""
        return tuple(str(getattr(row, name)) for name in self.key)


def parse(table: Table[R], document: Mapping[str, Any], source: Source, *, thoroughly: bool = False) -> tuple[R, ...]:
    """The rows of a parsed TOML document. Raises `RulesError` with the file, the line and the key.

    Patterns are compiled when they are first used, or here if it is to be done `thoroughly`.
    """
    columns = _columns(table, thoroughly=thoroughly)
    return tuple(
        _row(table.type, columns, raw, _provenance(raw, document, place), place)
        for raw, place in _places(table, document, source)
    )


def parse_own(
    table: Table[R], document: Mapping[str, Any], source: Source
) -> tuple[tuple[R, ...], Mapping[tuple[str, ...], str]]:
    """The rows of a table of one's own, and the keys of those that it takes away (`remove = true`), with their places.

    A row that takes one away names it by its key, and tells nothing else. Raises `RulesError` as `parse` does.
    """
    columns = _columns(table, thoroughly=True)
    rows: list[R] = []
    removed: dict[tuple[str, ...], str] = {}
    for raw, place in _places(table, document, source):
        if REMOVE not in raw:
            rows.append(_row(table.type, columns, raw, _provenance(raw, document, place), place))
        elif raw[REMOVE] is not True:
            raise RulesError(f"`{REMOVE}` can only be true", where=place(REMOVE), hint="leave it out to add a row")
        else:
            removed[_key(table, columns, {name: raw[name] for name in raw if name != REMOVE}, place)] = place("")
    return tuple(rows), removed


def _key(
    table: Table[R], columns: Mapping[str, _Column], raw: Mapping[str, Any], place: Callable[[str], str]
) -> tuple[str, ...]:
    """What tells apart the row that these few columns name."""
    names = [name.replace("_", "-") for name in table.key]
    if more := set(raw) - set(names):
        raise RulesError(
            f"`{min(more)}` does not tell which row to remove", where=place(min(more)), hint=f"name {', '.join(names)}"
        )
    values = _values(columns, raw, place)
    defaults = {each.name: each for each in fields(table.type)}  # type: ignore[arg-type]
    found = []
    for name in table.key:
        default = defaults[name]
        if name in values:
            found.append(values[name])
        elif default.default is not MISSING:
            found.append(default.default)
        elif default.default_factory is not MISSING:
            found.append(default.default_factory())
        else:
            raise RulesError(f"`{name.replace('_', '-')}` is missing", where=place(""))
    return tuple(map(str, found))


def _places(
    table: Table[Any], document: Mapping[str, Any], source: Source
) -> Iterator[tuple[Mapping[str, Any], Callable[[str], str]]]:
    """The rows of a document as they are written, each with what names the place of a key in it, "" for the row."""
    if document.get("schema") != SCHEMA:
        hint = "this release reads no other format"
        raise RulesError(f"`schema` must be {SCHEMA}", where=source.place(key="schema"), hint=hint)
    if unknown := set(document) - {*HEADER, table.row}:
        hint = f"rows are `[[{table.row}]]`"
        raise RulesError(f"unknown key `{min(unknown)}`", where=source.place(key=min(unknown)), hint=hint)
    rows = document.get(table.row, [])
    if not isinstance(rows, list) or not all(isinstance(raw, dict) for raw in rows):
        raise RulesError(
            f"`{table.row}` must be rows", where=source.place(key=table.row), hint=f"rows are `[[{table.row}]]`"
        )
    for number, raw in enumerate(rows, start=1):
        yield raw, partial(source.place, table.row, number)


@dataclass(frozen=True, slots=True)
class _Column:
    field: str
    convert: Callable[[Any], Any]
    required: bool


def _row(
    kind: type[R],
    columns: Mapping[str, _Column],
    raw: Mapping[str, Any],
    provenance: Provenance,
    place: Callable[[str], str],
) -> R:
    told = {name: value for name, value in raw.items() if name not in PROVENANCE}
    values = _values(columns, told, place)
    for name, column in columns.items():
        if column.required and column.field not in values:
            raise RulesError(f"`{name}` is missing", where=place(""))
    values["provenance"] = provenance
    return kind(**values)


def _values(columns: Mapping[str, _Column], raw: Mapping[str, Any], place: Callable[[str], str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in raw.items():
        column = columns.get(name)
        if column is None:
            raise RulesError(f"unknown key `{name}`", where=place(name), hint=f"known are {', '.join(sorted(columns))}")
        try:
            values[column.field] = column.convert(value)
        except (ValueError, TypeError, InvalidVersion, InvalidSpecifier, InvalidRequirement, re.error) as error:
            raise RulesError(f"`{name}` cannot be `{value}`: {error}", where=place(name)) from error
    return values


def _provenance(raw: Mapping[str, Any], document: Mapping[str, Any], place: Callable[[str], str]) -> Provenance:
    found = {name: raw.get(name, document.get(name)) for name in PROVENANCE}
    if missing := [name for name, value in found.items() if value is None]:
        raise RulesError(f"`{missing[0]}` is missing", where=place(""), hint="a fact needs source, date and confidence")
    if type(found["date"]) is not datetime.date:
        raise RulesError("`date` must be a date, as in 2026-11-22", where=place("date"))
    try:
        confidence = Confidence(found["confidence"])
    except ValueError as error:
        raise RulesError(f"`confidence` cannot be `{found['confidence']}`", where=place("confidence")) from error
    return _interned(str(found["source"]), found["date"].isoformat(), confidence)


@lru_cache(maxsize=1024)
def _interned(source: str, date: str, confidence: Confidence) -> Provenance:
    return Provenance(source=source, date=date, confidence=confidence)


@lru_cache(maxsize=64)
def _columns(table: Table[Any], *, thoroughly: bool) -> Mapping[str, _Column]:
    hints = get_type_hints(table.type)
    return {
        field.name.replace("_", "-"): _Column(
            field.name,
            _checked if thoroughly and hints[field.name] is Pattern else _converter(hints[field.name]),
            field.default is MISSING and field.default_factory is MISSING,
        )
        for field in fields(table.type)
        if field.name != "provenance"
    }


def _converter(hint: Any) -> Callable[[Any], Any]:
    if get_origin(hint) is tuple:
        return _each(_converter(get_args(hint)[0]))
    if NoneType in get_args(hint):
        return _converter(next(each for each in get_args(hint) if each is not NoneType))
    return _CONVERTERS[hint]


def _each(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def values(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise ValueError("a list is wanted")
        return tuple(convert(each) for each in value)

    return values


def _exactly(kind: type) -> Callable[[Any], Any]:
    def same(value: Any) -> Any:
        if type(value) is not kind:
            raise ValueError(f"{kind.__name__} is wanted")
        return value

    return same


@lru_cache(maxsize=4096)
def _version(value: str) -> Version:
    return Version(value)


@lru_cache(maxsize=1024)
def capability_of(value: str) -> Capability:
    """A target as nvcc writes it ("sm_86", "compute_80"). Raises `ValueError`."""
    match = _TARGET.match(value)
    if match is None:
        raise ValueError("a target is written sm_86 or compute_80")
    kind, major, minor, suffix = match.groups()
    return Capability(major=int(major), minor=int(minor), ptx=kind == "compute", suffix=suffix)


@lru_cache(maxsize=1024)
def _pattern(value: str) -> Pattern:
    return Pattern(text=_exactly(str)(value))


def _checked(value: str) -> Pattern:
    pattern = _pattern(value)
    compiled(pattern.text)
    return pattern


_CONVERTERS: dict[Any, Callable[[Any], Any]] = {
    str: _exactly(str),
    int: _exactly(int),
    bool: _exactly(bool),
    Version: _version,
    SpecifierSet: SpecifierSet,
    Requirement: Requirement,
    NormalizedName: canonicalize_name,
    Capability: capability_of,
    Pattern: _pattern,
}
