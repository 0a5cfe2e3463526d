"""The file lists of a package index (PEP 691): which releases there are, and for whom each has wheels."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from urllib.parse import urljoin

from packaging.tags import Tag
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    NormalizedName,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from depdoctor.adapters.http import session
from depdoctor.model.distribution import DistributionFile

JSON = "application/vnd.pypi.simple.v1+json"
MACHINES = ("x86_64", "aarch64")


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A release as the index lists it: its wheels for Linux, the plain ones of every platform among them."""

    package: NormalizedName
    version: Version
    wheels: tuple[tuple[DistributionFile, frozenset[Tag]], ...]
    sdist: bool
    requires_python: str

    @property
    def newest(self) -> DistributionFile | None:
        """The wheel for the newest CPython, glibc and x86_64."""
        here = [
            file
            for file, tags in self.wheels
            if any(tag.platform == "any" or tag.platform.endswith("x86_64") for tag in tags)
            and "musllinux" not in file.filename
        ]
        return max(here, key=lambda file: file.filename, default=None)


def releases_of(index: str, name: NormalizedName) -> list[Release]:
    """The final releases of a package that have wheels here and are not yanked, oldest first."""
    address = f"{index.rstrip('/')}/{name}/"
    answer = session().get(address, headers={"Accept": JSON})
    if answer.status_code != 200 or JSON not in answer.headers.get("Content-Type", ""):
        print(f"{name}: the index has no page of it that a program can read", file=sys.stderr)
        return []
    wheels: dict[Version, list[tuple[DistributionFile, frozenset[Tag]]]] = {}
    sources: set[Version] = set()
    requires: dict[Version, str] = {}
    for file in json.loads(answer.text)["files"]:
        if file.get("yanked"):
            continue
        try:
            if not file["filename"].endswith(".whl"):
                sources.add(parse_sdist_filename(file["filename"])[1])
                continue
            _, version, _, tags = parse_wheel_filename(file["filename"])
        except (InvalidSdistFilename, InvalidWheelFilename, InvalidVersion):
            continue
        here = any(tag.platform == "any" or ("linux" in tag.platform and machine_of(tag)) for tag in tags)
        if version.is_prerelease or not here:
            continue
        sha256 = file.get("hashes", {}).get("sha256", "")
        url = urljoin(answer.url, file["url"])
        found = DistributionFile(filename=file["filename"], url=url, sha256=sha256, size_bytes=file.get("size"))
        wheels.setdefault(version, []).append((found, tags))
        requires[version] = file.get("requires-python") or ""
    return [
        Release(
            package=name,
            version=version,
            wheels=tuple(found),
            sdist=version in sources,
            requires_python=requires[version],
        )
        for version, found in sorted(wheels.items())
    ]


def machine_of(tag: Tag) -> str:
    """The machine that a platform tag is for, "" for one of no interest."""
    return next((machine for machine in MACHINES if tag.platform.endswith(machine)), "")
