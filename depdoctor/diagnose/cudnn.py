"""Packages against the CUDA toolkit and the cuDNN that they will find, and extensions against their framework."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from depdoctor.diagnose.demand import CudaUse
from depdoctor.diagnose.installation import Installation, Package
from depdoctor.diagnose.remedy import other_builds, ways
from depdoctor.diagnose.rule import Context, Rule
from depdoctor.diagnose.words import listed
from depdoctor.model.finding import Evidence, Finding, Kind, Severity
from depdoctor.model.target import Target
from depdoctor.rules.lookup import cuda_of_variant, variant_of
from depdoctor.rules.rows import Build

CUDNN = "cudnn"
CUDNN_WHEEL = "nvidia-cudnn-"

CPU = "cpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Something that brings a version of a library: how it is named, what to look at, and the ground for it."""

    version: Version
    words: str
    names: tuple[str, ...]
    evidence: tuple[Evidence, ...] = ()
    beside: bool = False
    """Whether it comes with another package of the environment, and not with the machine."""


def check(context: Context) -> Iterator[Finding]:
    """Toolkits, then cuDNN, then extensions, of every installation."""
    for installation in context.installations:
        uses = {use.name: use for use in context.uses(installation)}
        for use in uses.values():
            if use.binding.libraries == "system":
                yield from _toolkit(context, installation, use)
                yield from _cudnn(context, installation, uses, use)
            if use.binding.follows is not None:
                yield from _compiled(context, installation, uses, use)
                yield from _follows(context, installation, uses, use)
        yield from _mixed(context, installation, uses)


def host_cuda(context: Context, target: Target) -> Provider | None:
    """The toolkit that stands on a target: as declared, else that of the base image."""
    if target.cuda is not None:
        return Provider(version=target.cuda, words=f"`{target.name}` has CUDA {target.cuda}", names=())
    base = context.base
    if base.cuda is None:
        return None
    return Provider(
        version=base.cuda,
        words=f"{base.reference} brings CUDA {base.cuda}",
        names=(base.reference,),
        evidence=(base.provenance.evidence(f"{base.reference} brings CUDA {base.cuda}"),) if base.provenance else (),
    )


def _toolkit(context: Context, installation: Installation, use: CudaUse) -> Iterator[Finding]:
    """The CUDA major that a package loads from its surroundings, and no one offers there."""
    if use.cuda is None or use.cuda.major in wheel_majors(context, installation):
        return
    for target in context.targets(installation):
        host = host_cuda(context, target)
        if host is None or host.version.major == use.cuda.major:
            continue

        def fits(build: Build, major: int = host.version.major) -> bool:
            return build.cuda is not None and build.cuda.major == major

        yield Finding(
            kind=Kind.CUDNN_TOOLKIT_MISMATCH,
            severity=Severity.ERROR,
            subject=use.name,
            message=(
                f"{use.package} loads the libraries of CUDA {use.cuda.major}, but {host.words}: "
                f"`libcublasLt.so.{use.cuda.major}: cannot open shared object file`, and it runs on the CPU"
            ),
            hint=ways(
                other_builds(use, context.rules, installation.platform, fits),
                f"take a base image with CUDA {use.cuda.major}",
            ),
            packages=tuple(sorted((use.name, *host.names))),
            projects=installation.projects_with([use.name]),
            causes=installation.causes(use.name),
            evidence=(*use.evidence, *host.evidence),
        )


def wheel_majors(context: Context, installation: Installation) -> set[int]:
    """The CUDA majors whose libraries are installed as wheels."""
    return {
        use.cuda.major
        for use in context.uses(installation)
        if use.cuda and (use.binding.is_runtime or (use.binding.role == "component" and use.binding.version_is_cuda))
    }


def _cudnn(
    context: Context, installation: Installation, uses: dict[NormalizedName, CudaUse], use: CudaUse
) -> Iterator[Finding]:
    """The cuDNN that a package was built with, against the one that it will find."""
    if use.cudnn is None:
        return
    for found in _cudnn_providers(context, installation, uses, use):
        wrong = found.version.major != use.cudnn.major
        old = use.binding.strict and _older(found.version, use.cudnn)
        if not wrong and not old:
            continue
        effect = (
            f"`libcudnn.so.{use.cudnn.major}: cannot open shared object file`"
            if wrong
            else f"`Loaded runtime CuDNN library: {found.version} but source was compiled with: {use.cudnn}`"
        )

        def fits(build: Build, cudnn: Version = found.version) -> bool:
            return build.cudnn is not None and build.cudnn.major == cudnn.major and not _older(cudnn, build.cudnn)

        yield Finding(
            kind=Kind.CUDNN_TOOLKIT_MISMATCH,
            severity=_severity(context, installation, use, found),
            subject=use.name,
            message=f"{use.package} is built for cuDNN {use.cudnn}, but {found.words}: {effect}",
            hint=ways(
                other_builds(use, context.rules, installation.platform, fits),
                f"provide cuDNN {use.cudnn.major}" if wrong else f"provide cuDNN {use.cudnn} or newer",
            ),
            packages=tuple(sorted({use.name, *found.names})),
            projects=installation.projects_with([use.name]),
            causes=installation.causes(use.name, *(name for name in found.names if name in installation.packages)),
            evidence=(*_built(use), *found.evidence),
        )
        return


def _cudnn_providers(
    context: Context, installation: Installation, uses: dict[NormalizedName, CudaUse], use: CudaUse
) -> Iterator[Provider]:
    """What brings cuDNN into the process: wheels and the frameworks that require them, else the target or the base."""
    wheels = [
        (package, package.version)
        for package in installation.among([name for name in installation.packages if name.startswith(CUDNN_WHEEL)])
        if package.version is not None
    ]
    for package, version in wheels:
        parents = [name for name in installation.parents(package.name) if name in uses and name != use.name]
        by = f" (for {listed(parents)})" if parents else ""
        yield Provider(version=version, words=f"{package}{by} is loaded", names=(package.name, *parents), beside=True)
    if not wheels:
        for other in uses.values():
            if other.binding.libraries == "wheels" and other.cudnn and other.name != use.name:
                yield Provider(
                    version=other.cudnn,
                    words=f"{other.package} brings cuDNN {other.cudnn}",
                    names=(CUDNN, other.name),
                    evidence=_built(other),
                    beside=True,
                )
                return
        for target in context.targets(installation):
            if target.cudnn is not None:
                yield Provider(version=target.cudnn, words=f"`{target.name}` has cuDNN {target.cudnn}", names=(CUDNN,))
            elif context.base.cudnn is not None:
                reference = context.base.reference
                yield Provider(
                    version=context.base.cudnn,
                    words=f"{reference} brings cuDNN {context.base.cudnn}",
                    names=(CUDNN, reference),
                )


def _severity(context: Context, installation: Installation, use: CudaUse, found: Provider) -> Severity:
    """A package that runs on CPUs as well falls back to them, which only matters where a GPU is meant."""
    if not use.binding.optional or not found.beside:
        return Severity.ERROR
    meant = any(target.gpus or target.driver or target.driver_cuda for target in context.targets(installation))
    return Severity.WARNING if meant else Severity.NOTE


def _older(found: Version, wanted: Version) -> bool:
    """Whether a cuDNN has an older minor than another of its major, as far as both are told."""
    width = min(len(found.release), len(wanted.release), 2)
    return found.major == wanted.major and found.release[:width] < wanted.release[:width]


def _built(use: CudaUse) -> tuple[Evidence, ...]:
    if use.build is None or use.build.cudnn is None:
        return use.evidence
    return (use.build.provenance.evidence(f"{use.package} is built with cuDNN {use.build.cudnn}"),)


def _compiled(
    context: Context, installation: Installation, uses: dict[NormalizedName, CudaUse], use: CudaUse
) -> Iterator[Finding]:
    """Code that is compiled in place, with an nvcc whose major is not that of the framework."""
    framework = uses.get(use.binding.follows) if use.binding.follows else None
    labelled = use.package.version is not None and variant_of(use.package.version)
    if not use.binding.compiles or labelled or framework is None or framework.cuda is None:
        return
    for target in context.targets(installation):
        host = host_cuda(context, target)
        if host is None or host.version.major == framework.cuda.major:
            continue

        def fits(build: Build, major: int = host.version.major) -> bool:
            return build.cuda is not None and build.cuda.major == major

        yield Finding(
            kind=Kind.CUDNN_TOOLKIT_MISMATCH,
            severity=Severity.ERROR,
            subject=use.name,
            message=(
                f"{use.package} is compiled in place, and {host.words} where {framework.package} is built for CUDA "
                f"{framework.cuda}: `The detected CUDA version mismatches the version that was used to compile PyTorch`"
            ),
            hint=ways(
                other_builds(framework, context.rules, installation.platform, fits),
                f"take a base image with CUDA {framework.cuda.major}",
            ),
            packages=tuple(sorted((use.name, framework.name, *host.names))),
            projects=installation.projects_with([use.name]),
            causes=installation.causes(use.name, framework.name),
            evidence=(
                use.binding.provenance.evidence(f"{use.name} is {use.binding.note}"),
                *framework.evidence,
                *host.evidence,
            ),
        )
        return


def _follows(
    context: Context, installation: Installation, uses: dict[NormalizedName, CudaUse], use: CudaUse
) -> Iterator[Finding]:
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
    elif use.cuda is not None and not use.binding.compiles and use.cuda.major != framework.cuda.major:
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
            other_builds(framework, context.rules, installation.platform, fits),
            f"take a {use.name} that is built for CUDA {framework.cuda}",
        ),
        packages=tuple(sorted((use.name, framework.name))),
        projects=installation.projects_with([use.name]),
        causes=installation.causes(use.name, framework.name),
        evidence=(*use.evidence, *framework.evidence),
    )


def _same_minor(one: Version, other: Version) -> bool:
    return one.release[:2] == other.release[:2]


def _mixed(context: Context, installation: Installation, uses: dict[NormalizedName, CudaUse]) -> Iterator[Finding]:
    """A framework and its sisters from different indexes: one for CPUs, one for CUDA, or two CUDA majors."""
    for package in installation.among(context.followers(installation)):
        name = package.name
        bound = context.rules.cuda_package(name)
        follows = bound[0].follows if bound else None
        framework = installation.packages.get(follows) if follows else None
        if bound is None or framework is None or bound[0].compiles or package.version is None or name in _told(uses):
            continue
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


def _told(uses: dict[NormalizedName, CudaUse]) -> set[NormalizedName]:
    """Extensions whose own CUDA is known are judged by it."""
    return {use.name for use in uses.values() if use.build and (use.build.cuda or use.build.supports)}


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


RULE = Rule(
    kind=Kind.CUDNN_TOOLKIT_MISMATCH,
    title="A package will not find the CUDA or the cuDNN that it was built for",
    text="""\
Some wheels bring no CUDA libraries: onnxruntime-gpu, tensorflow without `[and-cuda]`, ctranslate2, cupy and paddle load
whatever stands on the machine, in the base image, or beside them as wheels. Each is built for one major of CUDA and one
of cuDNN. If only another is there, loading fails and the package falls back to the CPU, often with a warning that
nobody reads. Two packages in one process must agree on the major of cuDNN.

Extensions (xformers, vllm, bitsandbytes, flash-attn, deepspeed) must be built for the CUDA of their framework, and
those that are compiled in place need an nvcc of its major. Builds from different indexes (+cpu with CUDA sisters) do
not mix.

Take the build or the release for what is there, or a base image that has what it needs; the hint names the nearest.""",
    check=check,
)
