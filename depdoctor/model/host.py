"""What a machine is found to be: the facts that a `[[target]]` of the configuration states."""

from __future__ import annotations

from depdoctor.model.noun import dataclass
from depdoctor.model.target import Gpu


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A fact and who told it. A version keeps its spelling: `Version` would lose a zero of 535.129.03."""

    text: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotKnown:
    """Why a fact could not be found out."""

    reason: str


Fact = Known | NotKnown


@dataclass(frozen=True, slots=True, kw_only=True)
class HostGpu:
    """One GPU. `mig` says whether Multi-Instance GPU is on; None where nobody told."""

    model: Gpu
    mig: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpus:
    """Every GPU in the order it was told, equal ones too; empty where there is none for certain."""

    each: tuple[HostGpu, ...]
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A machine. `driver_cuda` is what nvidia-smi calls the CUDA version; `cuda` and `cudnn` stand on the machine.

    `system` and `machine` are spelled as in `Platform`; `libc` is "glibc", "musl" or "" where it is neither or unknown.
    `wsl` says that this is Linux under Windows, whose driver it is then; `tegra` is the release of Linux for Tegra on
    a Jetson, "" elsewhere. `remarks` are lines that a person should read.
    """

    system: str
    machine: str
    distribution: str = ""
    libc: str = ""
    libc_version: Fact
    pythons: tuple[str, ...] = ()
    driver: Fact
    driver_cuda: Fact
    gpus: Gpus | NotKnown
    cuda: Fact
    cudnn: Fact
    wsl: bool = False
    tegra: str = ""
    remarks: tuple[str, ...] = ()

    @property
    def platform(self) -> str:
        """The platform as the configuration names it ("linux-x86_64")."""
        return f"{self.system}-{self.machine}"
