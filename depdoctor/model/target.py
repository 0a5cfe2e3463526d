"""Where images must run: platforms, GPUs, drivers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms
from packaging.version import Version

from depdoctor.model.expression import expression
from depdoctor.model.noun import dataclass

PLATFORMS = ("linux-x86_64", "linux-aarch64", "windows-x86_64", "macos-arm64")
"""What a target can be."""

LEGACY_MANYLINUX = {(2, 17): "manylinux2014", (2, 12): "manylinux2010", (2, 5): "manylinux1"}
"""The aliases of PEP 600."""

_GPU = expression(r"^(?P<name>.*?)\s*\(\s*(?P<major>\d{1,2})\.(?P<minor>\d)\s*\)$|^(?P<alone>\d{1,2}\.\d)$")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Platform:
    """An operating system, a processor and, on Linux, a C library with its version."""

    system: str = "linux"
    machine: str = "x86_64"
    libc: str = "glibc"
    libc_version: tuple[int, int] = (2, 28)

    def __str__(self) -> str:
        name = f"{self.system}-{self.machine}"
        return f"{name}-{self.libc}{self.libc_version[0]}.{self.libc_version[1]}" if self.system == "linux" else name


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Gpu:
    """A GPU model by name ("" if unknown) and compute capability (None if unknown)."""

    name: str
    capability: tuple[int, int] | None

    @classmethod
    def parse(cls, text: str) -> Gpu:
        """Read a model's name, a compute capability, or both ("A10", "8.6", "GeForce RTX 3090 (8.6)")."""
        text = text.strip()
        match = _GPU.match(text)
        if match is None:
            return cls(name=text, capability=None)
        major, minor = (match["alone"] or f"{match['major']}.{match['minor']}").split(".")
        return cls(name=match["name"] or "", capability=(int(major), int(minor)))

    def __str__(self) -> str:
        capability = f"{self.capability[0]}.{self.capability[1]}" if self.capability else ""
        return f"{self.name} ({capability})" if self.name and capability else self.name or capability


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A kind of machine that images must run on. What the configuration leaves out is None: no claim is made."""

    name: str
    platform: Platform
    driver: Version | None = None
    driver_cuda: Version | None = None
    gpus: tuple[Gpu, ...] = ()
    max_image_bytes: int | None = None
    gpu_memory_bytes: int | None = None
    cuda: Version | None = None
    cudnn: Version | None = None

    @property
    def names_gpu(self) -> bool:
        """Whether it says that it has a GPU, or a driver for one."""
        return bool(self.gpus or self.driver or self.driver_cuda)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Environment:
    """What a resolver must know of where a lock is for: a Python minor ("3.11") and a platform."""

    python: str
    platform: Platform

    def __str__(self) -> str:
        return f"Python {self.python} on {self.platform}"

    def markers(self) -> dict[str, str]:
        """The marker variables of this environment (dependency specifiers specification), CPython assumed."""
        linux = self.platform.system == "linux"
        windows = self.platform.system == "windows"
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.0",
            "os_name": "nt" if windows else "posix",
            "platform_machine": "AMD64" if windows and self.platform.machine == "x86_64" else self.platform.machine,
            "platform_release": "",
            "platform_system": "Linux" if linux else "Windows" if windows else "Darwin",
            "platform_version": "",
            "python_full_version": f"{self.python}.0",
            "platform_python_implementation": "CPython",
            "python_version": self.python,
            "sys_platform": "linux" if linux else "win32" if windows else "darwin",
        }

    def tags(self) -> tuple[Tag, ...]:
        """The wheel tags that install here, best first (platform compatibility tags specification)."""
        return _tags(self)


@lru_cache(maxsize=64)
def _tags(environment: Environment) -> tuple[Tag, ...]:
    major, minor = (int(part) for part in environment.python.split("."))
    platforms = list(_platform_tags(environment.platform))
    return (
        *cpython_tags((major, minor), platforms=platforms),
        *compatible_tags((major, minor), f"cp{major}{minor}", platforms),
    )


def _platform_tags(platform: Platform) -> Iterator[str]:
    machine = platform.machine
    if platform.system == "windows":
        yield "win_amd64" if machine == "x86_64" else f"win_{machine}"
    elif platform.system == "macos":
        yield from mac_platforms((14, 0), "arm64" if machine in {"arm64", "aarch64"} else machine)
    elif platform.libc == "musl":
        for minor in range(platform.libc_version[1], -1, -1):
            yield f"musllinux_{platform.libc_version[0]}_{minor}_{machine}"
        yield f"linux_{machine}"
    else:
        major, newest = platform.libc_version
        oldest = 5 if machine in {"x86_64", "i686"} else 17
        for minor in range(newest, oldest - 1, -1):
            yield f"manylinux_{major}_{minor}_{machine}"
            if alias := LEGACY_MANYLINUX.get((major, minor)):
                yield f"{alias}_{machine}"
        yield f"linux_{machine}"


def numbered(driver: Version) -> str:
    """A driver version as NVIDIA writes it: 525.60.13, and 450.80.02 with the zero that PEP 440 drops."""
    return ".".join(f"{part:02}" if place == 2 else str(part) for place, part in enumerate(driver.release))
