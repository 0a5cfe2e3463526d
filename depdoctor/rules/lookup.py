"""All tables together, and what is asked of them."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from operator import attrgetter
from typing import TypeVar

from packaging.utils import NormalizedName
from packaging.version import Version

from depdoctor.model.distribution import MemberPattern
from depdoctor.model.expression import expression
from depdoctor.rules import bases
from depdoctor.rules.bases import Base
from depdoctor.rules.cpu_builds import CpuBuild
from depdoctor.rules.names import CondaName, ImportName, StdlibModule
from depdoctor.rules.rows import (
    Architecture,
    BaseImage,
    BasePackages,
    Break,
    Build,
    Component,
    CudaMajor,
    CudaPackage,
    Distribution,
    DriverBranch,
    ErrorPackage,
    ForwardCompat,
    GpuFloor,
    GpuModel,
    Lockstep,
    Metadata,
    SharedFiles,
    SystemLibrary,
    Toolkit,
    WheelMember,
    Wheels,
)

OfPackage = TypeVar(
    "OfPackage", Build, Metadata, Wheels, Break, Component, ErrorPackage, GpuFloor, SystemLibrary, Lockstep
)

_VARIANT = expression(r"(?:^|[._-]|\d)(cu(?:da)?\d{2,3}|cpu|rocm\d[\d.]*|xpu)(?![0-9])")
_CUDNN = expression(r"cudnn(\d)(\d+)")
_CUDA_OF_VARIANT = expression(r"^cu(?:da)?(\d{2})(\d?)$")
_NAMED = expression(r"\(\?P<\w+>")
_GPU_NOISE = expression(
    r"\b(nvidia|tesla|quadro|geforce|graphics|gpu|rtx|gtx|\d+\s*gb|sxm\d?|pcie|hbm\d\w*|nvl|laptop|super)\b"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """The builds of a release, and those with CUDA of newer and older ones: the nearest first, default ones before."""

    same: tuple[Build, ...]
    newer: tuple[Build, ...]
    older: tuple[Build, ...]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Rules:
    """The tables of `rules/`; each field is one."""

    toolkits: tuple[Toolkit, ...] = ()
    cuda_majors: tuple[CudaMajor, ...] = ()
    driver_branches: tuple[DriverBranch, ...] = ()
    forward_compat: tuple[ForwardCompat, ...] = ()
    architectures: tuple[Architecture, ...] = ()
    gpus: tuple[GpuModel, ...] = ()
    builds: tuple[Build, ...] = ()
    cuda_packages: tuple[CudaPackage, ...] = ()
    components: tuple[Component, ...] = ()
    wheel_members: tuple[WheelMember, ...] = ()
    metadata: tuple[Metadata, ...] = ()
    wheels: tuple[Wheels, ...] = ()
    shared_files: tuple[SharedFiles, ...] = ()
    breaks: tuple[Break, ...] = ()
    lockstep: tuple[Lockstep, ...] = ()
    system_libraries: tuple[SystemLibrary, ...] = ()
    distributions: tuple[Distribution, ...] = ()
    base_images: tuple[BaseImage, ...] = ()
    base_packages: tuple[BasePackages, ...] = ()
    error_packages: tuple[ErrorPackage, ...] = ()
    import_names: tuple[ImportName, ...] = ()
    stdlib_modules: tuple[StdlibModule, ...] = ()
    conda_names: tuple[CondaName, ...] = ()
    gpu_floors: tuple[GpuFloor, ...] = ()
    cpu_builds: tuple[CpuBuild, ...] = ()

    @cached_property
    def builds_by_package(self) -> Mapping[NormalizedName, tuple[Build, ...]]:
        """The builds of each package."""
        return _grouped(self.builds)

    @cached_property
    def metadata_by_package(self) -> Mapping[NormalizedName, tuple[Metadata, ...]]:
        """The known requirements of each package."""
        return _grouped(self.metadata)

    @cached_property
    def wheels_by_package(self) -> Mapping[NormalizedName, tuple[Wheels, ...]]:
        """For whom each package has wheels."""
        return _grouped(self.wheels)

    @cached_property
    def breaks_by_package(self) -> Mapping[NormalizedName, tuple[Break, ...]]:
        """The known breaks of each package."""
        return _grouped(self.breaks)

    @cached_property
    def lockstep_by_package(self) -> Mapping[NormalizedName, tuple[Lockstep, ...]]:
        """With what the releases of each package keep in step."""
        return _grouped(self.lockstep)

    @cached_property
    def components_by_package(self) -> Mapping[NormalizedName, tuple[Component, ...]]:
        """The toolkit releases that the versions of each CUDA library wheel belong to."""
        return _grouped(self.components)

    @cached_property
    def files_by_package(self) -> Mapping[NormalizedName, tuple[SharedFiles, ...]]:
        """The files that each package shares with others."""
        groups: dict[NormalizedName, list[SharedFiles]] = defaultdict(list)
        for row in self.shared_files:
            for name in row.packages:
                groups[name].append(row)
        return {name: tuple(group) for name, group in groups.items()}

    @cached_property
    def errors_by_package(self) -> Mapping[NormalizedName, tuple[ErrorPackage, ...]]:
        """The releases of each package that cannot be what anyone wants."""
        return _grouped(self.error_packages)

    @cached_property
    def floors_by_package(self) -> Mapping[NormalizedName, tuple[GpuFloor, ...]]:
        """The oldest GPUs that each package works on."""
        return _grouped(self.gpu_floors)

    @cached_property
    def conda_by_name(self) -> Mapping[str, CondaName]:
        """The conda packages that are distributions of another name, or none."""
        return {row.name: row for row in self.conda_names}

    @cached_property
    def libraries_by_package(self) -> Mapping[NormalizedName, tuple[SystemLibrary, ...]]:
        """What each package expects of the operating system."""
        return _grouped(self.system_libraries)

    @cached_property
    def packages_by_module(self) -> Mapping[str, ImportName]:
        """The row of each top-level module whose distributions are known."""
        return {row.module: row for row in self.import_names}

    @cached_property
    def modules_by_package(self) -> Mapping[NormalizedName, tuple[str, ...]]:
        """The top-level modules of distributions that are called otherwise."""
        modules: defaultdict[NormalizedName, list[str]] = defaultdict(list)
        for row in self.import_names:
            for name in row.packages:
                modules[name].append(row.module)
        return {name: tuple(found) for name, found in modules.items()}

    @cached_property
    def stdlib_by_name(self) -> Mapping[str, StdlibModule]:
        """The row of each module that only some versions of Python have in their standard library."""
        return {row.name: row for row in self.stdlib_modules}

    def members(self, package: NormalizedName) -> tuple[MemberPattern, ...]:
        """The texts inside the wheels of a package that tell what it was built with."""
        return tuple(
            MemberPattern(
                path=row.member,
                patterns=tuple(
                    (name, pattern)
                    for name, pattern in (("cuda", row.cuda), ("cudnn", row.cudnn), ("cxx11_abi", row.cxx11_abi))
                    if pattern
                ),
            )
            for row in self.wheel_members
            if row.package == package
        )

    def build(self, package: NormalizedName, version: Version, platform: str) -> Build | None:
        """The build that a pinned version is on a platform ("linux-x86_64"), by its local label or by default."""
        key = package, version, platform
        if key not in self._builds:
            self._builds[key] = self._build(*key)
        return self._builds[key]

    def _build(self, package: NormalizedName, version: Version, platform: str) -> Build | None:
        variant = variant_of(version)
        public = Version(version.public) if version.local else version
        found = None
        for row in self.builds_by_package.get(package, ()):
            if not row.first <= public <= row.last or (row.platforms and platform not in row.platforms):
                continue
            if row.variant == variant if variant else row.default:
                found = row
        return found

    def builds_around(self, package: NormalizedName, public: Version, platform: str) -> Around:
        """The builds of a release on a platform, and those with CUDA of the releases near to it."""
        key = package, public, platform
        if key not in self._around:
            rows = [row for row in self.builds_by_package.get(package, ()) if platform in (row.platforms or [platform])]
            whole = sorted((row for row in rows if row.cuda), key=lambda row: not row.default)
            self._around[key] = Around(
                same=tuple(row for row in rows if row.first <= public <= row.last),
                newer=tuple(sorted((row for row in whole if row.first > public), key=attrgetter("first"))),
                older=tuple(sorted((row for row in whole if row.last < public), key=attrgetter("last"), reverse=True)),
            )
        return self._around[key]

    @cached_property
    def _around(self) -> dict[tuple[NormalizedName, Version, str], Around]:
        return {}

    def major(self, number: int) -> CudaMajor | None:
        """The facts of one major of CUDA."""
        return self._majors.get(number)

    def toolkit(self, cuda: Version) -> Toolkit | None:
        """The first release of a toolkit's minor ("12.4" gives 12.4.0), or exactly the one that is named."""
        return self._toolkits.get(cuda.release) or self._toolkits.get(cuda.release[:2])

    def branch(self, driver: Version) -> DriverBranch | None:
        """The branch that a Linux driver belongs to: the newest one that is not newer than it."""
        place = bisect_right(self._branches, driver.major, key=lambda row: row.branch)
        return self._branches[place - 1] if place else None

    @cached_property
    def _branches(self) -> Sequence[DriverBranch]:
        return sorted(self.driver_branches, key=lambda row: row.branch)

    def first_toolkits(self, capability: Version) -> tuple[Version | None, ...]:
        """The first toolkit of each generation whose code serves a compute capability: its own and older minors."""
        if capability not in self._first_toolkits:
            self._first_toolkits[capability] = tuple(
                row.first_toolkit
                for row in self.architectures
                for each in row.capabilities
                if each.major == capability.major and each <= capability
            )
        return self._first_toolkits[capability]

    @cached_property
    def _first_toolkits(self) -> dict[Version, tuple[Version | None, ...]]:
        return {}

    def wheels_of(self, package: NormalizedName, version: Version, platform: str) -> Wheels | None:
        """For whom a release has wheels on a platform, None if no table tells."""
        key = package, version, platform
        if key not in self._wheels:
            rows = self.wheels_by_package.get(package, ())
            found = (row for row in rows if platform in row.platforms and row.first <= version <= row.last)
            self._wheels[key] = next(found, None)
        return self._wheels[key]

    @cached_property
    def _wheels(self) -> dict[tuple[NormalizedName, Version, str], Wheels | None]:
        return {}

    def architecture(self, capability: Version) -> Architecture | None:
        """The generation that a compute capability belongs to."""
        return next((row for row in self.architectures if capability in row.capabilities), None)

    def gpu(self, name: str) -> GpuModel | None:
        """The model that a GPU's name means, however it is dressed up ("NVIDIA A100-SXM4-80GB" is an A100)."""
        if name not in self._gpus_by_name:
            self._gpus_by_name[name] = self._gpus.get(_plain(name))
        return self._gpus_by_name[name]

    def cuda_package(self, name: NormalizedName) -> tuple[CudaPackage, re.Match[str]] | None:
        """How a distribution is bound to CUDA, None if no table says that it is."""
        if name not in self._cuda_packages:
            some = self.cuda_packages if self._any_cuda_package.fullmatch(name) else ()
            found = ((row, match) for row in some if (match := row.pattern.match(name)))
            self._cuda_packages[name] = next(found, None)
        return self._cuda_packages[name]

    def base(self, reference: str) -> Base:
        """What the reference of a base image tells."""
        if reference not in self._bases:
            self._bases[reference] = bases.read(reference, self.images, self.contents, lambda: self.distributions)
        return self._bases[reference]

    def images(self, image: str) -> Sequence[BaseImage]:
        """The rows of images of this name, in the order of the table."""
        return [row for row in self.base_images if row.image.match(image)]

    def contents(self, image: str) -> Sequence[BasePackages]:
        """The rows of what images of this name hold."""
        return [row for row in self.base_packages if row.image.match(image)]

    def libc_of_base(self, reference: str) -> tuple[str, tuple[int, int]]:
        """The C library of a base image and its version."""
        base = self.base(reference)
        return base.libc, base.libc_version

    @cached_property
    def _toolkits(self) -> Mapping[tuple[int, ...], Toolkit]:
        newest_first = sorted(self.toolkits, key=lambda row: row.version, reverse=True)
        return {key: row for row in newest_first for key in (row.version.release[:2], row.version.release)}

    @cached_property
    def _majors(self) -> Mapping[int, CudaMajor]:
        return {row.major: row for row in self.cuda_majors}

    @cached_property
    def _gpus_by_name(self) -> dict[str, GpuModel | None]:
        return {}

    @cached_property
    def _gpus(self) -> Mapping[str, GpuModel]:
        return {_plain(name): row for row in self.gpus for name in (*row.aliases, row.name)}

    @cached_property
    def _builds(self) -> dict[tuple[NormalizedName, Version, str], Build | None]:
        return {}

    @cached_property
    def _any_cuda_package(self) -> re.Pattern[str]:
        """All patterns in one, since most packages have nothing to do with CUDA; no pattern matches nothing."""
        patterns = (_NAMED.sub("(?:", row.pattern.text) for row in self.cuda_packages)
        return re.compile("|".join(f"(?:{each})" for each in patterns) or r"(?!)")

    @cached_property
    def _cuda_packages(self) -> dict[NormalizedName, tuple[CudaPackage, re.Match[str]] | None]:
        return {}

    @cached_property
    def _bases(self) -> dict[str, Base]:
        return {}


def variant_of(version: Version) -> str:
    """The build that a local version label names: "cu118" of 2.1.0+cu118, "cpu", "" where it names none."""
    match = _VARIANT.search(version.local) if version.local else None
    return match.group(1).replace("cuda", "cu") if match else ""


def cudnn_of(version: Version) -> Version | None:
    """The cuDNN that a local version label names: 8.9 of 0.4.20+cuda12.cudnn89."""
    match = _CUDNN.search(version.local) if version.local else None
    return Version(f"{match.group(1)}.{match.group(2)}") if match else None


@lru_cache(maxsize=256)
def cuda_of_variant(variant: str) -> Version | None:
    """The CUDA version of a label: cu118 is 11.8, cu92 is 9.2, cu12 is 12; None if it is not one of CUDA."""
    match = _CUDA_OF_VARIANT.match(variant)
    if match is None:
        return None
    digits = "".join(match.groups())
    if len(digits) == 2 and digits[0] != "1":
        return Version(f"{digits[0]}.{digits[1]}")
    return Version(f"{digits[:2]}.{digits[2]}" if len(digits) > 2 else digits)


def _grouped(table: tuple[OfPackage, ...]) -> Mapping[NormalizedName, tuple[OfPackage, ...]]:
    groups: dict[NormalizedName, list[OfPackage]] = defaultdict(list)
    for row in table:
        groups[row.package].append(row)
    return {name: tuple(group) for name, group in groups.items()}


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", _GPU_NOISE.sub(" ", name.lower().replace("-", " ")))
