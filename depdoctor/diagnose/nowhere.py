"""Builds for GPUs whose libraries nothing brings: neither the image that a project stands on, nor a wheel."""

from __future__ import annotations

from collections.abc import Iterator

from depdoctor.diagnose.base import own_images
from depdoctor.diagnose.demand import CudaUse
from depdoctor.diagnose.installation import Installation
from depdoctor.diagnose.outcomes import Told, by_target
from depdoctor.diagnose.rule import Context
from depdoctor.model.expression import expression
from depdoctor.model.finding import Finding, Kind, Severity, State
from depdoctor.model.inventory import Entry
from depdoctor.model.target import Target
from depdoctor.rules import Base

_BRINGS_CUDA = expression(r"cuda|cudnn|cublas|nvidia|tensorrt")
"""Names of packages of a system that may bring it."""


def from_nowhere(context: Context, installation: Installation, use: CudaUse) -> Iterator[Finding]:
    """A distribution that is made for GPUs alone, in an image of which it is known that it has no CUDA, or no cuDNN."""
    base = context.base(*installation.projects)
    lacking = _lacking(installation, use, base)
    gpus = [
        target
        for target in context.targets(installation)
        if (target.gpus or target.driver or target.driver_cuda) and not target.cuda and not target.cudnn
    ]
    if not lacking or not gpus or not _made_for_gpus(context, use) or not _all_is_known(context, installation, base):
        return
    library, what = lacking

    def told(target: Target) -> Told:
        if target in gpus:
            return State.FAILS, f"nothing brings {what}"
        return State.UNKNOWN, "a toolkit stands there" if target.cuda or target.cudnn else "no GPU is declared"

    yield Finding(
        kind=Kind.CUDNN_TOOLKIT_MISMATCH,
        severity=Severity.WARNING,
        subject=use.name,
        message=(
            f"{use.package} loads the libraries of {what}, and neither {base.reference} nor a wheel brings them: "
            f"`{library}: cannot open shared object file`, and it runs on the CPU"
        ),
        hint=f"take a base image with CUDA {use.cuda.major if use.cuda else ''}"
        + (f" and cuDNN {use.cudnn.major}" if use.cudnn else ""),
        packages=tuple(sorted((use.name, base.reference))),
        projects=installation.projects_with([use.name]),
        causes=installation.causes(use.name),
        evidence=use.evidence,
        targets=tuple(target.name for target in gpus),
        outcomes=by_target(context.targets(installation), told),
    )


def _lacking(installation: Installation, use: CudaUse, base: Base) -> tuple[str, str] | None:
    """The library that is not there, and what it belongs to."""
    if use.cuda is None or not base.known or not installation.platform.startswith("linux"):
        return None
    if any(name.startswith("nvidia-") for name in installation.packages):
        return None
    if base.cuda is None:
        return f"libcublasLt.so.{use.cuda.major}", f"CUDA {use.cuda.major}"
    if use.cudnn is not None and base.cudnn is None and base.cuda.major == use.cuda.major:
        return f"libcudnn.so.{use.cudnn.major}", f"cuDNN {use.cudnn.major}"
    return None


def _made_for_gpus(context: Context, use: CudaUse) -> bool:
    return not use.binding.optional and any(
        row.package == use.name and row.instead not in {"", use.name} for row in context.rules.cpu_builds
    )


def _all_is_known(context: Context, installation: Installation, base: Base) -> bool:
    """Whether the lock is whole, nothing else in it brings CUDA, and the Dockerfiles say all that is in the image."""
    if not installation.complete or any(
        other.cuda and other.binding.libraries in {"wheels", "inside"} for other in context.uses(installation)
    ):
        return False
    entries = [entry for entry in context.inventory.entries if entry.project.name in installation.projects]
    return bool(entries) and all(_tells_all(context, entry, base) for entry in entries)


def _tells_all(context: Context, entry: Entry, base: Base) -> bool:
    """Whether a project names this image itself, and takes nothing from elsewhere that may bring CUDA."""
    manifests = entry.reading.manifests
    added = [*entry.system_packages, *(one.name for manifest in manifests for one in manifest.system_packages)]
    stages = [context.known_base(image.reference) for manifest in manifests for image in manifest.base_images]
    return (
        {image.reference for image in own_images(entry)} == {base.reference}
        and all(stage.known and (stage.cuda is None or stage.reference == base.reference) for stage in stages)
        and not any(manifest.conda for manifest in manifests)
        and not any(name == "LD_LIBRARY_PATH" for manifest in manifests for name, _ in manifest.environment)
        and not any(map(_BRINGS_CUDA.search, added))
    )
