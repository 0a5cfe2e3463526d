"""`pixi.toml`, and `[tool.pixi]` of a `pyproject.toml` (pixi's manifest reference).

Features are groups "group:NAME". What counts on some platforms only (`[target.PLATFORM]`) is taken with a marker where
it is a Python package, and left out where it is a conda package of another system than Linux.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from functools import partial
from typing import Any

from packaging.markers import Marker
from packaging.utils import canonicalize_name

from depdoctor.model.noun import dataclass
from depdoctor.model.project import DEFAULT_GROUP, CondaRequirement, Manifest
from depdoctor.read import address, toml
from depdoctor.read.conda_yaml import cuda_of, python_of
from depdoctor.read.declarations import Declarations, text_of
from depdoctor.read.document import Path
from depdoctor.read.package_table import Dialect, require

FORMAT = "pixi.toml"

PLATFORM_MARKERS = {
    "linux": "sys_platform == 'linux'",
    "linux-64": "sys_platform == 'linux' and platform_machine == 'x86_64'",
    "linux-aarch64": "sys_platform == 'linux' and platform_machine == 'aarch64'",
    "osx": "sys_platform == 'darwin'",
    "osx-64": "sys_platform == 'darwin' and platform_machine == 'x86_64'",
    "osx-arm64": "sys_platform == 'darwin' and platform_machine == 'arm64'",
    "win": "sys_platform == 'win32'",
    "win-64": "sys_platform == 'win32' and platform_machine == 'AMD64'",
    "unix": "sys_platform != 'win32'",
}
"""Conda's names of platforms as environment markers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pixi:
    """What pixi's part of a manifest declares."""

    conda: list[CondaRequirement] = field(default_factory=list)
    channels: list[str] = field(default_factory=list)

    @property
    def python(self) -> str:
        """The Python minor that it pins."""
        return python_of(self.conda)

    @property
    def cuda(self) -> str:
        """The CUDA version that it pins, or asks the driver for."""
        return cuda_of(self.conda)


def parse(text: str, path: str) -> Manifest:
    """Read a `pixi.toml`. Raises `ManifestError` for broken TOML; a wrong value is a `Problem`."""
    document = toml.document(text)
    declarations = Declarations(document=document, path=path)
    pixi = read((), declarations)
    workspace = document.table("workspace") or document.table("project")
    return Manifest(
        path=path,
        format=FORMAT,
        name=text_of(workspace.get("name")),
        requirements=tuple(declarations.requirements),
        conda=tuple(pixi.conda),
        channels=tuple(pixi.channels),
        python=pixi.python,
        cuda=pixi.cuda,
        includes=tuple(declarations.includes),
        problems=tuple(declarations.problems),
    )


def read(top: tuple[str, ...], declarations: Declarations) -> Pixi:
    """Take in pixi's tables, which lie under `top`."""
    pixi = Pixi()
    document = declarations.document
    for name in ("workspace", "project"):
        listed = document.table(*top, name).get("channels")
        for channel in listed if isinstance(listed, list) else ():
            url = text_of(channel) or (text_of(channel.get("channel")) if isinstance(channel, dict) else "")
            pixi.channels.append(address.redact(url))
    for place, group, marker in _parts(top, declarations):
        dialect = Dialect(marker=partial(_under, marker))
        for name, value in document.table(*place, "pypi-dependencies").items():
            require(name, value, (*place, "pypi-dependencies", name), group, declarations, dialect)
        if marker is None or "linux" in marker or "!=" in marker:
            for name, value in document.table(*place, "dependencies").items():
                _conda(name, value, (*place, "dependencies", name), group, pixi, declarations)
    cuda = text_of(document.table(*top, "system-requirements").get("cuda"))
    if cuda:
        location = declarations.location(*top, "system-requirements", "cuda")
        pixi.conda.append(CondaRequirement(name="__cuda", constraint=cuda, location=location))
    return pixi


def _parts(top: tuple[str, ...], declarations: Declarations) -> Iterator[tuple[tuple[str, ...], str, str | None]]:
    """The tables that hold dependencies: where, for which group, and under which marker."""
    document = declarations.document
    features = [(top, DEFAULT_GROUP)]
    features += [
        ((*top, "feature", name), f"group:{canonicalize_name(name)}") for name in document.table(*top, "feature")
    ]
    for place, group in features:
        yield place, group, None
        for platform in document.table(*place, "target"):
            if platform in PLATFORM_MARKERS:
                yield (*place, "target", platform), group, PLATFORM_MARKERS[platform]


def _under(marker: str | None, _table: Mapping[str, Any]) -> Marker | None:
    return Marker(marker) if marker else None


def _conda(name: str, value: Any, place: Path, group: str, pixi: Pixi, declarations: Declarations) -> None:
    table = {"version": value} if isinstance(value, str) else value
    if not isinstance(table, dict):
        declarations.problem(place, "should be a version, or a table with one")
        return
    version = text_of(table.get("version"))
    pixi.conda.append(
        CondaRequirement(
            name=name.lower(),
            constraint="" if version == "*" else version,
            location=declarations.location(*place),
            channel=address.redact(text_of(table.get("channel"))),
            build=text_of(table.get("build")),
            group=group,
        )
    )
