"""Packages against the CUDA toolkit and the cuDNN that they will find, and extensions against their framework."""

from __future__ import annotations

from collections.abc import Iterator

from packaging.utils import NormalizedName
from packaging.version import Version

from depdoctor.diagnose.demand import CudaUse
from depdoctor.diagnose.extensions import extensions
from depdoctor.diagnose.installation import Installation
from depdoctor.diagnose.nowhere import from_nowhere
from depdoctor.diagnose.outcomes import Told, by_target
from depdoctor.diagnose.provider import CUDNN, Provider, host_cuda, host_cudnn, of_major
from depdoctor.diagnose.remedy import other_builds, ways
from depdoctor.diagnose.rule import Context, Rule
from depdoctor.diagnose.toolkits import other_toolkits
from depdoctor.diagnose.words import listed
from depdoctor.model.finding import Evidence, Finding, Kind, Severity, State
from depdoctor.model.target import Target
from depdoctor.rules.rows import Build

CUDNN_WHEEL = "nvidia-cudnn-"


def check(context: Context) -> Iterator[Finding]:
    """Toolkits, then cuDNN, then extensions, of every installation."""
    for installation in context.installations:
        uses = {use.name: use for use in context.uses(installation)}
        for use in uses.values():
            if use.binding.libraries == "system":
                found = list(_toolkit(context, installation, use))
                if all(each.severity is Severity.ERROR for each in found):  # else the same is said already
                    found += _cudnn(context, installation, uses, use)
                yield from found or from_nowhere(context, installation, use)
        yield from extensions(context, installation, uses)


def _toolkit(context: Context, installation: Installation, use: CudaUse) -> Iterator[Finding]:
    """The CUDA major that a package loads from its surroundings, and no one offers there."""
    if use.cuda is None or use.cuda.major in wheel_majors(context, installation):
        return
    base = context.base(*installation.projects)
    unsaid = [target for target in context.targets(installation) if host_cuda(base, target) is None]
    if any(map(_has_gpu, unsaid)):
        yield from _other_wheels(context, installation, use)
    library = f"libcublasLt.so.{use.cuda.major}"
    other = other_toolkits(base, context.targets(installation), use.cuda.major, f": no `{library}`")
    if other is None:
        return
    yield Finding(
        kind=Kind.CUDNN_TOOLKIT_MISMATCH,
        severity=Severity.ERROR,
        subject=use.name,
        message=(
            f"{use.package} loads the libraries of CUDA {use.cuda.major}, but {other.words}: "
            f"`{library}: cannot open shared object file`, and it runs on the CPU"
        ),
        hint=ways(
            other.builds(use, context.rules, installation),
            f"take a base image with CUDA {use.cuda.major}",
        ),
        packages=tuple(sorted({use.name, *other.names})),
        projects=installation.projects_with([use.name]),
        causes=installation.causes(use.name),
        evidence=tuple(dict.fromkeys((*use.evidence, *other.evidence))),
        targets=other.targets,
        outcomes=other.outcomes,
    )


def _other_wheels(context: Context, installation: Installation, use: CudaUse) -> Iterator[Finding]:
    """Where nobody says what the machine has: the wheels of the environment bring CUDA, of another major."""
    beside = [
        other
        for other in context.uses(installation)
        if other.cuda and use.cuda and other.binding.libraries == "wheels" and other.cuda.major != use.cuda.major
    ]
    if use.cuda is None or not beside:
        return
    brought = sorted({other.cuda.major for other in beside if other.cuda})
    majors = f"those of CUDA {listed(map(str, brought))} come with {listed(str(one.package) for one in beside)}"
    yield Finding(
        kind=Kind.CUDNN_TOOLKIT_MISMATCH,
        severity=Severity.WARNING,
        subject=use.name,
        message=(
            f"{use.package} loads the libraries of CUDA {use.cuda.major}, but {majors}: unless the machine has CUDA "
            f"{use.cuda.major} too, `libcublasLt.so.{use.cuda.major}` is not found, and it runs on the CPU"
        ),
        hint=ways(
            other_builds(use, context.rules, installation, of_major(brought[-1])),
            f"take a base image with CUDA {use.cuda.major}",
        ),
        packages=tuple(sorted((use.name, *(one.name for one in beside)))),
        projects=installation.projects_with([use.name]),
        causes=installation.causes(use.name, *(one.name for one in beside)),
        evidence=(*use.evidence, *(fact for one in beside for fact in one.evidence)),
    )


def _has_gpu(target: Target) -> bool:
    return bool(target.gpus or target.driver or target.driver_cuda)


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
    beside = list(_beside(installation, uses, use))
    targets = context.targets(installation)
    base = context.base(*installation.projects)
    hosts = {} if beside else {target.name: host_cudnn(base, target) for target in targets}
    offered = beside or [host for host in hosts.values() if host]
    found = next((each for each in offered if _mismatch(use, each.version)), None)
    if found is None or (beside and not all(_mismatch(use, each.version) for each in beside)):
        return  # of two cuDNN wheels that write the same files, another rule tells
    wrong = found.version.major != use.cudnn.major

    def fits(build: Build) -> bool:
        return (
            build.cudnn is not None
            and build.cudnn.major == found.version.major
            and not _older(found.version, build.cudnn)
        )

    def told(target: Target) -> Told:
        host = hosts.get(target.name)
        if host is None:
            return State.UNKNOWN, "no cuDNN is declared"
        effect = _mismatch(use, host.version)
        return (State.FAILS, f"cuDNN {host.version}: {effect}") if effect else (State.RUNS, f"cuDNN {host.version}")

    failing = {name: host for name, host in hosts.items() if host and _mismatch(use, host.version)}
    words = listed(dict.fromkeys(host.words for host in failing.values())) if failing else found.words
    yield Finding(
        kind=Kind.CUDNN_TOOLKIT_MISMATCH,
        severity=_severity(context, installation, use, found),
        subject=use.name,
        message=f"{use.package} is built for cuDNN {use.cudnn}, but {words}: {_mismatch(use, found.version)}",
        hint=ways(
            other_builds(use, context.rules, installation, fits),
            f"provide cuDNN {use.cudnn.major}" if wrong else f"provide cuDNN {use.cudnn} or newer",
        ),
        packages=tuple(sorted({use.name, *found.names})),
        projects=installation.projects_with([use.name]),
        causes=installation.causes(use.name, *(name for name in found.names if name in installation.packages)),
        evidence=(*_built(use), *found.evidence),
        targets=tuple(failing),
        outcomes=() if beside else by_target(targets, told),
    )


def _mismatch(use: CudaUse, found: Version) -> str:
    """What a package says to the cuDNN that it finds; "" if that is right."""
    if use.cudnn is None:
        return ""
    if found.major != use.cudnn.major:
        return f"`libcudnn.so.{use.cudnn.major}: cannot open shared object file`"
    if use.binding.strict and _older(found, use.cudnn):
        return f"`Loaded runtime CuDNN library: {found} but source was compiled with: {use.cudnn}`"
    return ""


def _beside(installation: Installation, uses: dict[NormalizedName, CudaUse], use: CudaUse) -> Iterator[Provider]:
    """What brings cuDNN into the process from beside a package: wheels, else a framework that requires them."""
    wheels = [
        (package, package.version)
        for package in installation.among([name for name in installation.packages if name.startswith(CUDNN_WHEEL)])
        if package.version is not None
    ]
    for package, version in wheels:
        parents = [name for name in installation.parents(package.name) if name in uses and name != use.name]
        by = f" (for {listed(parents)})" if parents else ""
        yield Provider(version=version, words=f"{package}{by} is loaded", names=(package.name, *parents), beside=True)
    if wheels:
        return
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


def _severity(context: Context, installation: Installation, use: CudaUse, found: Provider) -> Severity:
    """A package that runs on CPUs as well falls back to them, which only matters where a GPU is meant."""
    if not use.binding.optional or not found.beside:
        return Severity.ERROR
    meant = any(map(_has_gpu, context.targets(installation)))
    return Severity.WARNING if meant else Severity.NOTE


def _older(found: Version, wanted: Version) -> bool:
    """Whether a cuDNN has an older minor than another of its major, as far as both are told."""
    width = min(len(found.release), len(wanted.release), 2)
    return found.major == wanted.major and found.release[:width] < wanted.release[:width]


def _built(use: CudaUse) -> tuple[Evidence, ...]:
    if use.build is None or use.build.cudnn is None:
        return use.evidence
    return (use.build.provenance.evidence(f"{use.package} is built with cuDNN {use.build.cudnn}"),)


RULE = Rule(
    kind=Kind.CUDNN_TOOLKIT_MISMATCH,
    title="A package will not find the CUDA or the cuDNN that it was built for",
    text="""\
Some wheels bring no CUDA libraries: onnxruntime-gpu, tensorflow without `[and-cuda]`, ctranslate2, cupy and paddle load
whatever stands on the machine, in the base image, or beside them as wheels. Each is built for one major of CUDA and one
of cuDNN. If only another is there, loading fails and the package falls back to the CPU, often with a warning that
nobody reads; so it is where a build for GPUs stands on an image without CUDA or cuDNN. Two packages in one process must
agree on the major of cuDNN.

Extensions (xformers, vllm, bitsandbytes, flash-attn, deepspeed) must be built for the CUDA of their framework, and
those that are compiled in place need an nvcc of its major. Builds from different indexes (+cpu with CUDA sisters) do
not mix.

Take the build or the release for what is there, or a base image that has what it needs; the hint names the nearest.""",
    check=check,
)
