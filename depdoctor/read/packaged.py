"""What manifests say of the package that their own folder is: its name, its version, and where its modules lie."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from depdoctor.model.local_package import SCRIPT_CALL, SCRIPT_NAME, PackageFacts
from depdoctor.read.declarations import text_of
from depdoctor.read.document import Document

_COMPILING = ("maturin", "mesonpy", "scikit_build_core", "setuptools_rust", "sipbuild", "py_build_cmake")
"""The first parts of build backends that exist to compile (documentation of each project)."""


def facts(
    *,
    name: str = "",
    version: str = "",
    source: str = "",
    compiled: bool = False,
    installed: bool = False,
    scripts: Mapping[str, str] = MappingProxyType({}),
) -> PackageFacts:
    """Facts without what makes no sense: a version that is none, and modules at no plain path inside the folder."""
    try:
        said = str(Version(version))
    except InvalidVersion:
        said = ""
    inner = posixpath.normpath(source) if source else ""
    if inner.startswith(("/", "..")) or "\\" in inner or not inner.isprintable():
        inner = ""
    called = {one: "".join(what.partition("[")[0].split()) for one, what in scripts.items()}
    return PackageFacts(
        name=name,
        version=said,
        source=inner,
        compiled=compiled,
        installed=installed,
        scripts=tuple(
            sorted(
                (one, what)
                for one, what in called.items()
                if SCRIPT_NAME.fullmatch(one) and SCRIPT_CALL.fullmatch(what)
            )
        ),
    )


def of_pyproject(document: Document) -> PackageFacts | None:
    """What a `pyproject.toml` says (PEP 517, PEP 621, tables of build backends); None where it has no project."""
    project, poetry = document.table("project"), document.table("tool", "poetry")
    build = document.table("build-system")
    if not (project or poetry or build):
        return None
    backend = text_of(build.get("build-backend"))
    wished = document.table("tool", "uv").get("package")
    return facts(
        name=text_of(project.get("name")) or text_of(poetry.get("name")),
        version=text_of(project.get("version")) or text_of(poetry.get("version")),
        source=_source(document, backend),
        compiled=backend.startswith(_COMPILING) or bool(document.table("tool", "setuptools").get("ext-modules")),
        installed=wished if isinstance(wished, bool) else bool(build) and poetry.get("package-mode") is not False,
        scripts=_texts({**document.table("tool", "poetry", "scripts"), **document.table("project", "scripts")}),
    )


def _source(document: Document, backend: str) -> str:
    """The folder of the modules, as the table of the build backend has it."""
    return next(filter(None, _sources(document, backend)), "")


def _sources(document: Document, backend: str) -> Iterator[str]:
    yield text_of(document.table("tool", "setuptools", "package-dir").get(""))
    yield _first(document.table("tool", "setuptools", "packages", "find").get("where"))
    wheel = document.table("tool", "hatch", "build", "targets", "wheel")
    if packages := _first(wheel.get("packages")) or _first(wheel.get("only-include")):
        yield posixpath.dirname(packages.rstrip("/")) or "."
    listed = document.table("tool", "poetry").get("packages")
    yield from (
        text_of(one.get("from")) for one in (listed if isinstance(listed, list) else ()) if isinstance(one, dict)
    )
    yield text_of(document.table("tool", "pdm", "build").get("package-dir"))
    if backend.startswith("uv_build"):
        yield text_of(document.table("tool", "uv", "build-backend").get("module-root", "src")) or "."


def _texts(value: Mapping[str, Any]) -> Mapping[str, str]:
    return {key: text for key, text in value.items() if isinstance(text, str)}


def listed(rows: Iterable[str]) -> Mapping[str, str]:
    """Commands as setuptools has them listed: `name = module:function`."""
    split = (row.partition("=") for row in rows)
    return {name.strip(): called.strip() for name, _, called in split}


def _first(value: Any) -> str:
    return text_of(value[0]) if isinstance(value, list) and value else ""


def told(folder_name: str, manifests: list[PackageFacts]) -> PackageFacts:
    """What several manifests of one folder say together, the first first; its name is else that of the folder."""
    name = next((canonicalize_name(one.name) for one in manifests if one.name), canonicalize_name(folder_name))
    plain = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name)
    return PackageFacts(
        name="-".join(filter(None, plain.split("-"))) or "package",
        version=next((one.version for one in manifests if one.version), ""),
        source=next((one.source for one in manifests if one.source), ""),
        compiled=any(one.compiled for one in manifests),
        installed=any(one.installed for one in manifests),
        scripts=next((one.scripts for one in manifests if one.scripts), ()),
    )
