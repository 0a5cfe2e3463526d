"""Shared objects and programs that a slim base image lacks, and CUDA that is carried twice or for nothing."""

from __future__ import annotations

from collections.abc import Iterator

from packaging.utils import NormalizedName, canonicalize_name

from depdoctor.diagnose.installation import Installation, Package
from depdoctor.diagnose.rule import Context, Rule
from depdoctor.diagnose.words import listed
from depdoctor.model.config import DEFAULT_BASE
from depdoctor.model.finding import Finding, Kind, Severity
from depdoctor.rules import Base
from depdoctor.rules.rows import SystemLibrary

TORCH = canonicalize_name("torch")

SMALLEST_BYTES = 50_000_000
"""CUDA that costs less than this is not worth a word."""


def check_libraries(context: Context) -> Iterator[Finding]:
    """What packages expect of the operating system, with the Debian packages that bring it.

    Until there is a plan, the base that nobody chose is only a guess. What the configuration, or until then its own
    Dockerfile, adds to the image of every project concerned is not missed.
    """
    added = {
        entry.project.name: {
            *(name.partition("=")[0] for name in entry.system_packages),
            *(one.name for manifest in entry.reading.manifests for one in manifest.system_packages if not context.plan),
        }
        for entry in context.inventory.entries
    }
    for installation in context.installations:
        if installation.environment.platform.system != "linux" or installation.shared or installation.standing:
            continue
        for package in installation.wheels(context.rules.libraries_by_package.keys()):
            for row in context.rules.libraries_by_package[package.name]:
                if row.versions and not (package.version and row.versions.contains(package.version, prereleases=True)):
                    continue
                base = context.base(*installation.projects)
                if not all(_has(added[name], base, row) for name in installation.projects_with([package.name])):
                    yield _library(context, installation, package, row)


def _has(added: set[str], base: Base, row: SystemLibrary) -> bool:
    """Whether packages of the operating system bring all that a row asks for, by themselves or by what they pull in."""
    brought = {name for one, _, name in (each.partition(":") for each in row.brought_by) if one in added}
    renamed = dict(each.split(":") for each in base.renamed)
    return all({name, renamed.get(name, name)} & (added | brought) for name in row.apt)


def _library(context: Context, installation: Installation, package: Package, row: SystemLibrary) -> Finding:
    base = context.base(*installation.projects)
    debian = _debian(base, row)
    if base.family in ("", "debian", "ubuntu"):
        names = ", ".join(f'"{name}"' for name in debian)
        hint = f"add `system-packages = [{names}]` under its `[[project]]` in depdoctor.toml"
    else:
        hint = f"install {listed((f'`{name}`' for name in debian), 'and')}"
    wants = listed(f"`{one}`" for one in (*row.objects, *row.programs))
    effect = f": `{row.error}`" if row.error else ""
    own = context.from_lines(base.reference, installation.projects)
    chosen = context.plan is not None or base.reference != DEFAULT_BASE or bool(own)
    certain = row.when == "import" and base.slim and chosen
    return Finding(
        kind=Kind.SYSTEM_LIBRARY,
        severity=Severity.WARNING if certain else Severity.NOTE,
        subject=package.name,
        message=(
            f"{package.name} needs {wants} of the operating system {'at' if row.when == 'import' else 'in'} {row.when}"
            f"{effect}"
        ),
        hint=f"{hint}, or take {row.instead}" if row.instead else hint,
        packages=(package.name,),
        projects=installation.projects_with([package.name]),
        causes=installation.causes(package.name),
        evidence=(row.provenance.evidence(f"{row.package} needs {wants}"),),
    )


def _debian(base: Base, row: SystemLibrary) -> tuple[str, ...]:
    """The packages of a row as the release of the base calls them."""
    renamed = dict(each.split(":") for each in base.renamed)
    return tuple(renamed.get(name, name) for name in row.apt)


def check_twice(context: Context) -> Iterator[Finding]:
    """CUDA libraries as wheels, on a base image that brings CUDA too; or for two majors."""
    for installation in context.installations:
        if installation.shared:
            continue
        wheels = _wheels(context, installation)
        size = sum(package.download_bytes for package in wheels)
        majors = sorted(
            {use.cuda.major for use in context.uses(installation) if use.binding.is_runtime and use.cuda is not None}
        )
        if not majors:
            continue
        base = context.base(*installation.projects)
        if base.cuda is not None:
            where = f"{base.reference} brings CUDA {base.cuda}, and wheels bring it again"
        elif len(majors) > 1:
            where = f"wheels bring CUDA {listed(majors)}"
        else:
            continue
        subject = base.reference if base.cuda else wheels[0].name
        yield Finding(
            kind=Kind.CUDA_TWICE,
            severity=Severity.NOTE,
            subject=subject,
            message=f"{where}{_costs(size)}",
            hint="take a base image without CUDA where wheels bring it, and packages of one CUDA major",
            packages=(subject,) if base.cuda else tuple(package.name for package in wheels),
            projects=installation.projects,
        )


def check_on_cpu(context: Context) -> Iterator[Finding]:
    """CUDA libraries in projects whose targets all say that they have a driver, or a GPU, of no kind."""
    if any(target.gpus or target.driver or target.driver_cuda for target in context.inventory.targets):
        return
    for installation in context.installations:
        wheels = _wheels(context, installation)
        size = sum(package.download_bytes for package in wheels)
        if size < SMALLEST_BYTES or installation.shared:
            continue
        mains = [use.package for use in context.uses(installation) if use.binding.role == "framework"]
        mains.sort(key=lambda package: (not package.direct, package.name))
        named = [package.name for package in mains] or _users(installation, wheels)
        yield Finding(
            kind=Kind.CUDA_ON_CPU,
            severity=Severity.NOTE,
            subject=named[0],
            message=f"CUDA libraries are installed and no target has a GPU{_costs(size)}",
            hint=f"if it runs on CPUs, {_without(named)}; else declare the GPUs",
            packages=tuple(sorted(named)),
            projects=installation.projects,
            causes=installation.causes(*named),
        )


def _without(named: list[NormalizedName]) -> str:
    if TORCH in named:
        return "take the +cpu builds from the index that ends in /cpu"
    return f"take {named[0]} without the extra, or in another build, that brings no CUDA"


def _users(installation: Installation, wheels: list[Package]) -> list[NormalizedName]:
    """The packages that bring CUDA libraries where no framework does, else these themselves."""
    names = {package.name for package in wheels}
    return sorted({parent for name in names for parent in installation.parents(name)} - names or names)


def _wheels(context: Context, installation: Installation) -> list[Package]:
    return [use.package for use in context.uses(installation) if use.binding.role == "component"]


def _costs(size_bytes: int) -> str:
    return f": {size_bytes / 1e6:,.0f} MB to download" if size_bytes else ""


RULES = (
    Rule(
        kind=Kind.SYSTEM_LIBRARY,
        title="A package needs a library of the operating system",
        text="""\
Wheels carry most of what they link to, but not all: OpenCV with windows wants `libGL.so.1`, lightgbm `libgomp.so.1`,
others call programs such as ffmpeg. Slim images have none of them. The hint is the line to add to `[[project]]`, with
the Debian package for the release that the base image is of: `build --builder docker` then installs it, and the finding
is gone. It is a warning where the base is known to lack it and the import fails.""",
        check=check_libraries,
    ),
    Rule(
        kind=Kind.CUDA_TWICE,
        title="An image holds CUDA twice",
        text="""\
The wheels of torch, tensorflow and jax bring CUDA, cuDNN and NCCL themselves. A base image with CUDA below them, or
wheels for two CUDA majors, is gigabytes of which one half is never loaded. Take a base without CUDA.""",
        check=check_twice,
    ),
    Rule(
        kind=Kind.CUDA_ON_CPU,
        title="CUDA is installed where no GPU is declared",
        text="""\
The default wheels of torch on Linux bring gigabytes of CUDA libraries, which a service on CPUs never loads. Builds for
CPUs come from the index that ends in /cpu. Declare the GPUs of the targets if there are any.""",
        check=check_on_cpu,
    ),
)
