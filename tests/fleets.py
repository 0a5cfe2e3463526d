"""Inventories for tests: the real wheels of six services, and made-up ones."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from depdoctor.model.distribution import DistributionFile, Pin
from depdoctor.model.inventory import Entry, Inventory
from depdoctor.model.lock import Lock, LockOutcome
from depdoctor.model.project import Project
from depdoctor.model.reading import Reading
from depdoctor.model.target import Environment, Platform, Target

ENVIRONMENT = Environment(python="3.11", platform=Platform(libc_version=(2, 36)))


def pin(name: str, version: str = "1.0", size_bytes: int | None = 1000, unpacked_bytes: int | None = None) -> Pin:
    """A pin on a wheel that follows from its name and version."""
    filename = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    return Pin(
        name=canonicalize_name(name),
        version=Version(version),
        file=DistributionFile(
            filename=filename,
            url=f"https://index.example/files/{filename}",
            sha256=sha256(filename.encode()).hexdigest(),
            size_bytes=size_bytes,
        ),
        unpacked_bytes=unpacked_bytes,
    )


def entry(name: str, *outcomes: LockOutcome, root: str | None = None, imports: tuple[str, ...] = ()) -> Entry:
    """A project with these outcomes of locking it."""
    project = Project(name=name, root=root or name, manifests=(f"{name}/requirements.txt",))
    return Entry(reading=Reading(project=project, manifests=(), imports=imports), outcomes=outcomes)


def lock(project: str, pins: Iterable[Pin], environment: Environment = ENVIRONMENT) -> Lock:
    """A lock of these pins."""
    return Lock(project=project, environment=environment, pins=tuple(sorted(pins, key=lambda one: one.name)))


def inventory(entries: Iterable[Entry], targets: tuple[Target, ...] = ()) -> Inventory:
    """An inventory of these projects."""
    return Inventory(root=".", entries=tuple(entries), targets=targets, index_date=datetime(2026, 11, 22, tzinfo=UTC))


def fleet(projects: Mapping[str, Iterable[Pin]]) -> Inventory:
    """An inventory of locked projects by name."""
    return inventory(entry(name, lock(name, pins)) for name, pins in projects.items())


def six() -> Inventory:
    """The six services of fixtures/fleets/six with the files and sizes that an index gave for them."""
    data = json.loads((Path(__file__).parent / "plan" / "data" / "six.json").read_text())
    wheels = [_wheel(*wheel) for wheel in data["wheels"]]
    return fleet({name: [wheels[number] for number in numbers] for name, numbers in data["projects"].items()})


def _wheel(filename: str, digest: str, size_bytes: int, unpacked_bytes: int) -> Pin:
    name, version, _, _ = parse_wheel_filename(filename)
    file = DistributionFile(
        filename=filename, url=f"https://index.example/files/{filename}", sha256=digest, size_bytes=size_bytes
    )
    return Pin(name=name, version=version, file=file, unpacked_bytes=unpacked_bytes)
