"""`pyproject.toml`: PEP 621, PEP 735 groups, and what uv, Poetry, PDM, Hatch, pixi and setuptools add to them.

Groups: "" for what the project needs to run, "extra:NAME" for optional dependencies, "group:NAME" for dependency
groups (of Poetry, PDM and Hatch environments too). Names of extras and groups are normalized.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from packaging.utils import canonicalize_name

from depdoctor.model.project import DEFAULT_GROUP, DeclaredRequirement, IndexOptions, Manifest
from depdoctor.read import address, content_hash, packaged, pixi_toml, poetry, toml, uv_settings
from depdoctor.read.declarations import Declarations, text_of
from depdoctor.read.document import Document, Path

FORMAT = "pyproject.toml"


def parse(text: str, path: str) -> Manifest:
    """Read a `pyproject.toml`. Raises `ManifestError` for broken TOML; a wrong value is a `Problem`."""
    document = toml.document(text)
    declarations = Declarations(document=document, path=path)
    project = document.table("project")
    name = text_of(project.get("name")) or text_of(document.table("tool", "poetry").get("name"))
    _project(project, declarations)
    _groups(document.table("dependency-groups"), declarations)
    uv_settings.development(document, declarations)
    poetry.read(document, declarations)
    _pdm_and_hatch(document, declarations)
    pixi = pixi_toml.read(("tool", "pixi"), declarations)
    requirements = uv_settings.with_sources(_without_self(declarations.requirements, name), document, declarations)
    constraints, overrides = uv_settings.constraints_and_overrides(document, declarations)
    return Manifest(
        path=path,
        format=FORMAT,
        name=name,
        requires_python=declarations.requires_python,
        python_line=declarations.python_line,
        requirements=tuple(requirements),
        constraints=constraints,
        overrides=overrides,
        conda=tuple(pixi.conda),
        channels=tuple(pixi.channels),
        python=pixi.python,
        cuda=pixi.cuda,
        conflicts=uv_settings.conflicts(document),
        indexes=_indexes(document, declarations).joined(uv_settings.indexes(document, declarations)),
        includes=tuple(declarations.includes),
        problems=tuple(declarations.problems),
        package=packaged.of_pyproject(document),
        digests=(*content_hash.poetry(document), *content_hash.pdm(document)),
    )


def _project(project: Mapping[str, Any], declarations: Declarations) -> None:
    if (python := project.get("requires-python")) is not None:
        declarations.python(python, ("project", "requires-python"))
    place: Path = ("project", "dependencies")
    declarations.require(declarations.items(project.get("dependencies"), place), DEFAULT_GROUP)
    place = ("project", "optional-dependencies")
    for extra, values in _tables(project.get("optional-dependencies"), place, declarations):
        group = f"extra:{canonicalize_name(extra)}"
        declarations.require(declarations.items(values, (*place, extra)), group)
    dynamic = project.get("dynamic")
    for name in ("dependencies", "optional-dependencies"):
        if isinstance(dynamic, list) and name in dynamic and not _setuptools_files(name, declarations):
            declarations.problem(("project", "dynamic"), f"`{name}` come from the build backend", kind="dynamic")


def _setuptools_files(name: str, declarations: Declarations) -> bool:
    """Take in the requirement files that setuptools reads dynamic dependencies from; False if there are none."""
    place = ("tool", "setuptools", "dynamic", name)
    dynamic = declarations.document.table(*place)
    if name == "dependencies":
        return _files(dynamic.get("file"), place, DEFAULT_GROUP, declarations)
    read = [
        isinstance(entry, dict)
        and _files(entry.get("file"), (*place, extra), f"extra:{canonicalize_name(extra)}", declarations)
        for extra, entry in dynamic.items()
    ]
    return any(read)


def _files(value: Any, place: Path, group: str, declarations: Declarations) -> bool:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list):
        return False
    for file in map(text_of, listed):
        declarations.draw_in(file, place, group)
    return bool(listed)


def _tables(value: Any, place: Path, declarations: Declarations) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        yield from value.items()
    elif value is not None:
        declarations.problem(place, "should be a table")


def _groups(groups: Mapping[str, Any], declarations: Declarations) -> None:
    """Dependency groups (PEP 735), includes followed; a requirement keeps the place where it is written."""
    written: dict[str, str] = {canonicalize_name(name): name for name in groups}
    for normalized, name in written.items():
        for value, place in _group_items(name, (), groups, written, declarations):
            if declared := declarations.requirement(value, place, f"group:{normalized}"):
                declarations.requirements.append(declared)


def _group_items(
    name: str, above: tuple[str, ...], groups: Mapping[str, Any], written: Mapping[str, str], declarations: Declarations
) -> Iterator[tuple[Any, Path]]:
    place: Path = ("dependency-groups", name)
    for value, item_place in declarations.items(groups[name], place):
        if not isinstance(value, dict):
            yield value, item_place
            continue
        wanted = text_of(value.get("include-group"))
        included = written.get(canonicalize_name(wanted))
        if included is None:
            declarations.problem(item_place, f"there is no group `{wanted}`")
        elif included in (*above, name):
            declarations.problem(item_place, f"the group `{wanted}` includes itself", kind="cycle")
        else:
            yield from _group_items(included, (*above, name), groups, written, declarations)


def _pdm_and_hatch(document: Document, declarations: Declarations) -> None:
    place: Path = ("tool", "pdm", "dev-dependencies")
    for name, values in document.table("tool", "pdm", "dev-dependencies").items():
        listed = ((_pdm_text(value), where) for value, where in declarations.items(values, (*place, name)))
        declarations.require(listed, f"group:{canonicalize_name(name)}")
    for name, environment in document.table("tool", "hatch", "envs").items():
        if not isinstance(environment, dict):
            continue
        for key in ("dependencies", "extra-dependencies"):
            where = ("tool", "hatch", "envs", name, key)
            declarations.require(declarations.items(environment.get(key), where), f"group:{canonicalize_name(name)}")


def _pdm_text(value: Any) -> Any:
    """PDM's development dependencies may say `-e` before a path or an address."""
    return value.removeprefix("-e ").strip() if isinstance(value, str) else value


def _indexes(document: Document, declarations: Declarations) -> IndexOptions:
    """Where Poetry and PDM look besides, or instead of, the default index."""
    options = poetry.indexes(document, declarations)
    sources = document.table("tool", "pdm").get("source")
    for index, source in enumerate(sources if isinstance(sources, list) else ()):
        if not isinstance(source, dict) or not (url := text_of(source.get("url"))):
            continue
        location = declarations.location("tool", "pdm", "source", index)
        declarations.problems.extend(address.problems(url, location))
        url = address.redact(url)
        if source.get("name") == "pypi":  # PDM's way to replace the default index
            options = options.joined(IndexOptions(index_url=url))
        elif source.get("type") == "find_links":
            options = options.joined(IndexOptions(find_links=(url,)))
        else:
            options = options.joined(IndexOptions(extra_index_urls=(url,)))
    return options


def _without_self(requirements: list[DeclaredRequirement], name: str) -> list[DeclaredRequirement]:
    """Requirements with `project[extra]` replaced by what the project's own extra holds."""
    if not name:
        return requirements
    own = canonicalize_name(name)
    by_group: dict[str, list[DeclaredRequirement]] = {}
    for declared in requirements:
        by_group.setdefault(declared.group, []).append(declared)

    def expanded(group: str, target: str, seen: set[str]) -> Iterator[DeclaredRequirement]:
        for declared in by_group.get(group, ()):
            if declared.name != own:
                yield replace(declared, group=target)
                continue
            for extra in sorted(declared.requirement.extras):
                inner = f"extra:{canonicalize_name(extra)}"
                if inner not in seen:
                    seen.add(inner)
                    yield from expanded(inner, target, seen)

    return [declared for group in by_group for declared in expanded(group, group, {group})]
