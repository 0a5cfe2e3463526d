"""`pylock.toml` and `pylock.NAME.toml` (PEP 751), through `packaging.pylock`."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from packaging.pylock import (
    Package,
    PackageArchive,
    PackageSdist,
    PackageWheel,
    Pylock,
    PylockUnsupportedVersionError,
    PylockValidationError,
)
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from depdoctor.model.distribution import DistributionFile, LockedPackage
from depdoctor.model.project import Manifest
from depdoctor.read import address, toml
from depdoctor.read.errors import ManifestError
from depdoctor.read.lockfile import UNKNOWN_VERSION, filename_of

FORMAT = "pylock.toml"


def parse(text: str, path: str) -> Manifest:
    """Read a `pylock.toml`. Raises `ManifestError` with the line of what breaks the specification.

    Markers may ask for `extras` and `dependency_groups` besides the usual variables.
    """
    document = toml.document(text)
    try:
        lock = Pylock.from_dict(document.data)
    except (PylockValidationError, PylockUnsupportedVersionError, RecursionError) as error:
        place = tuple(_place_of(getattr(error, "context", None) or ""))
        raise ManifestError(f"is not a valid pylock.toml: {error}", line=document.line(*place)) from error
    folder = posixpath.dirname(path)
    packages = tuple(
        _package(package, document.line("packages", number), folder) for number, package in enumerate(lock.packages)
    )
    return Manifest(
        path=path,
        format=FORMAT,
        requires_python=lock.requires_python,
        python_line=document.line("requires-python"),
        packages=packages,
        problems=tuple(address.problems_of_lock(text, path)),
    )


def _place_of(context: str) -> Iterator[str | int]:
    """The path of a value from what `packaging` calls its context: `packages[3].wheels[0].name`."""
    for part in context.split("."):
        key, *indexes = part.replace("]", "").split("[")
        yield key
        yield from (int(index) for index in indexes if index.isdigit())


def _package(package: Package, line: int, folder: str) -> LockedPackage:
    return LockedPackage(
        name=package.name,
        version=package.version or UNKNOWN_VERSION,
        line=line,
        marker=package.marker,
        files=tuple(sorted(_files(package, folder))),
        requires=None if package.dependencies is None else tuple(_edges(package.dependencies)),
        index=address.redact(package.index or ""),
        source=_source(package, folder),
    )


def _edges(dependencies: Sequence[Mapping[str, Any]]) -> Iterator[Requirement]:
    for dependency in dependencies:
        if isinstance(name := dependency.get("name"), str):
            requirement = Requirement(name)
            if isinstance(version := dependency.get("version"), str):
                requirement.specifier = SpecifierSet(f"=={version}")
            yield requirement


def _files(package: Package, folder: str) -> Iterator[DistributionFile]:
    files: list[PackageWheel | PackageSdist | PackageArchive] = [*(package.wheels or ())]
    files += [file for file in (package.sdist, package.archive) if file is not None]
    for file in files:
        where = _place(file, folder)
        name = None if isinstance(file, PackageArchive) else file.name
        yield DistributionFile(
            filename=name or filename_of(where),
            url=where,
            sha256=file.hashes.get("sha256", ""),
            size_bytes=file.size,
            upload_time=file.upload_time,
        )


def _place(file: PackageWheel | PackageSdist | PackageArchive, folder: str) -> str:
    if file.url:
        return address.redact(file.url)
    inner = address.inside(folder, file.path or "")
    return f"./{inner}" if inner is not None else ""


def _source(package: Package, folder: str) -> str:
    """Where a package that comes from no index comes from."""
    if package.vcs:
        revision = package.vcs.commit_id
        fragment = f"#subdirectory={package.vcs.subdirectory}" if package.vcs.subdirectory else ""
        return f"{package.vcs.type}+{address.redact(package.vcs.url or package.vcs.path or '')}@{revision}{fragment}"
    if package.directory:
        inner = address.inside(folder, package.directory.path)
        return "" if inner is None else inner if inner == "." else f"./{inner}"
    return _place(package.archive, folder) if package.archive else ""
