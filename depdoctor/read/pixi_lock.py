"""`pixi.lock` (versions 4 to 7): which packages each environment installs on each platform, and what these are.

`groups` of a package are the environments that install it: "" for `default`, "group:NAME" for others. Since version 7
platforms have names of their own, with conda's name of each in `subdir`, and what is built from source has its own key,
`conda_source: "NAME[HASH] @ LOCATION"`; see https://github.com/conda/rattler/pull/2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial, reduce
from typing import Any

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from depdoctor.model.distribution import LockedPackage
from depdoctor.model.project import DEFAULT_GROUP, CondaPackage, Manifest
from depdoctor.read import address, lockfile, yaml
from depdoctor.read.document import Document
from depdoctor.read.errors import ManifestError
from depdoctor.read.pixi_toml import PLATFORM_MARKERS

FORMAT = "pixi.lock"

_VERSIONS = frozenset({"4", "5", "6", "7"})


def parse(text: str, path: str) -> Manifest:
    """Read a `pixi.lock`. Raises `ManifestError` with the line of what cannot be read."""
    document = yaml.document(text)
    entries = document.data.get("packages")
    if document.data.get("version") not in _VERSIONS or not isinstance(entries, list):
        raise ManifestError("is no pixi.lock of versions 4 to 7", hint="write it anew with `pixi lock`")
    used = _used(document)
    conda: list[CondaPackage] = []
    packages: list[LockedPackage] = []
    for number, entry in enumerate(entries):
        line = document.line("packages", number)
        url = _url(entry)
        uses = used.get(url, {})
        if isinstance(entry, dict) and (entry.get("kind") == "conda" or "conda" in entry or "conda_source" in entry):
            conda += [_conda(entry, url, platform, line) for platform in sorted(uses)]
        else:
            read = partial(_package, url, uses)
            packages.append(lockfile.package(entry, line, read, "pixi lock"))
    return Manifest(
        path=path,
        format=FORMAT,
        packages=tuple(packages),
        conda_packages=tuple(conda),
        problems=tuple(address.problems_of_lock(text, path)),
    )


def _url(entry: Any) -> str:
    """The address that identifies a package, and that environments refer to."""
    values = (
        [entry.get(key) for key in ("conda", "conda_source", "pypi", "url", "path")] if isinstance(entry, dict) else []
    )
    return next((value for value in values if isinstance(value, str)), "")


def _used(document: Document) -> dict[str, dict[str, set[str]]]:
    """The environments that use each package on each platform, by the package's address."""
    used: dict[str, dict[str, set[str]]] = {}
    subdirs = _subdirs(document)
    for environment in document.table("environments"):
        for platform, listed in document.table("environments", environment, "packages").items():
            for entry in listed if isinstance(listed, list) else ():
                used.setdefault(_url(entry), {}).setdefault(subdirs.get(platform, platform), set()).add(environment)
    return used


def _subdirs(document: Document) -> dict[str, str]:
    """Conda's name of each platform that has a name of its own."""
    platforms = document.data.get("platforms")
    tables = [each for each in platforms if isinstance(each, dict)] if isinstance(platforms, list) else []
    return {str(each.get("name")): str(each["subdir"]) for each in tables if each.get("subdir")}


def _conda(entry: Mapping[str, Any], url: str, platform: str, line: int) -> CondaPackage:
    """A conda package, whose file is called `name-version-build.conda`, or one that is built from source."""
    if source := str(entry.get("conda_source") or ""):
        identity, _, url = source.partition(" @ ")
        name, version = identity.partition("[")[0], ""
    else:
        name, _, _ = lockfile.filename_of(url).rpartition("-")
        name, _, version = name.rpartition("-")
    return CondaPackage(
        name=str(entry.get("name") or name),
        version=str(entry.get("version") or version),
        platform=platform,
        url=address.redact(url),
        sha256=str(entry.get("sha256") or ""),
        line=line,
    )


def _package(url: str, uses: Mapping[str, set[str]], entry: Mapping[str, Any], line: int) -> LockedPackage:
    environments = {name for names in uses.values() for name in names}
    markers = [Marker(PLATFORM_MARKERS[platform]) for platform in sorted(uses) if platform in PLATFORM_MARKERS]
    is_file = "://" in url and not url.startswith("git+")
    digest = f"sha256:{entry.get('sha256') or ''}"
    where = address.redact(url)
    return LockedPackage(
        name=canonicalize_name(entry["name"]),
        version=Version(entry["version"]) if entry.get("version") else lockfile.UNKNOWN_VERSION,
        line=line,
        marker=reduce(lambda one, other: one | other, markers) if markers else None,
        files=(lockfile.file_of(lockfile.filename_of(where), where, digest),) if is_file else (),
        requires=tuple(Requirement(address.redact(text)) for text in entry.get("requires_dist") or ()),
        groups=tuple(
            sorted(DEFAULT_GROUP if name == "default" else f"group:{canonicalize_name(name)}" for name in environments)
        ),
        source="" if is_file else where,
    )
