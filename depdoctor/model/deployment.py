"""What is known of a fleet where it runs: what each image needs of a node, and where its image lies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType

from packaging.version import Version

from depdoctor.model.noun import dataclass
from depdoctor.model.target import Target

MIB = 1 << 20
STEP_MIB = 256
LEAST_MIB = 512


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Way:
    """GPUs on which an image runs, and the lowest Linux driver for that; no capabilities: nothing tells which."""

    driver: Version
    capabilities: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuNeed:
    """What an image with CUDA in it needs of a GPU node: one of these ways. None at all: nothing is known.

    `cuda` is the newest CUDA of its packages.
    """

    cuda: Version
    ways: tuple[Way, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """One image where it runs. `reference` is by digest, "" where nobody has pushed it or nobody asked.

    `replicas` are the least and the most of it that run at a time, None where nobody says; `metrics` is the path that
    Prometheus asks, "" for none.
    """

    reference: str = ""
    gpu: GpuNeed | None = None
    weights_bytes: int = 0
    unpacked_bytes: int = 0
    replicas: tuple[int, int] | None = None
    metrics: str = ""

    @property
    def memory_mib(self) -> int:
        """What memory an image is given, in MiB: 512, half of its wheels as unpacked, and its weights twice.

        Weights are counted twice since loading holds the file's bytes beside the tensors. Rounded up to 256.
        """
        wanted = LEAST_MIB + (self.unpacked_bytes // 2 + 2 * self.weights_bytes) / MIB
        return int(-(-wanted // STEP_MIB) * STEP_MIB)

    @property
    def shared_mib(self) -> int:
        """What of its memory processes may share, in MiB: half. Workers of torch and NCCL take more than 64 MiB."""
        return self.memory_mib // 2

    @property
    def gpu_memory_mib(self) -> int:
        """What memory the GPU must have at least, in MiB: the weights have to fit; 0 if there are none."""
        return -(-self.weights_bytes // MIB)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A fleet where it runs: what is known of each image by name, and the kinds of machines.

    `registry` is the prefix of images that are named by tag, by default that of what is loaded into an engine.
    """

    images: Mapping[str, Running] = field(default_factory=lambda: MappingProxyType({}))
    targets: tuple[Target, ...] = ()
    registry: str = "depdoctor"

    def running(self, name: str) -> Running:
        """What is known of an image."""
        return self.images.get(name, Running())
