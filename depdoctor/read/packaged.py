"""What manifests say of the package that their own folder is: its name, its version, and where its modules lie."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from depdoctor.model.local_package import SCRIPT_CALL, SCRIPT_NAME, PackageFacts
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
    backend = _text(build.get("build-backend"))
    wished = document.table("tool", "uv").get("package")
    return facts(
        name=_text(project.get("name")) or _text(poetry.get("name")),
        version=_text(project.get("version")) or _text(poetry.get("version")),
        source=_source(document, backend),
        compiled=backend.startswith(_COMPILING) or bool(document.table("tool", "setuptools").get("ext-modules")),
        installed=wished if isinstance(wished, bool) else bool(build) and poetry.get("package-mode") is not False,
        scripts=_texts({**_mapping(poetry.get("scripts")), **_mapping(project.get("scripts"))}),
    )


def _source(document: Document, backend: str) -> str:
    """The folder of the modules, as the table of the build backend has it."""
    return next(filter(None, _sources(document, backend)), "")


def _sources(document: Document, backend: str) -> Iterator[str]:
    yield _text(_mapping(document.table("tool", "setuptools").get("package-dir")).get(""))
    yield _first(document.table("tool", "setuptools", "packages", "find").get("where"))
    wheel = document.table("tool", "hatch", "build", "targets", "wheel")
    if packages := _first(wheel.get("packages")) or _first(wheel.get("only-include")):
        yield posixpath.dirname(packages.rstrip("/")) or "."
    listed = document.table("tool", "poetry").get("packages")
    yield from (_text(_mapping(one).get("from")) for one in (listed if isinstance(listed, list) else ()))
    yield _text(document.table("tool", "pdm", "build").get("package-dir"))
    if backend.startswith("uv_build"):
        yield _text(document.table("tool", "uv", "build-backend").get("module-root", "src")) or "."


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _texts(value: Mapping[str, Any]) -> Mapping[str, str]:
    return {key: text for key, text in value.items() if isinstance(text, str)}


def listed(rows: Iterable[str]) -> Mapping[str, str]:
    """Commands as setuptools has them listed: `name = module:function`."""
    split = (row.partition("=") for row in rows)
    return {name.strip(): called.strip() for name, _, called in split}


def _first(value: Any) -> str:
    return _text(value[0]) if isinstance(value, list) and value else ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


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
