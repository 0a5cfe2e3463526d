"""Requirements that are keys of a table: `name = "1.2"`, or `name = { version = ..., git = ... }`.

Poetry, Pipenv and pixi write them so, each in a dialect of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from depdoctor.model.noun import dataclass
from depdoctor.model.project import DeclaredRequirement
from depdoctor.read import address
from depdoctor.read.declarations import Declarations, text_of
from depdoctor.read.document import Path
from depdoctor.read.errors import ManifestError
from depdoctor.read.requirement import LocalFolder, address_of, parse_requirement


class AlternativesError(ValueError):
    """Alternatives that no one set of specifiers can say, such as those with a gap between them."""


def plain_specifiers(version: str) -> SpecifierSet:
    """Specifiers as PEP 440 has them, with `*` for any version. Raises `ValueError`."""
    return SpecifierSet("" if version == "*" else version)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one tool writes a package: its versions, its markers, its word for an index, and for an editable install.

    `specifiers` and `marker` raise `ValueError`; `indexes` are the addresses of the indexes that the file names.
    """

    specifiers: Callable[[str], SpecifierSet] = plain_specifiers
    marker: Callable[[Mapping[str, Any]], Marker | None] = lambda _table: None
    index_key: str = "index"
    editable_key: str = "editable"
    indexes: Mapping[str, str] = field(default_factory=dict)


def require(name: str, value: Any, place: Path, group: str, declarations: Declarations, dialect: Dialect) -> None:
    """Take in one package of a table; whatever is wrong with it becomes a problem."""
    table = {"version": value} if isinstance(value, str) else value
    if not isinstance(table, dict):
        declarations.problem(place, "should be a version, or a table with one")
        return
    try:
        required = _required(name, table, place, declarations, dialect)
    except ManifestError as error:
        declarations.problem(place, error.message, error.hint, error.kind)
        return
    except (ValueError, RecursionError) as error:
        declarations.problem(place, f"`{name}`: {str(error).partition(chr(10))[0]}")
        return
    if isinstance(required, LocalFolder):
        declarations.folder_required(required, place, group)
        return
    index = text_of(table.get(dialect.index_key))
    declarations.requirements.append(
        DeclaredRequirement(
            requirement=required,
            location=declarations.location(*place),
            text=str(required),
            group=group,
            editable=table.get(dialect.editable_key) is True,
            index=dialect.indexes.get(index) or address.redact(index),
        )
    )


def _required(
    name: str, table: Mapping[str, Any], place: Path, declarations: Declarations, dialect: Dialect
) -> Requirement | LocalFolder:
    """Raises `ManifestError` or `ValueError`."""
    listed = table.get("extras")
    extras = sorted({text_of(extra) for extra in listed} - {""}) if isinstance(listed, list) else []
    named = f"{name}[{','.join(extras)}]" if extras else name
    if where := address_of(table):
        declarations.problems.extend(address.problems(where, declarations.location(*place)))
        required = parse_requirement(f"{named} @ {where}", declarations.folder)
    else:
        required = Requirement(named)
        try:
            required.specifier = dialect.specifiers(text_of(table.get("version")) or "*")
        except AlternativesError as error:
            declarations.problem(place, f"any version of `{name}` is taken: {error}", "write one range")
    if isinstance(required, Requirement):
        required.marker = dialect.marker(table)
    return required
