"""`[tool.uv]` of a `pyproject.toml`: sources, indexes, constraints, overrides, conflicts (uv's settings reference)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from packaging.markers import InvalidMarker, Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from depdoctor.model.project import DEFAULT_GROUP, DeclaredRequirement, Include, IndexOptions
from depdoctor.read import address
from depdoctor.read.declarations import Declarations, text_of
from depdoctor.read.document import Document, Path
from depdoctor.read.errors import ManifestError
from depdoctor.read.requirement import LocalFolder, address_of, parse_requirement

_SETTINGS = ("tool", "uv")


def constraints_and_overrides(
    document: Document, declarations: Declarations
) -> tuple[tuple[DeclaredRequirement, ...], tuple[DeclaredRequirement, ...]]:
    """`constraint-dependencies` and `override-dependencies`."""
    found = []
    for key in ("constraint-dependencies", "override-dependencies"):
        values = declarations.items(document.table(*_SETTINGS).get(key), (*_SETTINGS, key))
        read = (declarations.requirement(value, place, DEFAULT_GROUP) for value, place in values)
        found.append(tuple(declared for declared in read if declared))
    return found[0], found[1]


def _links(values: Any, declarations: Declarations) -> Iterator[str]:
    """Pages, and folders as paths from the scan root; one that leads out of it is a problem."""
    for value, place in declarations.items(values, (*_SETTINGS, "find-links")):
        link = address.redact(text_of(value))
        if urlsplit(link).scheme not in {"", "file"}:
            yield link
        elif (inner := address.inside(declarations.folder, link)) is None:
            declarations.problems.append(address.outside(declarations.location(*place), link))
        else:
            yield f"./{inner}"


def development(document: Document, declarations: Declarations) -> None:
    """`dev-dependencies`, which uv takes for the group `dev`."""
    values = document.table(*_SETTINGS).get("dev-dependencies")
    declarations.require(declarations.items(values, (*_SETTINGS, "dev-dependencies")), "group:dev")


def conflicts(document: Document) -> tuple[tuple[str, ...], ...]:
    """Sets of extras and groups that are declared never to be installed together."""
    declared = document.table(*_SETTINGS).get("conflicts")
    sets = []
    for members in declared if isinstance(declared, list) else ():
        groups = set()
        for member in members if isinstance(members, list) else ():
            for kind in ("extra", "group"):
                if isinstance(member, dict) and (name := text_of(member.get(kind))):
                    groups.add(f"{kind}:{canonicalize_name(name)}")
        if len(groups) > 1:
            sets.append(tuple(sorted(groups)))
    return tuple(sorted(sets))


def indexes(document: Document, declarations: Declarations) -> IndexOptions:
    """The indexes that uv would look at for every package; explicit ones serve only the packages tied to them."""
    settings = document.table(*_SETTINGS)
    default, extra, names = None, [], []
    for url, entry in _index_entries(document, declarations):
        if name := text_of(entry.get("name")):
            names.append((url, name))
        if entry.get("default") is True:
            default = url
        elif entry.get("explicit") is not True:
            extra.append(url)
    listed = settings.get("extra-index-url")
    extra += [address.redact(url) for url in listed if isinstance(url, str)] if isinstance(listed, list) else []
    return IndexOptions(
        index_url=default or address.redact(text_of(settings.get("index-url"))) or None,
        extra_index_urls=tuple(dict.fromkeys(extra)),
        find_links=tuple(_links(settings.get("find-links"), declarations)),
        no_index=settings.get("no-index") is True,
        prerelease=settings.get("prerelease") == "allow",
        # uv's own default; whoever wants what pip does has to say so.
        first_index=bool(extra) and settings.get("index-strategy", "first-index") == "first-index",
        names=tuple(sorted(names)),
    )


def _index_entries(document: Document, declarations: Declarations) -> Iterator[tuple[str, Mapping[str, Any]]]:
    entries = document.table(*_SETTINGS).get("index")
    for number, entry in enumerate(entries if isinstance(entries, list) else ()):
        if isinstance(entry, dict) and (url := text_of(entry.get("url"))):
            location = declarations.location(*_SETTINGS, "index", number)
            declarations.problems.extend(address.problems(url, location))
            yield address.redact(url), entry


def with_sources(
    requirements: list[DeclaredRequirement], document: Document, declarations: Declarations
) -> list[DeclaredRequirement]:
    """Requirements with `tool.uv.sources` applied: an address, a folder, a workspace member, or one index.

    A package with several sources becomes one requirement per source, each under its source's marker.
    """
    sources = {
        canonicalize_name(name): (name, source) for name, source in document.table(*_SETTINGS, "sources").items()
    }
    if not sources:
        return requirements
    entries = document.table(*_SETTINGS).get("index")
    named = {
        text_of(entry.get("name")): address.redact(text_of(entry.get("url")))
        for entry in (entries if isinstance(entries, list) else ())
        if isinstance(entry, dict)
    }
    result = []
    for declared in requirements:
        if declared.name not in sources:
            result.append(declared)
            continue
        written, source = sources[declared.name]
        for number, table in enumerate(source if isinstance(source, list) else [source]):
            place: Path = (*_SETTINGS, "sources", written, *((number,) if isinstance(source, list) else ()))
            if not isinstance(table, dict):
                declarations.problem(place, "should be a table")
                result.append(declared)
            elif _applies(table, declared.group):
                result += _sourced(declared, table, place, named, declarations)
    return result


def _applies(source: Mapping[str, Any], group: str) -> bool:
    """Whether a source that is limited to an extra or a group counts for a requirement of this group."""
    for kind in ("extra", "group"):
        if limit := text_of(source.get(kind)):
            return group == f"{kind}:{canonicalize_name(limit)}"
    return True


def _sourced(
    declared: DeclaredRequirement,
    source: Mapping[str, Any],
    place: Path,
    named: Mapping[str, str],
    declarations: Declarations,
) -> Iterator[DeclaredRequirement]:
    requirement = Requirement(str(declared.requirement))
    if marker := text_of(source.get("marker")):
        try:
            limit = Marker(marker)
        except (InvalidMarker, RecursionError):
            declarations.problem((*place, "marker"), f"`{marker}` is not an environment marker")
            return
        requirement.marker = requirement.marker & limit if requirement.marker else limit
    if index := text_of(source.get("index")):
        yield replace(declared, requirement=requirement, index=named.get(index) or index)
        return
    if source.get("workspace") is True:
        location = declarations.location(*place)
        extras = tuple(sorted(canonicalize_name(extra) for extra in requirement.extras))
        declarations.includes.append(
            Include(path=declared.name, role="member", location=location, extras=extras, group=declared.group)
        )
        return
    where = address_of(source)
    if not where:
        yield replace(declared, requirement=requirement)
        return
    declarations.problems.extend(address.problems(where, declarations.location(*place)))
    try:
        located = parse_requirement(f"{requirement.name} @ {where}", declarations.folder)
    except ManifestError as error:
        declarations.problem(place, error.message, error.hint, error.kind)
        return
    if isinstance(located, LocalFolder):
        extras = tuple(sorted(canonicalize_name(extra) for extra in requirement.extras))
        declarations.folder_required(LocalFolder(path=located.path, extras=extras), place, declared.group)
        return
    located.extras, located.marker = requirement.extras, requirement.marker
    yield replace(declared, requirement=located, editable=source.get("editable") is True)
