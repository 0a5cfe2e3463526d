"""Extensions against their framework: built for another CUDA, compiled with another nvcc, or of another index."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from depdoctor.diagnose.demand import CudaUse
from depdoctor.diagnose.installation import Installation, Package
from depdoctor.diagnose.remedy import other_builds, ways
from depdoctor.diagnose.rule import Context
from depdoctor.diagnose.toolkits import other_toolkits
from depdoctor.diagnose.words import listed
from depdoctor.model.finding import Finding, Kind, Severity
from depdoctor.rules.lookup import cuda_of_variant, variant_of
from depdoctor.rules.rows import Build

CPU = "cpu"

Uses = Mapping[NormalizedName, CudaUse]


def extensions(context: Context, installation: Installation, uses: Uses) -> Iterator[Finding]:
    """Every package that must be built as its framework is, against that framework."""
    for use in uses.values():
        if use.binding.follows is not None:
            yield from _compiled(context, installation, uses, use)
            yield from _follows(context, installation, uses, use)
    yield from _mixed(context, installation, uses)


def _compiled(context: Context, installation: Installation, uses: Uses, use: CudaUse) -> Iterator[Finding]:
    """Code that is compiled in place, with an nvcc whose major is not that of the framework."""
    framework = uses.get(use.binding.follows) if use.binding.follows else None
    labelled = use.package.version is not None and variant_of(use.package.version)
    if not use.binding.compiles or labelled or framework is None or framework.cuda is None:
        return
    wanted = framework.cuda.major
    other = other_toolkits(context.base(*installation.projects), context.targets(installation), wanted)
    if other is None:
        return
    note = use.binding.provenance.evidence(f"{use.name} is {use.binding.note}")
    yield Finding(
        kind=Kind.CUDNN_TOOLKIT_MISMATCH,
        severity=Severity.ERROR,
        subject=use.name,
        message=(
            f"{use.package} is compiled in place, and {other.words} where {framework.package} is built for CUDA "
            f"{framework.cuda}: `The detected CUDA version mismatches the version that was used to compile PyTorch`"
        ),
        hint=ways(
            other.builds(framework, context.rules, installation),
            f"take a base image with CUDA {wanted}",
        ),
        packages=tuple(sorted({use.name, framework.name, *other.names})),
        projects=installation.projects_with([use.name]),
        causes=installation.causes(use.name, framework.name),
        evidence=tuple(dict.fromkeys((note, *framework.evidence, *other.evidence))),
        targets=other.targets,
        outcomes=other.outcomes,
    )


def _follows(context: Context, installation: Installation, uses: Uses, use: CudaUse) -> Iterator[Finding]:
    """An extension that was built against another CUDA than its framework."""
    framework = uses.get(use.binding.follows) if use.binding.follows else None
    if framework is None or framework.cuda is None:
        return
    supports = use.build.supports if use.build else ()
    if supports and framework.minor_known and not any(_same_minor(framework.cuda, each) for each in supports):
        message = (
            f"{use.package} carries libraries for CUDA {listed(supports)}, and {framework.package} is built for CUDA "
            f"{framework.cuda}: `CUDA Setup failed`, and it does not use the GPU"
        )
    elif use.cuda is not None and _is_built(use) and use.cuda.major != framework.cuda.major:
        message = (
            f"{use.package} is built for CUDA {use.cuda}, and {framework.package} for CUDA {framework.cuda}: "
            f"`libcudart.so.{use.cuda.major}: cannot open shared object file`"
        )
    else:
        return

    def fits(build: Build, wanted: Version | None = use.cuda) -> bool:
        if build.cuda is None:
            return False
        return any(_same_minor(build.cuda, each) for each in supports) or (
            wanted is not None and build.cuda.major == wanted.major
        )

    yield Finding(
        kind=Kind.CUDNN_TOOLKIT_MISMATCH,
        severity=Severity.ERROR,
        subject=use.name,
        message=message,
        hint=ways(
            other_builds(framework, context.rules, installation, fits),
            f"take a {use.name} that is built for CUDA {framework.cuda}",
        ),
        packages=tuple(sorted((use.name, framework.name))),
        projects=installation.projects_with([use.name]),
        causes=installation.causes(use.name, framework.name),
        evidence=(*use.evidence, *framework.evidence),
    )


def _is_built(use: CudaUse) -> bool:
    """Whether it comes as a build for one CUDA: what is compiled in place takes that of the machine."""
    return not use.binding.compiles or (use.package.version is not None and bool(variant_of(use.package.version)))


def _same_minor(one: Version, other: Version) -> bool:
    return one.release[:2] == other.release[:2]


def _mixed(context: Context, installation: Installation, uses: Uses) -> Iterator[Finding]:
    """A framework and its sisters from different indexes: one for CPUs, one for CUDA, or two CUDA majors."""
    for package in installation.among(context.followers(installation)):
        name = package.name
        bound = context.rules.cuda_package(name)
        follows = bound[0].follows if bound else None
        framework = installation.packages.get(follows) if follows else None
        if bound is None or framework is None or bound[0].compiles or package.version is None or name in _told(uses):
            continue
        if not _labelled(package, framework):
            continue  # by default releases that go together are built for one CUDA; that these do not is told as such
        mine, theirs = _index_build(context, installation, package), _index_build(context, installation, framework)
        if mine and theirs and _clash(mine, theirs):
            yield Finding(
                kind=Kind.CUDNN_TOOLKIT_MISMATCH,
                severity=Severity.ERROR,
                subject=name,
                message=(
                    f"{package} is a build for {_spoken(mine)} and {framework} one for {_spoken(theirs)}: "
                    "`operator does not exist`, or `undefined symbol`"
                ),
                hint=f"take both from the index of one build, such as the one that ends in /{theirs}",
                packages=tuple(sorted((name, framework.name))),
                projects=installation.projects_with([name]),
                causes=installation.causes(name, framework.name),
                evidence=(bound[0].provenance.evidence(f"{name} must be built as {framework.name} is"),),
            )


def _labelled(*packages: Package) -> bool:
    return any(package.version is not None and variant_of(package.version) for package in packages)


def _told(uses: Uses) -> set[NormalizedName]:
    """Extensions whose own CUDA is known, beside a framework whose CUDA is: they are judged by it."""
    return {
        use.name
        for use in uses.values()
        if use.binding.follows in uses and (use.cuda or (use.build and use.build.supports)) and _is_built(use)
    }


def _index_build(context: Context, installation: Installation, package: Package) -> str:
    """The build of a package by its label, or by what the bare version is; "" where that is not known."""
    version = package.version
    if version is None or installation.platform != "linux-x86_64":
        return ""
    if variant := variant_of(version):
        return variant
    build = context.rules.build(package.name, version, installation.platform)
    if build is not None:
        return build.variant
    for requirement in package.requires or ():
        name = canonicalize_name(requirement.name)
        pinned = [each.version for each in requirement.specifier if each.operator == "=="]
        for row in context.rules.builds_by_package.get(name, ()) if pinned else ():
            here = not row.platforms or installation.platform in row.platforms
            if here and row.default and row.variant and row.first <= Version(pinned[0]) <= row.last:
                return row.variant
    return ""


def _clash(mine: str, theirs: str) -> bool:
    if mine == theirs:
        return False
    one, other = cuda_of_variant(mine), cuda_of_variant(theirs)
    if one is not None and other is not None:
        return one.major != other.major
    return CPU in {mine, theirs}


def _spoken(variant: str) -> str:
    cuda = cuda_of_variant(variant)
    return f"CUDA {cuda}" if cuda else "CPUs" if variant == CPU else variant
