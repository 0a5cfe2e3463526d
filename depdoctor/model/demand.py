"""What an environment demands of the machine that it is installed on."""

from __future__ import annotations

from depdoctor.model.finding import Evidence
from depdoctor.model.noun import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """One thing that a package demands: `what` as the field calls it, `least` of it, and the ground for that.

    `what` is CUDA, driver, GPU code, C++ ABI, glibc, musl, Python, or a library of NVIDIA's by the name of its wheel
    (cudnn, nccl, nvshmem, cusparselt). `least` is a version; for GPU code all targets, for the C++ ABI its year.
    """

    what: str
    least: str
    package: str
    evidence: Evidence
