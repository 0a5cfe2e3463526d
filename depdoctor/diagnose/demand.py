"""What an installation demands of the machine: CUDA, cuDNN, GPU targets.

Order of truth: the label of the locked version, the CUDA wheels that it requires, its name, the tables. What none of
them tells stays unknown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from depdoctor.diagnose.installation import Installation, Package
from depdoctor.model.finding import Confidence, Evidence
from depdoctor.rules import Rules
from depdoctor.rules.lookup import cuda_of_variant, cudnn_of, variant_of
from depdoctor.rules.rows import Build, CudaPackage

LOCK = "the locked version"


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
    def compiled(self) -> bool:
        """Whether it holds GPU code of its own, and is no mere library or binding."""
        return self.binding.role in {"framework", "extension"}

    @property
    def minor_known(self) -> bool:
        """Whether more than the major of its CUDA is known."""
        return self.cuda is not None and len(self.cuda.release) > 1


def cuda_uses(installation: Installation, rules: Rules, date: str) -> tuple[CudaUse, ...]:
    """Every package of an installation that tables bind to CUDA and whose build is not one for CPUs, by name.

    `date` is the ISO date of the lock.
    """
    found = []
    bindings = {name: bound for name in installation.packages if (bound := rules.cuda_package(name))}
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
    if build and build.cuda is None and not build.supports and not build.targets:
        return None
    case = _Case(installation, rules, date, package, *bound, build)
    told = next((found for source in SOURCES if (found := source(case))), None)
    return CudaUse(
        package=package,
        binding=case.binding,
        cuda=told[0] if told else None,
        cudnn=(cudnn_of(version) if version else None) or (build.cudnn if build else None),
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
        if bound and bound[0].is_runtime and (found := case.installation.packages.get(name)) and found.version:
            return _minor(found.version), case.locked(f"{case.package} requires {found}")
    return None


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


SOURCES = (_by_label, _by_release, _by_runtime, _by_name, _by_table)
"""What tells the CUDA of a package, the surest first."""


def _minor(version: Version) -> Version:
    return Version(f"{version.major}.{version.minor}")
