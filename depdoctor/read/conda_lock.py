"""`conda-lock.yml` (conda-lock's unified format, version 1): a row per package and platform, of conda and of pip."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from packaging.markers import Marker
from packaging.utils import canonicalize_name
from packaging.version import Version

from depdoctor.model.distribution import LockedPackage
from depdoctor.model.project import DEFAULT_GROUP, CondaPackage, Manifest
from depdoctor.read import address, lockfile, yaml
from depdoctor.read.errors import ManifestError
from depdoctor.read.pixi_toml import PLATFORM_MARKERS

FORMAT = "conda-lock.yml"


def parse(text: str, path: str) -> Manifest:
    """Read a `conda-lock.yml`. Raises `ManifestError` with the line of what cannot be read."""
    document = yaml.document(text)
    entries = document.data.get("package")
    if document.data.get("version") != "1" or not isinstance(entries, list):
        raise ManifestError("is no conda-lock file of version 1", hint="write it anew with `conda-lock`")
    conda: list[CondaPackage] = []
    packages: list[LockedPackage] = []
    for number, entry in enumerate(entries):
        line = document.line("package", number)
        if isinstance(entry, dict) and entry.get("manager") == "conda":
            conda.append(_conda(entry, line))
        else:
            packages.append(lockfile.package(entry, line, _package, "conda-lock"))
    return Manifest(
        path=path,
        format=FORMAT,
        packages=tuple(packages),
        conda_packages=tuple(conda),
        problems=tuple(address.problems_of_lock(text, path)),
    )


def _conda(entry: Mapping[str, Any], line: int) -> CondaPackage:
    hashes = entry.get("hash")
    return CondaPackage(
        name=str(entry.get("name", "")),
        version=str(entry.get("version", "")),
        platform=str(entry.get("platform", "")),
        url=address.redact(str(entry.get("url", ""))),
        sha256=str(hashes.get("sha256", "")) if isinstance(hashes, dict) else "",
        line=line,
    )


def _package(entry: Mapping[str, Any], line: int) -> LockedPackage:
    url = address.redact(entry.get("url") or "")
    marker = PLATFORM_MARKERS.get(entry["platform"])
    category = entry.get("category", "main")
    digest = (entry.get("hash") or {}).get("sha256", "")
    return LockedPackage(
        name=canonicalize_name(entry["name"]),
        version=Version(entry["version"]),
        line=line,
        marker=Marker(marker) if marker else None,
        files=(lockfile.file_of(lockfile.filename_of(url), url, f"sha256:{digest}"),) if url else (),
        groups=(DEFAULT_GROUP if category == "main" else f"group:{canonicalize_name(category)}",),
    )
