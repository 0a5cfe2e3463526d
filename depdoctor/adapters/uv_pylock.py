"""Reads the `pylock.toml` that uv writes for one platform (pylock.toml specification) into pins."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import cast

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
from packaging.version import Version

from depdoctor.adapters.uv_words import redacted
from depdoctor.model.distribution import DistributionFile, Pin
from depdoctor.model.target import Environment

Source = PackageWheel | PackageSdist | PackageArchive | PackageVcs | PackageDirectory


class UnusableLockError(Exception):
    """A lock that does not fit its environment, or that breaks the specification."""


def read_pins(text: str, environment: Environment) -> tuple[Pin, ...]:
    """The packages that a lock holds for an environment, each with its best file there, sorted by name.

    Raises `UnusableLockError` where a package has neither a wheel for the environment nor a source distribution.
    """
    markers = cast("Markers", environment.markers())
    try:
        lock = Pylock.from_dict(tomllib.loads(text))
        chosen = list(lock.select(environment=markers, tags=environment.tags()))
    except (tomllib.TOMLDecodeError, PylockValidationError, PylockSelectError) as error:
        raise UnusableLockError(str(error)) from error
    return tuple(sorted((_pin(package, source) for package, source in chosen), key=lambda pin: pin.name))


def _pin(package: Package, source: Source) -> Pin:
    file = None if isinstance(source, PackageVcs | PackageDirectory) else _file(source)
    version = package.version or Version("0")
    index = redacted(package.index or "")
    if isinstance(source, PackageWheel | PackageSdist):
        return Pin(name=package.name, version=version, file=file, index=index)
    return Pin(name=package.name, version=version, file=file, index=index, source=redacted(_address(source)))


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
