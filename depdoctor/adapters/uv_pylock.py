"""Reads the `pylock.toml` that uv writes for one platform (pylock.toml specification) into pins."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import PurePosixPath
from posixpath import commonpath
from typing import cast
from urllib.parse import urlsplit

from packaging.markers import Environment as Markers
from packaging.pylock import (
    Package,
    PackageArchive,
    PackageDirectory,
    PackageSdist,
    PackageVcs,
    PackageWheel,
    Pylock,
    PylockSelectError,
    PylockValidationError,
)
from packaging.utils import parse_wheel_filename
from packaging.version import Version

from depdoctor.adapters.uv_process import IndexEntry
from depdoctor.adapters.uv_words import redacted
from depdoctor.model.address import redact
from depdoctor.model.distribution import DistributionFile, Pin
from depdoctor.model.git_source import fixed
from depdoctor.model.target import Environment

Source = PackageWheel | PackageSdist | PackageArchive | PackageVcs | PackageDirectory


class UnusableLockError(Exception):
    """A lock that does not fit its environment, or that breaks the specification."""


def read_pins(text: str, environment: Environment, hashes: Collection[str] = (), *, patch: int = 0) -> tuple[Pin, ...]:
    """The packages that a lock holds for an environment, each with its best file there, sorted by name.

    Of a package that has a file with one of these hashes, which serves the environment, only such files count. `patch`
    is the patch release of its Python. Raises `UnusableLockError` where a package has neither a wheel for the
    environment nor a source distribution.
    """
    full = f"{environment.python}.{patch}"
    markers = cast("Markers", {**environment.markers(), "python_full_version": full, "implementation_version": full})
    try:
        lock = Pylock.from_dict(tomllib.loads(text))
        lock = replace(lock, packages=[_of_hashes(package, set(hashes), environment) for package in lock.packages])
        chosen = list(lock.select(environment=markers, tags=environment.tags()))
    except (tomllib.TOMLDecodeError, PylockValidationError, PylockSelectError) as error:
        raise UnusableLockError(str(error)) from error
    return tuple(sorted((_pin(package, source) for package, source in chosen), key=lambda pin: pin.name))


def located(pins: Iterable[Pin], indexes: Iterable[IndexEntry], tied: Iterable[tuple[str, str]]) -> tuple[Pin, ...]:
    """Pins with the additional index that each comes from, which uv's locks do not name.

    It is the one that its name is `tied` to, else that on the host of its file whose address has most in common with
    its own. The default index is not named, nor is any where it may be that one.
    """
    places = [(one.default, redact(one.address)) for one in indexes]
    bound = {name: redact(address) for name, address in tied}

    def index_of(pin: Pin) -> str:
        if pin.index or pin.source or not pin.file or pin.name in bound:
            return pin.index or bound.get(pin.name, "")
        url = pin.file.url
        near = [(len(commonpath([one, url])), default, one) for default, one in places if _host(one) == _host(url)]
        _, default, best = max(near, default=(0, True, ""))
        return "" if default else best

    return tuple(replace(pin, index=index_of(pin)) for pin in pins)


def _host(address: str) -> str:
    return urlsplit(address).netloc.rpartition("@")[2] or address  # a folder is no place that others have


def _of_hashes(package: Package, hashes: Collection[str], environment: Environment) -> Package:
    """The package with the files of these hashes alone, unless none of those can be installed."""
    tags = frozenset(environment.tags()) if hashes else frozenset()
    wheels = [one for one in package.wheels or () if _sha256(one) in hashes]
    sdist = package.sdist if package.sdist and _sha256(package.sdist) in hashes else None
    if sdist or any(not tags.isdisjoint(parse_wheel_filename(one.filename)[3]) for one in wheels):
        return replace(package, wheels=wheels or None, sdist=sdist)
    return package


def _sha256(file: PackageWheel | PackageSdist) -> str:
    return f"sha256:{file.hashes.get('sha256', '')}"


def _pin(package: Package, source: Source) -> Pin:
    version = package.version or Version("0")
    if isinstance(source, PackageVcs):
        return _of_commit(package, version, source)
    file = None if isinstance(source, PackageDirectory) else _file(source)
    index = redacted(package.index or "")
    if isinstance(source, PackageWheel | PackageSdist):
        return Pin(name=package.name, version=version, file=file, index=index)
    return Pin(name=package.name, version=version, file=file, index=index, source=redacted(_address(source)))


def _of_commit(package: Package, version: Version, source: PackageVcs) -> Pin:
    """A package from a repository, which has a file in a plan only where the address is one that may be fetched."""
    folder = f"#subdirectory={source.subdirectory}" if source.subdirectory else ""
    address = redact(f"{source.type}+{source.url or source.path}@{source.commit_id}{folder}")
    try:
        found = fixed(address)
    except ValueError:
        found = None
    file = found.file(package.name, version) if found else None
    return Pin(name=package.name, version=version, file=file, source=str(found) if found else address)


def _file(source: PackageWheel | PackageSdist | PackageArchive) -> DistributionFile:
    address = _address(source)
    uploaded = source.upload_time
    if isinstance(uploaded, datetime) and uploaded.tzinfo is None:
        uploaded = uploaded.replace(tzinfo=UTC)
    return DistributionFile(
        filename=PurePosixPath(address).name if isinstance(source, PackageArchive) else source.filename,
        url=address,
        sha256=source.hashes.get("sha256", ""),
        size_bytes=source.size,
        upload_time=uploaded,
    )


def _address(source: Source) -> str:
    if isinstance(source, PackageDirectory):
        return source.path
    return source.url or source.path or ""
