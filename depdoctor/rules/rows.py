"""The rows of the tables in `rules/`: a class per table, and a field per column.

A column is named as its field, with hyphens. Versions are PEP 440 versions, also those of drivers and toolkits;
`first` and `last` are the inclusive ends of a run of releases that were looked at. Absent means unknown.
"""

from __future__ import annotations

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import Version

from depdoctor.model.finding import Confidence, Evidence
from depdoctor.model.noun import dataclass, field
from depdoctor.rules.pattern import Pattern


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a row is from: `date` is the ISO date on which it was read."""

    source: str
    date: str
    confidence: Confidence

    def evidence(self, fact: str) -> Evidence:
        """The row as the ground of a finding, worded as `fact`."""
        return Evidence(fact=fact, source=self.source, date=self.date, confidence=self.confidence)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Capability:
    """What a piece of GPU code is compiled for: `sm_86` is machine code, `compute_80` is PTX.

    `suffix` "a" binds machine code to exactly this capability, "f" to its family.
    """

    major: int
    minor: int
    ptx: bool = False
    suffix: str = ""

    def __str__(self) -> str:
        return f"{'compute' if self.ptx else 'sm'}_{self.major}{self.minor}{self.suffix}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolkit:
    """A release of the CUDA toolkit, and the driver that comes with it: the one on which everything works."""

    version: Version
    linux_driver: Version | None = None
    windows_driver: Version | None = None
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class CudaMajor:
    """A major of CUDA. From 11 on a program of any minor starts on every driver from the floor on."""

    major: int
    minor_compatible: bool
    linux_floor: Version | None = None
    windows_floor: Version | None = None
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardCompat:
    """The branches of the driver of data-centre GPUs that take the cuda-compat package of a CUDA minor.

    `refused` are branches between them that are said not to.
    """

    cuda: Version
    branches: tuple[int, ...]
    refused: tuple[int, ...] = ()
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverBranch:
    """A branch of the Linux driver and the CUDA version that nvidia-smi shows with it."""

    branch: int
    cuda: Version
    kind: str = ""
    end_of_life: str = ""
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """A generation of GPUs: the toolkits that compile for it, and the driver branches that run it."""

    name: str
    capabilities: tuple[Version, ...]
    first_toolkit: Version | None = None
    last_toolkit: Version | None = None
    first_branch: int | None = None
    last_branch: int | None = None
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuModel:
    """A GPU: its compute capability, its market (data-centre, workstation, geforce, jetson) and its first driver."""

    name: str
    aliases: tuple[str, ...] = ()
    capability: Version
    market: str
    first_driver: Version | None = None
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """What a wheel of some releases of a package was built with.

    `variant` is the local version label of the build ("cu118", "cpu"); a `default` build is what the bare version
    gives on `platforms` (all, where none are named). `cuda` is absent in a build without GPU code. `cudnn` and `nccl`
    are what it was built with. `targets` is complete: what is not in it is not in the wheel.
    """

    package: NormalizedName
    first: Version
    last: Version
    variant: str = ""
    default: bool = False
    platforms: tuple[str, ...] = ()
    cuda: Version | None = None
    cudnn: Version | None = None
    nccl: Version | None = None
    targets: tuple[Capability, ...] = ()
    supports: tuple[Version, ...] = ()
    """The CUDA versions for which a package of many builds carries libraries."""
    cxx11_abi: bool | None = None
    """Whether it is built for the C++ ABI of 2011, whose symbols have other names than those of the one before."""
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class CudaPackage:
    """How a family of distributions is bound to CUDA.

    `pattern` matches its normalized names; its groups `major` and `minor` are CUDA's, where the name tells. `role` is
    "framework", "extension", "binding" or "component" (a CUDA library). `libraries` says where the CUDA libraries come
    from: "inside", "wheels" (its nvidia-* requirements) or "system" (whatever the loader finds). `follows` is the
    package whose CUDA major it must share. With `version_is_cuda` the release number is CUDA's. Whoever requires one
    that `is_runtime` uses CUDA of its version. `compiles` is set where code is compiled with the nvcc of the machine.
    `jit` is the first release that no longer hands PTX to the driver, "always" if all do. A `strict` package refuses a
    cuDNN whose minor is older than the one it was built with; an `optional` one is the same wheel for CPUs and GPUs.
    """

    pattern: Pattern
    role: str
    libraries: str = ""
    follows: NormalizedName | None = None
    version_is_cuda: bool = False
    is_runtime: bool = False
    compiles: bool = False
    jit: str = ""
    strict: bool = False
    optional: bool = False
    note: str = ""
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelMember:
    """A small text inside the wheels of a package, and by which patterns it tells what it was built with.

    What the groups of a pattern match, joined with dots, is the answer: "12.4", "9.1.0"; for the C++ ABI "1" or "0".
    """

    package: NormalizedName
    member: str
    cuda: str = ""
    cudnn: str = ""
    cxx11_abi: str = ""
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """The version of a CUDA library wheel that belongs to a toolkit release."""

    package: NormalizedName
    version: Version
    toolkit: Version
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What some releases of a package require, for when their metadata cannot be asked for.

    `extra` is "" for what is always required. Only the requirements that matter to the rules are listed.
    """

    package: NormalizedName
    first: Version
    last: Version
    extra: str = ""
    requires: tuple[Requirement, ...]
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheels:
    """For whom some releases of a package have wheels on some platforms, as the index lists their files.

    `pythons` are the CPython minors that have a wheel of their own; with `onward`, that minor and every later one has
    one besides (the stable ABI, PEP 384). Neither is there where one wheel serves every Python. `glibc` is the oldest
    that some wheel runs on, if that is newer than 2.17, and `musl` that of musllinux wheels, None if there are none.
    Where there is an `sdist`, a Python that `requires_python` lets in can build it; only upper bounds are told.
    """

    package: NormalizedName
    first: Version
    last: Version
    platforms: tuple[str, ...] = ("linux-x86_64",)
    pythons: tuple[str, ...] = ()
    onward: str = ""
    glibc: Version | None = None
    musl: Version | None = None
    sdist: bool = False
    requires_python: SpecifierSet = field(default_factory=SpecifierSet)
    note: str = ""
    provenance: Provenance

    def serves(self, python: str) -> bool:
        """Whether the releases have a wheel for a CPython minor ("3.12"), or one for every Python."""
        onward = bool(self.onward) and Version(python) >= Version(self.onward)
        return python in self.pythons or onward or not (self.pythons or self.onward)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedFiles:
    """Distributions that install the same files; `unless` names those of them that are made to stand together."""

    module: str
    packages: tuple[NormalizedName, ...]
    effect: str
    unless: tuple[NormalizedName, ...] = ()
    platforms: tuple[str, ...] = ()
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """Releases of a package that fail at run time with releases of a library, though their metadata allows both.

    They do not where the package `unless` is installed, too.
    """

    package: NormalizedName
    versions: SpecifierSet
    library: NormalizedName
    library_versions: SpecifierSet
    unless: NormalizedName | None = None
    effect: str
    remedy: str
    severity: str = "error"
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class Lockstep:
    """Releases of a package and of the one that it keeps in step with; with `same`, those of the same number.

    A release that no row covers may go with anything. `effect` is what happens out of step.
    """

    package: NormalizedName
    versions: SpecifierSet
    leader: NormalizedName
    leader_versions: SpecifierSet = field(default_factory=SpecifierSet)
    same: bool = False
    effect: str = "compiled for another release: `undefined symbol`, or operators that are not there"
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemLibrary:
    """What a package expects of the operating system: shared objects or programs, and the Debian packages with them.

    `when` is "import" or "use". `brought_by` are Debian packages that bring one of those in `apt`, as "ffmpeg:libgl1".
    """

    package: NormalizedName
    when: str
    versions: SpecifierSet = field(default_factory=SpecifierSet)
    objects: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    apt: tuple[str, ...]
    brought_by: tuple[str, ...] = ()
    error: str = ""
    instead: str = ""
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """A release of a Linux distribution: `names` as image tags spell it, and the C library that it carries."""

    names: tuple[str, ...]
    family: str
    libc: str
    libc_version: Version
    renamed: tuple[str, ...] = ()
    """Debian packages that have another name here, each "old:new"."""
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseImage:
    """Images that others stand on: how their tags are read.

    `tag` has groups python, release (a name of `distributions`), cuda and cudnn, where a tag tells. What the image
    brings whatever the tag says stands in the fields of these names. `requires_driver` is set for images whose
    configuration makes the container runtime compare their CUDA version with the driver's, and `slim` for images that
    have no libraries beyond those of C and C++. `brings` is a package that the image has installed already, in the
    version that the tag's group of that name tells.
    """

    image: Pattern
    tag: Pattern
    release: str = ""
    python: str = ""
    cuda: Version | None = None
    cudnn: Version | None = None
    requires_driver: bool = False
    slim: bool = False
    compiled: bool = False
    """Whether it holds GPU code that was compiled with its CUDA: the framework that it is made for."""
    brings: NormalizedName | None = None
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class BasePackages:
    """Distributions that belong to images of these names and tags as their libraries do.

    Each is pinned, or stands by name alone where nobody says which version that is. Of several rows that match an image
    all count, and one that pins a package more than one that only names it. `besides` are packages that an installer
    finds there too and leaves as they are unless a project wants a version of its own.
    """

    image: Pattern
    tag: Pattern
    packages: tuple[Requirement, ...]
    besides: tuple[NormalizedName, ...] = ()
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorPackage:
    """Releases that cannot be what anyone wants: a stub that refuses to install, a placeholder, a wrong name."""

    package: NormalizedName
    versions: SpecifierSet = field(default_factory=SpecifierSet)
    extra: str = ""
    reason: str
    instead: str
    severity: str = "error"
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuFloor:
    """The least compute capability that releases of a package work on, and the error otherwise, "" if unknown."""

    package: NormalizedName
    versions: SpecifierSet = field(default_factory=SpecifierSet)
    capability: Version
    error: str = ""
    provenance: Provenance
