"""What an installation demands of the machine: CUDA, cuDNN, GPU targets.

Order of truth: the label of the locked version, the CUDA wheels that it requires, what was found inside the wheel, its
name, the tables. What none of them tells stays unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from depdoctor.diagnose.installation import Installation, Package
from depdoctor.model.distribution import WheelCode
from depdoctor.model.finding import Confidence, Evidence
from depdoctor.model.graph import holds
from depdoctor.model.noun import dataclass
from depdoctor.rules import Rules
from depdoctor.rules.lookup import cuda_of_variant, cudnn_of, variant_of
from depdoctor.rules.rows import Build, Capability, CudaPackage
from depdoctor.rules.schema import capability_of

LOCK = "the locked version"

SAME_MAJOR = ("libcudart", "libcublas", "libcublasLt")
"""Libraries of CUDA whose major is that of CUDA; those of cuFFT and others are numbered by themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CudaUse:
    """How one package is bound to CUDA.

    `cuda` is None if its CUDA is not known; its second number may be unknown. `cudnn` is what it was built with.
    """

    package: Package
    binding: CudaPackage
    cuda: Version | None
    cudnn: Version | None
    build: Build | None
    evidence: tuple[Evidence, ...]

    @property
    def name(self) -> NormalizedName:
        """The package."""
        return self.package.name

    @property
    def targets(self) -> tuple[Capability, ...]:
        """All that its GPU code is compiled for, as it was found inside the wheel or tables know it; () if unknown."""
        code = self.package.code
        if code is not None and code.complete:
            return tuple(sorted(filter(None, map(_capability, code.targets))))
        return self.build.targets if self.build else ()

    @property
    def cxx11_abi(self) -> bool | None:
        """Whether it is built for the C++ ABI of 2011, None if unknown."""
        code = self.package.code
        if code is not None and code.cxx11_abi:
            return bool(code.cxx11_abi == "1")
        return self.build.cxx11_abi if self.build else None

    @property
    def compiled(self) -> bool:
        """Whether it holds GPU code of its own, and is no mere library or binding."""
        return self.binding.role in {"framework", "extension"}

    @property
    def minor_known(self) -> bool:
        """Whether more than the major of its CUDA is known."""
        return self.cuda is not None and len(self.cuda.release) > 1


Bindings = Mapping[NormalizedName, tuple[CudaPackage, re.Match[str]]]
"""How packages are bound to CUDA, and what the pattern of the table found in their names."""


def bindings_of(names: Iterable[NormalizedName], rules: Rules) -> Bindings:
    """How those of some packages are bound to CUDA that are: most are not."""
    return {name: found for name in names if (found := rules.cuda_package(name))}


def cuda_uses(installation: Installation, bindings: Bindings, rules: Rules, date: str) -> tuple[CudaUse, ...]:
    """Every package of an installation that tables bind to CUDA and whose build is not one for CPUs, by name.

    `bindings` are those of these packages at least; `date` is the ISO date of the lock.
    """
    found = []
    for package in installation.among(bindings.keys()):
        use = _use(installation, rules, date, package, bindings[package.name])
        if use is not None:
            found.append(use)
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Case:
    """One package, and all that may tell its CUDA."""

    installation: Installation
    rules: Rules
    date: str
    package: Package
    binding: CudaPackage
    match: re.Match[str]
    build: Build | None

    def locked(self, fact: str) -> Evidence:
        """What the lock itself says, or a conda environment, whose builds are not those of wheels."""
        if not self.package.is_wheel:
            declared = "the conda packages that are declared"
            return Evidence(fact=fact, source=declared, date=self.date, confidence=Confidence.INFERRED)
        origin = next((str(part.lock.origin) for part in self.installation.parts if part.lock.origin), LOCK)
        return Evidence(fact=fact, source=origin, date=self.date, confidence=Confidence.PRIMARY)

    def found(self, fact: str) -> Evidence:
        """What was found inside the wheel."""
        return Evidence(fact=fact, source="the wheel itself", date=self.date, confidence=Confidence.PRIMARY)


Told = tuple[Version | None, Evidence]
"""A CUDA version, None if it is there but nobody knows which, and the ground for it."""


def _use(
    installation: Installation,
    rules: Rules,
    date: str,
    package: Package,
    bound: tuple[CudaPackage, re.Match[str]],
) -> CudaUse | None:
    version = package.version
    variant = variant_of(version) if version else ""
    if variant and not variant.startswith("cu"):
        return None
    build = rules.build(package.name, version, installation.platform) if version else None
    code = package.code
    if build and build.cuda is None and not build.supports and not build.targets and not (code and code.cuda):
        return None
    case = _Case(installation, rules, date, package, *bound, build)
    told = next((found for source in SOURCES if (found := source(case))), None)
    return CudaUse(
        package=package,
        binding=case.binding,
        cuda=told[0] if told else None,
        cudnn=(cudnn_of(version) if version else None) or _cudnn_inside(code) or (build.cudnn if build else None),
        build=build,
        evidence=(told[1],) if told else (),
    )


def _by_label(case: _Case) -> Told | None:
    cuda = cuda_of_variant(variant_of(case.package.version)) if case.package.version else None
    return (cuda, case.locked(f"{case.package} is labelled CUDA {cuda}")) if cuda else None


def _by_release(case: _Case) -> Told | None:
    """The release number of a package whose number is CUDA's, or the toolkit that the release belongs to."""
    package, version = case.package, case.package.version
    if not case.binding.version_is_cuda:
        return None
    if version is None:
        least = package.least
        fact = f"{package.name} {least} and later are of CUDA {least.major} or newer" if least else ""
        return (Version(str(least.major)), case.binding.provenance.evidence(fact)) if least else None
    for row in case.rules.components_by_package.get(package.name, ()):
        if row.version == version:
            return _minor(row.toolkit), row.provenance.evidence(f"{package} is of CUDA {row.toolkit}")
    return _minor(version), case.binding.provenance.evidence(
        f"{package} is of CUDA {_minor(version)}, as it is numbered"
    )


def _by_runtime(case: _Case) -> Told | None:
    """The CUDA run time that the package requires, as it is installed."""
    for requirement in case.package.requires or ():
        name = canonicalize_name(requirement.name)
        bound = case.rules.cuda_package(name)
        extras = case.installation.extras.get(case.package.name, frozenset())
        if not holds(requirement.marker, case.installation.environment, extras):
            continue
        if bound and bound[0].is_runtime and (found := case.installation.packages.get(name)) and found.version:
            return _minor(found.version), case.locked(f"{case.package} requires {found}")
    return None


def _inside(case: _Case) -> Told | None:
    """What a version module inside the wheel says, else the CUDA libraries that its shared objects load."""
    code = case.package.code
    if code is None:
        return None
    if code.cuda:
        return Version(code.cuda), case.found(f"{case.package} says CUDA {code.cuda} in {code.members[0]}")
    for library in code.libraries:
        name, _, major = library.partition(".so.")
        if name in SAME_MAJOR:
            return Version(major), case.found(f"{case.package} loads {library}")
    return None


def _cudnn_inside(code: WheelCode | None) -> Version | None:
    if code is None:
        return None
    loaded = next((each.partition(".so.")[2] for each in code.libraries if each.startswith("libcudnn.so.")), "")
    return Version(code.cudnn or loaded) if code.cudnn or loaded else None


def _by_name(case: _Case) -> Told | None:
    groups = {key: value for key, value in case.match.groupdict().items() if value}
    if "major" not in groups:
        return None
    cuda = Version(".".join(filter(None, (groups["major"], groups.get("minor")))))
    return cuda, case.binding.provenance.evidence(f"{case.package.name} is built for CUDA {cuda}, as its name says")


def _by_table(case: _Case) -> Told | None:
    if case.build is None or case.build.cuda is None:
        return None
    fact = f"{case.package} is built for CUDA {case.build.cuda}"
    return case.build.cuda, case.build.provenance.evidence(fact)


SOURCES = (_by_label, _by_release, _by_runtime, _inside, _by_name, _by_table)
"""What tells the CUDA of a package, the surest first."""


def _capability(text: str) -> Capability | None:
    try:
        return capability_of(text)
    except ValueError:
        return None


def _minor(version: Version) -> Version:
    return Version(f"{version.major}.{version.minor}")
