"""The machine at hand as a target: what it is, and what stands on it."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging import tags

from depdoctor.adapters import nvidia
from depdoctor.adapters.host_stated import Stated
from depdoctor.adapters.nvidia import Graphics, Run, text
from depdoctor.model.host import Fact, Gpus, Host, HostGpu, Known, NotKnown
from depdoctor.model.target import Gpu

SYSTEMS = {"Linux": "linux", "Windows": "windows", "Darwin": "macos"}

_LIBC_TAG = re.compile(r"(?P<kind>many|musl)linux_(?P<version>\d+_\d+)_")
_TEGRA = re.compile(r"#\s*R(?P<release>\d+)\s*\(release\),\s*REVISION:\s*(?P<revision>\d[\d.]*)")
_BOARD = re.compile(r"\s+(?:Engineering Reference )?Developer Kit.*$")
_PRETTY_NAME = re.compile(r"""^PRETTY_NAME=(["']?)(?P<name>.*?)\1\s*$""", re.MULTILINE)
_PYTHON = re.compile(r"python(3\.\d+)")
_CUDNN = re.compile(r"libcudnn\.so\.(\d+\.\d+\.\d+)")
_CUDA_HEADER = re.compile(r"^#define\s+CUDA_VERSION\s+(\d+)\s*$", re.MULTILINE)
_CUDA_TEXT = re.compile(r"^CUDA Version (\d+\.\d+)", re.MULTILINE)


def read(
    root: Path = Path("/"),
    environment: Mapping[str, str] = os.environ,
    run: Run = nvidia.run,
    *,
    nvml: Callable[[], Any | None] = nvidia.nvml,
    uname: Callable[[], platform.uname_result] = platform.uname,
    platform_tags: Callable[[], Iterable[str]] = tags.platform_tags,
) -> Host:
    """Find out what this machine offers. What cannot be found out says why; nothing is guessed.

    Sources, in this order; the first that knows a fact is believed, and none is asked once nothing is missing:

    1. `DEPDOCTOR_HOST_<KEY>` for the keys of `[[target]]`: PLATFORM, GLIBC, LIBC; DRIVER, DRIVER_CUDA, GPUS (commas
       between them); CUDA, CUDNN; each in the spelling of the configuration. An empty one states that there is none.
       Where one of such a group is stated, nothing of the group is read: facts of two machines describe neither.
    2. NVML, through nvidia-ml-py.
    3. /proc/driver/nvidia/version and gpus/*/information, or /sys/module/nvidia/version.
    4. `nvidia-smi`: `--query-gpu`, and its banner for the CUDA version.

    The C library is the one that packaging finds for this interpreter: in a container that of its image, since this is
    what runs there, and nothing inside tells the host's. The toolkit is the one in CUDA_HOME, else in
    /usr/local/cuda; cuDNN is the first in LD_LIBRARY_PATH, the folders of ld.so.conf and the loader's own.

    Raises `UsageError` for a variable of that name that is no key, or whose value makes no sense.
    """
    stated = Stated.parse(environment)
    here = uname()
    system = SYSTEMS.get(here.system, here.system.lower())
    machine = {"amd64": "x86_64"}.get(here.machine.lower(), here.machine.lower())
    libc, libc_version = libc_of_tags(platform_tags()) if system == "linux" else ("", NotKnown(reason="not Linux"))
    if isinstance(libc_version, Known) and contained(root, environment):
        libc_version = Known(text=libc_version.text, source=f"{libc_version.source}, in a container: not the host's")
    if stated.covers("platform"):
        system, machine = stated.platform or (system, machine)
        libc, libc_version = stated.libc
    told: tuple[Graphics, ...] = ()
    wsl, tegra = False, ""
    if stated.covers("driver"):
        driver, driver_cuda, gpus = stated.fact("driver"), stated.fact("driver-cuda"), stated.gpus
    else:
        told = nvidia.graphics(root, run, nvml)
        wsl, tegra = wsl_of_kernel(text(root / "proc/sys/kernel/osrelease")), tegra_of_release(_tegra_release(root))
        driver = _first(told, lambda one: one.driver)
        driver_cuda = _first(told, lambda one: one.driver_cuda)
        gpus = (_board(root) if tegra and not nvidia.capable(told) else None) or _gpus(told)
    read_toolkit = not stated.covers("cuda")
    return Host(
        system=system,
        machine=machine,
        distribution=distribution(text(root / "etc/os-release")),
        libc=libc,
        libc_version=libc_version,
        pythons=_pythons(root, environment),
        driver=driver,
        driver_cuda=driver_cuda,
        gpus=gpus,
        cuda=_cuda(root, environment) if read_toolkit else stated.fact("cuda"),
        cudnn=_cudnn(root, environment) if read_toolkit else stated.fact("cudnn"),
        wsl=wsl,
        tegra=tegra,
        remarks=tuple(remark for one in told for remark in one.remarks),
    )


def _first(told: Sequence[Graphics], fact: Callable[[Graphics], str]) -> Fact:
    known = (Known(text=fact(one), source=one.source) for one in told if fact(one))
    return next(known, NotKnown(reason=_silence(told)))


def _gpus(told: Sequence[Graphics]) -> Gpus | NotKnown:
    """The GPUs of the source that knows most: capabilities before names, names before "there is none"."""
    one = nvidia.capable(told) or next((one for one in told if one.gpus), None)
    one = one or next((one for one in told if one.gpus is not None), None)
    if one is None or one.gpus is None:
        return NotKnown(reason=_silence(told))
    return Gpus(each=one.gpus, source=one.source)


def _silence(told: Sequence[Graphics]) -> str:
    return "; ".join(f"{one.source}: {one.silence}" for one in told if one.silence) or "no source tells"


def contained(root: Path, environment: Mapping[str, str]) -> bool:
    """Whether this runs in a container, by the marks that Docker, Podman and Kubernetes leave there."""
    marks = (root / ".dockerenv", root / "run/.containerenv")
    return "KUBERNETES_SERVICE_HOST" in environment or any(mark.exists() for mark in marks)


def libc_of_tags(platform_tags: Iterable[str]) -> tuple[str, Fact]:
    """The C library in the best of an interpreter's platform tags (PEP 600 and PEP 656), and its version."""
    for tag in platform_tags:
        if match := _LIBC_TAG.match(tag):
            libc = "musl" if match["kind"] == "musl" else "glibc"
            return libc, Known(text=match["version"].replace("_", "."), source="this interpreter")
    return "", NotKnown(reason="this interpreter takes neither manylinux nor musllinux wheels")


def wsl_of_kernel(osrelease: str) -> bool:
    """Whether a kernel release ("5.15.146.1-microsoft-standard-WSL2") is that of WSL 2; WSL 1 has no GPUs."""
    return "microsoft" in osrelease.lower() and "wsl2" in osrelease.lower()


def tegra_of_release(content: str) -> str:
    """The release of Linux for Tegra ("36.4.3") in the first line of nv_tegra_release, "" if it is none."""
    match = _TEGRA.search(content)
    return f"{match['release']}.{match['revision']}" if match else ""


def _tegra_release(root: Path) -> str:
    return text(root / "etc/nv_tegra_release")


def _board(root: Path) -> Gpus | None:
    """The module of a Jetson: its one GPU has no name of its own."""
    source = "/proc/device-tree/model"
    name = _BOARD.sub("", text(root / source.lstrip("/")).rstrip("\0\n"))
    return Gpus(each=(HostGpu(model=Gpu(name=name, capability=None)),), source=source) if name else None


def distribution(os_release: str) -> str:
    """The name a distribution gives itself in os-release(5), "" if it gives none."""
    match = _PRETTY_NAME.search(os_release)
    return match["name"] if match else ""


def _pythons(root: Path, environment: Mapping[str, str]) -> tuple[str, ...]:
    """The Python minors whose interpreters are on PATH, oldest first."""
    found: set[str] = set()
    for folder in _folders(root, environment.get("PATH", "")):
        found.update(match[1] for path in folder.glob("python3.*") if (match := _PYTHON.fullmatch(path.name)))
    return tuple(sorted(found, key=lambda minor: int(minor.split(".")[1])))


def _cuda(root: Path, environment: Mapping[str, str]) -> Fact:
    """The toolkit's version, from the first of its files that tells it."""
    home = environment.get("CUDA_HOME") or "/usr/local/cuda"
    for name, parse in (
        ("version.json", cuda_of_json),
        ("version.txt", cuda_of_text),
        ("include/cuda.h", cuda_of_header),
    ):
        if version := parse(text(root / home.lstrip("/") / name)):
            return Known(text=version, source=f"{home}/{name}")
    return NotKnown(reason=f"no toolkit in {home}")


def cuda_of_json(content: str) -> str:
    """The major and minor in a toolkit's version.json (11.1 and newer; its third number may be a date)."""
    try:
        version = json.loads(content)["cuda"]["version"]
        return ".".join(version.split(".")[:2])
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""


def cuda_of_text(content: str) -> str:
    """The major and minor in a toolkit's version.txt (11.0 and older)."""
    match = _CUDA_TEXT.search(content)
    return match[1] if match else ""


def cuda_of_header(content: str) -> str:
    """The major and minor in cuda.h, which a toolkit put together from wheels has alone."""
    match = _CUDA_HEADER.search(content)
    return nvidia.cuda_of_number(int(match[1])) if match else ""


def _cudnn(root: Path, environment: Mapping[str, str]) -> Fact:
    """The newest cuDNN in the first of the loader's folders (ld.so(8)) that has one."""
    for folder in _loader_folders(root, environment):
        found = [match[1] for path in folder.glob("libcudnn.so.*") if (match := _CUDNN.fullmatch(path.name))]
        if found:
            version = max(found, key=lambda one: [int(part) for part in one.split(".")])
            return Known(text=version, source=f"/{folder.relative_to(root)}")
    return NotKnown(reason="no libcudnn in the loader's folders")


def _loader_folders(root: Path, environment: Mapping[str, str]) -> Iterator[Path]:
    yield from _folders(root, environment.get("LD_LIBRARY_PATH", ""))
    for path in (root / "etc/ld.so.conf", *sorted((root / "etc/ld.so.conf.d").glob("*.conf"))):
        lines = (line.partition("#")[0].strip() for line in text(path).splitlines())
        yield from _folders(root, os.pathsep.join(line for line in lines if line.startswith("/")))
    yield from _folders(root, os.pathsep.join(("/lib64", "/usr/lib64", "/lib", "/usr/lib")))


def _folders(root: Path, path: str) -> Iterator[Path]:
    """The absolute folders of a search path, under the root."""
    for entry in path.split(os.pathsep):
        if Path(entry).is_absolute():
            yield root / entry.lstrip("/")
