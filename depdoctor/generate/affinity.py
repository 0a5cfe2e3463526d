"""On which nodes an image may run, in the labels that Kubernetes and NVIDIA's GPU feature discovery give to nodes.

Labels of GPU feature discovery: its README, "Generated Labels" (`cuda.driver-version.*`, not the deprecated ones).
Operators: Kubernetes API, `NodeSelectorRequirement`; `Gt` and `Lt` compare whole numbers. A node without such labels
matches none. Every value is one that a label could have: from 1.33 on API servers refuse others, so none is below zero.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from packaging.version import Version

from depdoctor.model.deployment import GpuNeed, Running, Way
from depdoctor.model.plan import Image
from depdoctor.model.target import Target

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""What Kubernetes calls a processor, by what Python calls it."""

DRIVER = ("nvidia.com/cuda.driver-version.major", "nvidia.com/cuda.driver-version.minor")
REVISION = "nvidia.com/cuda.driver-version.revision"
CAPABILITY = ("nvidia.com/gpu.compute.major", "nvidia.com/gpu.compute.minor")
MEMORY = "nvidia.com/gpu.memory"
GPU_NODE = ("nvidia.com/gpu.count", "nvidia.com/gpu.present")
"""What tells a node with GPUs: the one is of GPU feature discovery, the other of NVIDIA's operator."""

Expression = Mapping[str, object]


def offers_gpu(target: Target) -> bool:
    """Whether a target is said to have a GPU."""
    return bool(target.gpus or target.driver or target.driver_cuda)


def serves(target: Target, image: Image) -> bool:
    """Whether a target is of the system and processor that an image is for."""
    return target.platform.system == "linux" and target.platform.machine == image.environment.platform.machine


def ways_on(need: GpuNeed, target: Target) -> tuple[Way, ...]:
    """The ways of an image that a target leaves: those for its GPUs, that its driver is new enough for.

    A GPU whose compute capability nobody knows leaves those for all GPUs, and a driver that nobody knows all ways.
    """
    known = {gpu.capability for gpu in target.gpus if gpu.capability is not None}
    limited = bool(target.gpus) and all(gpu.capability for gpu in target.gpus)
    found = []
    for way in need.ways:
        capabilities = way.capabilities
        if limited:
            capabilities = tuple(sorted(known & set(way.capabilities) if way.capabilities else known))
            if not capabilities:
                continue
        if target.driver is None or _reaches(target.driver, way.driver):
            found.append(Way(driver=way.driver, capabilities=capabilities))
    return tuple(found)


def _reaches(driver: Version, lowest: Version) -> bool:
    """Whether a driver is not older than another; a bare branch ("525") stands for any driver of it."""
    width = 1 if len(driver.release) == 1 else None
    return driver.release[:width] >= lowest.release[:width]


def terms(image: Image, ways: Sequence[Way], running: Running) -> list[dict[str, object]]:
    """The node selector terms of an image on GPU nodes: a node has to match one of them whole."""
    common = [*platform(image), *_memory(running)]
    return [
        {"matchExpressions": [*common, *capability, *driver]}
        for way in ways
        for capability in _capabilities(way.capabilities)
        for driver in _drivers(way.driver)
    ]


def without_gpu(image: Image) -> list[dict[str, object]]:
    """The node selector terms of an image that has CUDA and is given no GPU: nodes that have a driver are not its own.

    A base may ask for a newer driver than theirs (`NVIDIA_REQUIRE_CUDA`), and the container would not start.
    """
    absent = [{"key": label, "operator": "DoesNotExist"} for label in GPU_NODE]
    return [{"matchExpressions": [*platform(image), *absent]}]


def platform(image: Image) -> list[Expression]:
    """The system and the processor."""
    machine = image.environment.platform.machine
    return [_in("kubernetes.io/os", "linux"), _in("kubernetes.io/arch", ARCHITECTURES.get(machine, machine))]


def _drivers(lowest: Version) -> Iterator[list[Expression]]:
    """Ways to be no older than a driver: a newer branch, or in the same one a newer minor or revision."""
    major, minor, revision = (*lowest.release, 0, 0)[:3]
    yield [_over(DRIVER[0], major)]
    if minor or revision:
        yield [_in(DRIVER[0], str(major)), _over(DRIVER[1], minor)]
        last = [_over(REVISION, revision - 1)] if revision else []
        # as drivers are numbered, "60" and "060" are never both in use; "02" is, so minors are compared as numbers
        yield [_in(DRIVER[0], str(major)), *_equal(DRIVER[1], minor), *last]
    else:
        yield [_in(DRIVER[0], str(major))]


def _equal(label: str, number: int) -> list[Expression]:
    """A number, however many zeros it is written with."""
    below: Expression = {"key": label, "operator": "Lt", "values": [str(number + 1)]}
    return [_over(label, number - 1), below] if number else [below]


def _capabilities(capabilities: Iterable[tuple[int, int]]) -> Iterator[list[Expression]]:
    by_major: defaultdict[int, list[int]] = defaultdict(list)
    for major, minor in capabilities:
        by_major[major].append(minor)
    if not by_major:
        yield []
    for major, minors in sorted(by_major.items()):
        yield [_in(CAPABILITY[0], str(major)), _in(CAPABILITY[1], *(str(minor) for minor in sorted(minors)))]


def _memory(running: Running) -> list[Expression]:
    return [_over(MEMORY, running.gpu_memory_mib - 1)] if running.gpu_memory_mib else []


def _in(label: str, *values: str) -> Expression:
    return {"key": label, "operator": "In", "values": list(values)}


def _over(label: str, number: int) -> Expression:
    return {"key": label, "operator": "Gt", "values": [str(number)]}
