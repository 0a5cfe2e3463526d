"""What an index offers: distribution files, and packages pinned to them."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from depdoctor.model.noun import dataclass

if TYPE_CHECKING:
    from datetime import datetime

    from packaging.markers import Marker
    from packaging.requirements import Requirement
    from packaging.utils import NormalizedName
    from packaging.version import Version


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class DistributionFile:
    """A wheel or an sdist, by name, address and SHA-256 (hex). `size_bytes` is the file's, None where nobody said."""

    filename: str
    url: str
    sha256: str
    size_bytes: int | None = None
    upload_time: datetime | None = None

    @property
    def is_wheel(self) -> bool:
        """Whether this file can be installed without a build."""
        return self.filename.endswith(".whl")

    @property
    def is_repository(self) -> bool:
        """Whether this is no file but a commit of a repository (`GitSource`)."""
        return self.url.startswith("git+")


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedPackage:
    """A package as a lockfile lists it: one version for the environments in which `marker` holds, with all its files.

    `requires` are the edges that the lockfile states; None where the format states none. `groups` and `extras` name
    the parts of the project that need the package where the format says so. `hashes` are "sha256:..." of files that the
    format lists without a name. `is_root` marks the project that the lockfile is for: its `requires` are the default
    group. `optional_requires` are the edges of each "extra:NAME" and, for projects, of each "group:NAME". `declared` is
    what the project itself declared when it was locked, markers left out; None where the format does not say.
    """

    name: NormalizedName
    version: Version
    line: int = 0
    marker: Marker | None = None
    files: tuple[DistributionFile, ...] = ()
    requires: tuple[Requirement, ...] | None = None
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    index: str = ""
    source: str = ""
    """Where it comes from when not from an index: a VCS or direct URL, or "./" and a path relative to the scan root."""
    hashes: tuple[str, ...] = ()
    optional_requires: tuple[tuple[str, tuple[Requirement, ...]], ...] = ()
    is_root: bool = False
    declared: tuple[Requirement, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberPattern:
    """A text inside a wheel, and by which patterns it tells "cuda", "cudnn" or "cxx11_abi" in their groups."""

    path: str
    patterns: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelCode:
    """What the files inside a wheel tell of the machine that it is for; "" and empty where they do not.

    `libraries` are those of CUDA that its shared objects load, in the one version that they name ("libcudart.so.12").
    `targets` are what its GPU code is compiled for ("sm_90", "compute_80"), all of it if `complete`. `cxx11_abi` is "1"
    or "0". `members` are the files that were read.
    """

    cuda: str = ""
    cudnn: str = ""
    cxx11_abi: str = ""
    libraries: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    complete: bool = False
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """A package in a lock for one environment: the file that would be installed there.

    `requires` holds the metadata's `Requires-Dist` (core metadata specification), None while it is not known.
    `unpacked_bytes` is the size on disk once installed, None while it is not known. `requires_python` is that of the
    metadata, "" where it states none or is not known; uv heeds only its lower bound.
    """

    name: NormalizedName
    version: Version
    file: DistributionFile | None
    index: str = ""
    source: str = ""
    requires: tuple[Requirement, ...] | None = None
    unpacked_bytes: int | None = None
    requires_python: str = ""
    modules: tuple[str, ...] | None = field(default=None, compare=False)
    """The top-level modules that it installs, None while they are not known."""
    used_by_name: bool = field(default=False, compare=False)
    """Whether it has entry points: commands, or plugins that others find without importing it."""
    code: WheelCode | None = None
    """What its file was found to hold, None where nobody has looked."""

    @property
    def download_bytes(self) -> int:
        """The size of its file, 0 where it is not known."""
        return (self.file.size_bytes or 0) if self.file else 0

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelFacts:
    """What the directory at the end of a wheel tells without its content being fetched.

    `checksums` are the CRC-32 of the files of `paths`, one for one; none where they are not known.
    """

    size_bytes: int
    unpacked_bytes: int
    requires: tuple[Requirement, ...]
    requires_python: str
    paths: tuple[str, ...]
    checksums: tuple[int, ...] = ()
