"""`[tool.poetry]` of a `pyproject.toml`, of Poetry 1 and 2.

As in Poetry's documentation, "The pyproject.toml file" and "Dependency specification".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from packaging.markers import Marker
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from depdoctor.model.project import DEFAULT_GROUP, IndexOptions
from depdoctor.read import address
from depdoctor.read.declarations import Declarations, text_of
from depdoctor.read.document import Document, Path
from depdoctor.read.package_table import AlternativesError, Dialect, require

_TABLE = ("tool", "poetry")


def read(document: Document, declarations: Declarations) -> None:
    """Take in the dependencies of `[tool.poetry]`, its groups and extras.

    Where `[project]` declares dependencies (Poetry 2), Poetry's own main table only says where they come from.
    """
    table = document.table(*_TABLE)
    if not table:
        return
    main = document.table(*_TABLE, "dependencies")
    if (python := main.get("python")) is not None and declarations.requires_python is None:
        _python(python, declarations)
    if "dependencies" not in document.table("project"):
        _main(main, document, declarations)
    _group("dev", document.table(*_TABLE, "dev-dependencies"), (*_TABLE, "dev-dependencies"), declarations)
    for name in document.table(*_TABLE, "group"):
        place = (*_TABLE, "group", name, "dependencies")
        _group(name, document.table(*place), place, declarations)


def indexes(document: Document, declarations: Declarations) -> IndexOptions:
    """`[[tool.poetry.source]]`: those that Poetry would look at for every package."""
    default, extra = None, []
    for url, source, _ in _sources(document, declarations):
        priority = text_of(source.get("priority")).lower()
        if source.get("default") is True or priority in {"default", "primary"}:
            default = default or url
        elif priority != "explicit":
            extra.append(url)
    return IndexOptions(index_url=default, extra_index_urls=tuple(dict.fromkeys(extra)))


def _sources(document: Document, declarations: Declarations) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    entries = document.table(*_TABLE).get("source")
    for number, entry in enumerate(entries if isinstance(entries, list) else ()):
        if isinstance(entry, dict) and (url := text_of(entry.get("url"))):
            declarations.problems.extend(address.problems(url, declarations.location(*_TABLE, "source", number)))
            yield address.redact(url), entry, text_of(entry.get("name"))


def _python(value: Any, declarations: Declarations) -> None:
    place = (*_TABLE, "dependencies", "python")
    try:
        declarations.requires_python = specifiers(value if isinstance(value, str) else "")
        declarations.python_line = declarations.location(*place).line
    except ValueError as error:
        declarations.problem(place, f"`{value}`: {error}")


def _main(main: Mapping[str, Any], document: Document, declarations: Declarations) -> None:
    extras: dict[str, list[str]] = {}
    for extra, names in document.table(*_TABLE, "extras").items():
        for name in names if isinstance(names, list) else ():
            written = re.match(r"[\w.-]+", text_of(name))
            extras.setdefault(canonicalize_name(written.group() if written else ""), []).append(extra)
    for name, value in main.items():
        if name.lower() == "python":
            continue
        place = (*_TABLE, "dependencies", name)
        optional = any(isinstance(entry, dict) and entry.get("optional") is True for entry in _entries(value))
        groups = [f"extra:{canonicalize_name(extra)}" for extra in extras.get(canonicalize_name(name), ())]
        for group in groups if optional else [DEFAULT_GROUP]:
            _dependency(name, value, place, group, declarations)


def _group(name: str, table: Mapping[str, Any], place: Path, declarations: Declarations) -> None:
    for package, value in table.items():
        _dependency(package, value, (*place, package), f"group:{canonicalize_name(name)}", declarations)


def _entries(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _dependency(name: str, value: Any, place: Path, group: str, declarations: Declarations) -> None:
    """Take in a dependency, which may be a list of tables for different environments."""
    named = {
        text_of(entry.get("name")): address.redact(text_of(entry.get("url"))) for entry in _all_sources(declarations)
    }
    dialect = Dialect(specifiers=specifiers, marker=_marker, index_key="source", editable_key="develop", indexes=named)
    for number, entry in enumerate(_entries(value)):
        where: Path = (*place, number) if isinstance(value, list) else place
        require(name, entry, where, group, declarations, dialect)


def _all_sources(declarations: Declarations) -> list[Mapping[str, Any]]:
    entries = declarations.document.table(*_TABLE).get("source")
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def _marker(table: Mapping[str, Any]) -> Marker | None:
    """The marker of a dependency: `markers`, with what `python` and `platform` limit it to."""
    parts = []
    if markers := text_of(table.get("markers")):
        parts.append(Marker(markers))
    if python := text_of(table.get("python")):
        parts += [
            Marker(f'python_full_version {specifier.operator} "{specifier.version}"')
            for specifier in specifiers(python)
        ]
    if platform := text_of(table.get("platform")):
        parts.append(Marker(f'sys_platform == "{platform}"'))
    if not parts:
        return None
    marker = parts[0]
    for part in parts[1:]:
        marker = marker & part
    return marker


_CARET = re.compile(r"\^\s*v?(.+)$")
_TILDE = re.compile(r"~(?!=)\s*v?(.+)$")
_COMPARED = re.compile(r"(===|==|!=|<=|>=|~=|<|>|=)?\s*v?(.+)$")
_SPLIT = re.compile(r"\s*,\s*|(?<=[\w*])\s+(?=[<>=!~^])")


def specifiers(constraint: str) -> SpecifierSet:
    """A Poetry constraint as specifiers: caret, tilde, wildcards and bare versions translated, adjoining `||` joined.

    Raises `ValueError` for what is no constraint, and for alternatives that specifiers cannot say.
    """
    alternatives = [_all_of(part) for part in constraint.split("||")]
    return alternatives[0] if len(alternatives) == 1 else _joined(alternatives)


def _joined(alternatives: list[SpecifierSet]) -> SpecifierSet:
    """Intervals that overlap or touch, as one."""
    (low, high), *others = sorted((_interval(alternative) for alternative in alternatives), key=lambda pair: pair[0])
    for start, end in others:
        if high is not None and start > high:
            raise AlternativesError(f"no set of specifiers allows what is below {high} and from {start}")
        high = None if high is None or end is None else max(high, end)
    return SpecifierSet(",".join([f">={low}"] * (low != _LOWEST) + [f"<{high}"] * (high is not None)))


_LOWEST = Version("0.dev0")


def _interval(alternative: SpecifierSet) -> tuple[Version, Version | None]:
    """The lower bound, inclusive, and the upper one, exclusive (None: no such bound)."""
    low, high = _LOWEST, None
    for specifier in alternative:
        if specifier.operator == ">=":
            low = Version(specifier.version)
        elif specifier.operator == "<":
            high = Version(specifier.version)
        elif specifier.operator == "==" and specifier.version.endswith(".*"):
            low = Version(specifier.version.removesuffix(".*"))
            high = Version(_raised(low.release, len(low.release) - 1))
        else:
            raise AlternativesError(f"`{specifier}` cannot be part of alternatives")
    return low, high


def _all_of(constraint: str) -> SpecifierSet:
    parts = (_one(part.strip()) for part in _SPLIT.split(constraint.strip()) if part.strip())
    return SpecifierSet(",".join(part for part in parts if part))


def _one(constraint: str) -> str:
    if constraint in {"*", ""}:
        return ""
    if match := _CARET.match(constraint):
        low = Version(match[1])
        release = low.release
        position = next((index for index, part in enumerate(release) if part), len(release) - 1)
        return f">={low},<{_raised(release, position)}"
    if match := _TILDE.match(constraint):
        low = Version(match[1])
        return f">={low},<{_raised(low.release, min(1, len(low.release) - 1))}"
    match = _COMPARED.match(constraint)
    if not match:
        raise InvalidSpecifier(f"`{constraint}` is not a constraint")
    operator, version = match[1] or "==", match[2].strip()
    if operator == "=":
        operator = "=="
    if "*" in version and operator not in {"==", "!="}:
        raise InvalidSpecifier(f"`{constraint}` is not a constraint")
    return f"{operator}{version}"


def _raised(release: tuple[int, ...], position: int) -> str:
    return ".".join(str(part) for part in (*release[:position], release[position] + 1))
