"""The NVIDIA driver and GPUs of a machine, from whoever tells: NVML, the driver's own files, `nvidia-smi`.

Each source is asked in one function and understood in pure ones; a source that is silent says why.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from depdoctor.model.host import HostGpu
from depdoctor.model.noun import dataclass
from depdoctor.model.target import Gpu

TIMEOUT_S = 20.0
"""How long one run of `nvidia-smi` may take: seconds where it has to wake eight GPUs up."""

NOT_FOUND, TIMED_OUT = 127, 124

PROGRAMS = ("nvidia-smi", "/usr/lib/wsl/lib/nvidia-smi")
"""WSL 2 has it in a folder that is not on every PATH."""

FIELDS = ("driver_version", "compute_cap", "mig.mode.current", "name")
"""What is queried of each GPU. The name comes last: nothing else may hold a comma."""

DRIVER = re.compile(r"\d{2,4}(?:\.\d{1,4}){1,3}")
CAPABILITY = re.compile(r"(\d{1,2})\.(\d)")

_NVRM = re.compile(rf"^NVRM version:.*?\s({DRIVER.pattern})(?:\s|$)", re.MULTILINE)
_BANNER_DRIVER = re.compile(rf"(?:Driver|KMD) Version:\s*({DRIVER.pattern})")
_BANNER_CUDA = re.compile(r"CUDA (?:UMD )?Version:\s*(\d+\.\d+)")
_REJECTED = re.compile(r'Field "(?P<field>[\w.]+)" is not a valid field to query')
_NVIDIA_VENDOR, _DISPLAY_CLASS = "0x10de", "0x03"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run of a program ended, and what it wrote; `nvidia-smi` writes its complaints to stdout."""

    status: int
    stdout: str = ""


Run = Callable[[Sequence[str]], Outcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class Graphics:
    """What one source tells: "" for a version it does not tell, None for GPUs it cannot list.

    `silence` is why it tells nothing, or less than it could.
    """

    source: str
    driver: str = ""
    driver_cuda: str = ""
    gpus: tuple[HostGpu, ...] | None = None
    silence: str = ""
    remarks: tuple[str, ...] = ()


def run(command: Sequence[str]) -> Outcome:
    """Run a program without a shell, for at most `TIMEOUT_S`. Never raises: one that is not there has ended too."""
    try:
        done = subprocess.run(
            list(command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Outcome(status=TIMED_OUT, stdout=f"no answer within {TIMEOUT_S:g} s")
    except FileNotFoundError:
        return Outcome(status=NOT_FOUND, stdout="not found")
    except OSError as error:
        return Outcome(status=NOT_FOUND, stdout=str(error))
    return Outcome(status=done.returncode, stdout=done.stdout or done.stderr)


def nvml() -> Any | None:
    """The NVML bindings (the extra `gpu`), None where they are not installed."""
    try:
        import pynvml
    except ImportError:
        return None
    return pynvml


def graphics(root: Path, run: Run, library: Callable[[], Any | None]) -> tuple[Graphics, ...]:
    """Ask one source after the other until nothing is missing; the earlier one is to be believed."""
    told: list[Graphics] = []
    sources: tuple[Callable[[], Graphics], ...] = (
        lambda: from_nvml(library()),
        lambda: from_files(root),
        lambda: from_smi(run),
    )
    for ask in sources:
        told.append(ask())
        if any(one.driver for one in told) and any(one.driver_cuda for one in told) and capable(told):
            break
    return tuple(told)


def capable(told: Iterable[Graphics]) -> Graphics | None:
    """The first source that knows the compute capability of every GPU."""
    return next((one for one in told if one.gpus and all(gpu.model.capability for gpu in one.gpus)), None)


def from_nvml(library: Any | None) -> Graphics:
    """Ask NVML (NVML API reference: versions, device queries); `library` is `pynvml`, or None."""
    source = "NVML"
    if library is None:
        return Graphics(source=source, silence="nvidia-ml-py is not installed (the extra `gpu`)")
    try:
        library.nvmlInit()
    except library.NVMLError as error:
        return Graphics(source=source, silence=str(error))
    try:
        return _ask_nvml(library, source)
    finally:
        library.nvmlShutdown()


def _ask_nvml(library: Any, source: str) -> Graphics:
    complaints: list[str] = []

    def ask(function: str, *arguments: Any) -> Any | None:
        try:
            return getattr(library, function)(*arguments)
        except library.NVMLError as error:
            complaints.append(f"{function}: {error}")
            return None

    driver = ask("nvmlSystemGetDriverVersion") or ""
    # the first reads libcuda, as nvidia-smi does; where there is none, the second says what the driver would bring
    cuda = ask("nvmlSystemGetCudaDriverVersion_v2") or ask("nvmlSystemGetCudaDriverVersion")
    count = ask("nvmlDeviceGetCount")
    remarks, gpus = [], []
    for index in range(count or 0):
        handle = ask("nvmlDeviceGetHandleByIndex", index)
        if handle is None:
            remarks.append(f"GPU {index} does not answer NVML ({complaints[-1]})")
            continue
        mode = ask("nvmlDeviceGetMigMode", handle)
        gpus.append(
            HostGpu(
                model=Gpu(
                    name=ask("nvmlDeviceGetName", handle) or "",
                    capability=ask("nvmlDeviceGetCudaComputeCapability", handle),
                ),
                mig=bool(mode[0]) if mode else None,
            )
        )
    return Graphics(
        source=source,
        driver=driver if DRIVER.fullmatch(driver) else "",
        driver_cuda=cuda_of_number(cuda) if cuda else "",
        gpus=None if count is None else tuple(gpus),
        silence="; ".join(complaints),
        remarks=tuple(remarks),
    )


def cuda_of_number(number: int) -> str:
    """A CUDA version as the driver counts it (12020) in the usual spelling ("12.2")."""
    return f"{number // 1000}.{number % 1000 // 10}"


def from_files(root: Path) -> Graphics:
    """Read what the driver's kernel module writes under /proc/driver/nvidia and /sys/module/nvidia."""
    folder, module = root / "proc/driver/nvidia", root / "sys/module/nvidia/version"
    driver, source = driver_of_procfs(text(folder / "version")), "/proc/driver/nvidia"
    if not driver and DRIVER.fullmatch(text(module).strip()):
        driver, source = text(module).strip(), "/sys/module/nvidia"
    found = [gpu_of_procfs(text(path)) for path in sorted(folder.glob("gpus/*/information"))]
    present = "an NVIDIA GPU is on the PCI bus, but " if not driver and _on_the_bus(root) else ""
    instead = " (nouveau is, which runs no CUDA)" if (root / "sys/module/nouveau").is_dir() else ""
    return Graphics(
        source=source,
        driver=driver,
        gpus=tuple(filter(None, found)) if found else None,
        silence="" if driver else f"{present}no NVIDIA driver is loaded{instead}",
    )


def driver_of_procfs(content: str) -> str:
    """The driver in /proc/driver/nvidia/version, of the closed or the open kernel module; "" if there is none."""
    match = _NVRM.search(content)
    return match[1] if match else ""


def gpu_of_procfs(content: str) -> HostGpu | None:
    """The GPU in one /proc/driver/nvidia/gpus/*/information; None if it is excluded or nameless."""
    fields = {key.strip(): value.strip() for key, colon, value in (x.partition(":") for x in content.splitlines())}
    name = fields.get("Model", "")
    if not name or name == "Unknown" or fields.get("GPU Excluded") == "Yes":
        return None
    return HostGpu(model=Gpu(name=name, capability=None))


def _on_the_bus(root: Path) -> bool:
    return any(
        text(path).strip() == _NVIDIA_VENDOR and text(path.with_name("class")).startswith(_DISPLAY_CLASS)
        for path in root.glob("sys/bus/pci/devices/*/vendor")
    )


def from_smi(run: Run) -> Graphics:
    """Run `nvidia-smi`: a query of the GPUs, without the fields that an old one does not know, then its banner."""
    source = "nvidia-smi"
    for program in PROGRAMS:
        fields, outcome = _query(run, program)
        if outcome.status != NOT_FOUND:
            break
    else:
        return Graphics(source=source, silence=outcome.stdout)
    driver, gpus, other = read_query(outcome.stdout, fields)
    complaint = "; ".join(other) or (f"ended with status {outcome.status}" if outcome.status else "")
    if not gpus:
        return Graphics(source=source, silence=complaint)
    banner_driver, cuda = read_banner(run([program]).stdout)
    return Graphics(
        source=source,
        driver=driver or banner_driver,
        driver_cuda=cuda,
        gpus=gpus,
        silence=complaint or ("" if cuda else "its banner names no CUDA version"),
        remarks=(f"{source}: {complaint}",) if complaint else (),
    )


def _query(run: Run, program: str) -> tuple[Sequence[str], Outcome]:
    """The answer, and the fields that were asked in the end: 470 and older know no compute_cap."""
    fields: Sequence[str] = FIELDS
    while True:
        outcome = run([program, f"--query-gpu={','.join(fields)}", "--format=csv,noheader"])
        rejected = _REJECTED.search(outcome.stdout)
        if rejected is None or rejected["field"] not in fields:
            return fields, outcome
        fields = [field for field in fields if field != rejected["field"]]


def read_query(content: str, fields: Sequence[str]) -> tuple[str, tuple[HostGpu, ...], tuple[str, ...]]:
    """Understand `--query-gpu --format=csv,noheader`: the driver ("" if not told), the GPUs, and lines that are none.

    A value that cannot be told stands in brackets ("[N/A]", "[Not Supported]").
    """
    driver, gpus, other = "", [], []
    for line in filter(None, map(str.strip, content.splitlines())):
        values = [value.strip() for value in line.split(",", len(fields) - 1)]
        row: Mapping[str, str] = dict(zip(fields, values, strict=False))
        told = row.get("driver_version", "")
        if len(values) != len(fields) or not (DRIVER.fullmatch(told) or told.startswith("[")):
            other.append(line)
            continue
        driver = driver or ("" if told.startswith("[") else told)
        capability = CAPABILITY.fullmatch(row.get("compute_cap", ""))
        gpus.append(
            HostGpu(
                model=Gpu(
                    name=row.get("name", ""),
                    capability=(int(capability[1]), int(capability[2])) if capability else None,
                ),
                mig={"Enabled": True, "Disabled": False}.get(row.get("mig.mode.current", "")),
            )
        )
    return driver, tuple(gpus), tuple(other)


def read_banner(content: str) -> tuple[str, str]:
    """The driver and the CUDA version in the head of plain `nvidia-smi`, "" for one that is not there.

    Up to branch 590 it says "Driver Version" and "CUDA Version", later "KMD Version" and "CUDA UMD Version"; "N/A" and
    "ERR!" stand for a CUDA version that it could not find out.
    """
    driver, cuda = _BANNER_DRIVER.search(content), _BANNER_CUDA.search(content)
    return driver[1] if driver else "", cuda[1] if cuda else ""


def text(path: Path) -> str:
    """The text of a small file, "" where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
