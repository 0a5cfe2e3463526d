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
    for name, package in sorted(installation.packages.items()):
        bound = rules.cuda_package(name)
        if bound is None:
            continue
        binding, match = bound
        use = _use(_Where(installation, rules, date), package, binding, match)
        if use is not None:
            found.append(use)
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Where:
    installation: Installation
    rules: Rules
    date: str

    def evidence(self, fact: str) -> Evidence:
        """What the lock itself says."""
        origin = next((str(part.lock.origin) for part in self.installation.parts if part.lock.origin), LOCK)
        return Evidence(fact=fact, source=origin, date=self.date, confidence=Confidence.PRIMARY)


def _use(where: _Where, package: Package, binding: CudaPackage, match: re.Match[str]) -> CudaUse | None:
    version = package.version
    variant = variant_of(version) if version else ""
    if variant and not variant.startswith("cu"):
        return None
    build = where.rules.build(package.name, version, where.installation.platform) if version else None
    if build and build.cuda is None and not build.supports and not build.targets:
        return None
    cuda, evidence = _cuda(where, package, binding, match, build)
    cudnn = (cudnn_of(version) if version else None) or (build.cudnn if build else None)
    return CudaUse(package=package, binding=binding, cuda=cuda, cudnn=cudnn, build=build, evidence=evidence)


def _cuda(
    where: _Where, package: Package, binding: CudaPackage, match: re.Match[str], build: Build | None
) -> tuple[Version | None, tuple[Evidence, ...]]:
    version = package.version
    named = cuda_of_variant(variant_of(version)) if version else None
    if named is not None:
        return named, (where.evidence(f"{package} is labelled CUDA {named}"),)
    if version and binding.version_is_cuda:
        return _of_release(where.rules, package, version)
    if (runtime := _runtime(where, package)) is not None:
        cuda = Version(f"{runtime.version.major}.{runtime.version.minor}") if runtime.version else None
        return cuda, (where.evidence(f"{package} requires {runtime}"),)
    groups = {key: value for key, value in match.groupdict().items() if value}
    if "major" in groups:
        cuda = Version(".".join(filter(None, (groups["major"], groups.get("minor")))))
        return cuda, (binding.provenance.evidence(f"{package.name} is built for CUDA {cuda}, as its name says"),)
    if build and build.cuda:
        return build.cuda, (build.provenance.evidence(f"{package} is built for CUDA {build.cuda}"),)
    return None, ()


def _of_release(rules: Rules, package: Package, version: Version) -> tuple[Version, tuple[Evidence, ...]]:
    component = next((row for row in rules.components_by_package.get(package.name, ()) if row.version == version), None)
    if component:
        cuda = Version(f"{component.toolkit.major}.{component.toolkit.minor}")
        return cuda, (component.provenance.evidence(f"{package} is of CUDA {component.toolkit}"),)
    cuda = Version(f"{version.major}.{version.minor}")
    fact = f"{package} is of CUDA {cuda}, as its version says"
    binding = rules.cuda_package(package.name)
    return cuda, ((binding[0].provenance.evidence(fact),) if binding else ())


def _runtime(where: _Where, package: Package) -> Package | None:
    """The CUDA run time that the package requires and that is installed with a known version."""
    for requirement in package.requires or ():
        name = canonicalize_name(requirement.name)
        bound = where.rules.cuda_package(name)
        if bound and bound[0].is_runtime and (found := where.installation.packages.get(name)) and found.version:
            return found
    return None
