"""What brings a library into a process from outside the package that loads it."""

from __future__ import annotations

from collections.abc import Callable

from packaging.version import Version

from depdoctor.model.finding import Evidence
from depdoctor.model.noun import dataclass
from depdoctor.model.target import Target
from depdoctor.rules import Base
from depdoctor.rules.rows import Build

CUDNN = "cudnn"
"""What findings call the library."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Something that brings a version of a library: how it is named, what to look at, and the ground for it."""

    version: Version
    words: str
    names: tuple[str, ...]
    evidence: tuple[Evidence, ...] = ()
    beside: bool = False
    """Whether it comes with another package of the environment, and not with the machine."""


def host_cuda(base: Base, target: Target) -> Provider | None:
    """The toolkit that stands on a target: as declared, else that of the base image."""
    if target.cuda is not None:
        return Provider(version=target.cuda, words=f"`{target.name}` has CUDA {target.cuda}", names=())
    if base.cuda is None:
        return None
    return Provider(
        version=base.cuda,
        words=f"{base.reference} brings CUDA {base.cuda}",
        names=(base.reference,),
        evidence=(base.provenance.evidence(f"{base.reference} brings CUDA {base.cuda}"),) if base.provenance else (),
    )


def host_cudnn(base: Base, target: Target) -> Provider | None:
    """The cuDNN that stands on a target: as declared, else that of the base image."""
    if target.cudnn is not None:
        return Provider(version=target.cudnn, words=f"`{target.name}` has cuDNN {target.cudnn}", names=(CUDNN,))
    if base.cudnn is None:
        return None
    words = f"{base.reference} brings cuDNN {base.cudnn}"
    return Provider(version=base.cudnn, words=words, names=(CUDNN, base.reference))


def of_major(major: int) -> Callable[[Build], bool]:
    """Whether a build is one for this major of CUDA."""
    return lambda build: build.cuda is not None and build.cuda.major == major
