"""`Pipfile.lock`: the pins of each category of a `Pipfile`, with hashes; it states no edges between packages."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from packaging.markers import Marker
from packaging.utils import canonicalize_name
from packaging.version import Version

from depdoctor.model.distribution import LockedPackage
from depdoctor.model.project import DEFAULT_GROUP, Manifest
from depdoctor.read import address, lockfile, yaml
from depdoctor.read.declarations import text_of
from depdoctor.read.errors import ManifestError
from depdoctor.read.python_version import minor_of
from depdoctor.read.requirement import address_of

FORMAT = "Pipfile.lock"


def parse(text: str, path: str) -> Manifest:
    """Read a `Pipfile.lock`. Raises `ManifestError`, with its line, for any package it cannot read.

    JSON is read as the YAML that it is, for the lines.
    """
    document = yaml.document(text)
    if "_meta" not in document.data:
        raise ManifestError("is not a Pipfile.lock: it has no `_meta`", hint="write it anew with `pipenv lock`")
    packages = []
    for category, table in document.data.items():
        if category == "_meta" or not isinstance(table, dict):
            continue
        name = {"default": "", "develop": "dev"}.get(category, category)
        group = f"group:{canonicalize_name(name)}" if name else DEFAULT_GROUP
        for package, entry in table.items():
            line = document.line(category, package)
            read = partial(_package, package, group)
            packages.append(lockfile.package(entry, line, read, "pipenv lock", name=package))
    python = text_of(document.table("_meta", "requires").get("python_version"))
    return Manifest(
        path=path,
        format=FORMAT,
        python=minor_of(python),
        packages=lockfile.merged(packages),
        problems=tuple(address.problems_of_lock(text, path)),
        digests=tuple(filter(None, [text_of(document.table("_meta", "hash").get("sha256"))])),
    )


def _package(name: str, group: str, entry: Mapping[str, Any], line: int) -> LockedPackage:
    version = entry.get("version")
    markers = entry.get("markers")
    where = address_of(entry)
    if version in {None, "*"} and not where:
        raise ValueError("it is locked to no version")
    return LockedPackage(
        name=canonicalize_name(name),
        version=lockfile.UNKNOWN_VERSION if version in {None, "*"} else Version(version.removeprefix("==")),
        line=line,
        marker=Marker(markers) if markers else None,
        hashes=tuple(sorted(entry.get("hashes") or ())),
        extras=tuple(sorted(entry.get("extras") or ())),
        groups=(group,),
        source=address.redact(where),
    )
