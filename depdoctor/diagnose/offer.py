"""What a target offers: whether its driver runs a CUDA version, and whether code covers its GPUs."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from packaging.version import Version

from depdoctor.model.finding import Evidence
from depdoctor.model.noun import dataclass
from depdoctor.model.target import Gpu, Target, numbered
from depdoctor.rules import Rules
from depdoctor.rules.rows import Capability


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """A driver on which a CUDA version does not start: the lowest one on which it would, and the ground for that."""

    floor: Version
    evidence: tuple[Evidence, ...]


def shortfall(cuda: Version, target: Target, rules: Rules) -> Shortfall | None:
    """Why programs of a CUDA version cannot start on a target; None if they can, or if nothing tells.

    From CUDA 11 on a driver runs every minor of its majors (NVIDIA CUDA Compatibility, minor version compatibility);
    before that, programs need the driver of the very toolkit.
    """
    row = rules.major(cuda.major)
    if row is None or target.platform.system == "macos":
        return None
    windows = target.platform.system == "windows"
    if row.minor_compatible:
        floor, ground, why = row.windows_floor if windows else row.linux_floor, row.provenance, ""
    else:
        toolkit = rules.toolkit(cuda)
        if toolkit is None:
            return None
        floor, ground = toolkit.windows_driver if windows else toolkit.linux_driver, toolkit.provenance
        why = ": there is no minor version compatibility before 11"
    if floor is None:
        return None
    if target.driver is not None:
        lacking = not at_least(target.driver, floor)
    elif target.driver_cuda is not None:
        lacking = target.driver_cuda < (Version(str(cuda.major)) if row.minor_compatible else cuda)
    else:
        return None
    if not lacking:
        return None
    fact = f"CUDA {cuda.major if row.minor_compatible else cuda} programs need driver {numbered(floor)} or newer{why}"
    return Shortfall(floor=floor, evidence=(ground.evidence(fact),))


def at_least(driver: Version, floor: Version) -> bool:
    """Whether a driver is not older than another; a bare branch ("525") stands for any driver of it."""
    width = len(driver.release) if len(driver.release) == 1 else None
    return driver.release[:width] >= floor.release[:width]


def cuda_of(target: Target, rules: Rules) -> Version | None:
    """The CUDA version that a target's driver brings, which nvidia-smi shows."""
    if target.driver_cuda is not None:
        return target.driver_cuda
    if target.driver is None or target.platform.system != "linux":
        return None
    branch = rules.branch(target.driver)
    return branch.cuda if branch else None


def capability(gpu: Gpu, rules: Rules) -> Version | None:
    """The compute capability of a GPU: as declared, else that of its model."""
    if gpu.capability is not None:
        return Version(f"{gpu.capability[0]}.{gpu.capability[1]}")
    model = rules.gpu(gpu.name)
    return model.capability if model else None


class Cover(StrEnum):
    """How GPU code serves a GPU."""

    MACHINE_CODE = "machine code"
    PTX = "PTX"
    NONE = "none"


def cover(targets: Iterable[Capability], gpu: Version) -> Cover:
    """How a complete list of targets serves a compute capability (CUDA C++ Programming Guide, binary compatibility).

    Machine code runs on its own major from its minor on; PTX is compiled by the driver for every later GPU.
    """
    major, minor = gpu.release[0], gpu.release[1] if len(gpu.release) > 1 else 0
    best = Cover.NONE
    for code in targets:
        exact = code.major == major and code.minor == minor
        if not code.ptx and (exact or (code.suffix != "a" and code.major == major and code.minor <= minor)):
            return Cover.MACHINE_CODE
        if code.ptx and not code.suffix and (code.major, code.minor) <= (major, minor):
            best = Cover.PTX
    return best
