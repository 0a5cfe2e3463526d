from __future__ import annotations

import sys
from pathlib import Path

import pytest

from depdoctor.adapters import nvidia
from depdoctor.adapters.nvidia import FIELDS, NOT_FOUND, TIMED_OUT, Outcome
from depdoctor.model.host import HostGpu
from depdoctor.model.target import Gpu


@pytest.mark.parametrize(
    ("line", "driver"),
    [
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  384.81  Wed Aug 17 22:24:07 PDT 2016", "384.81"),
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module 390.48 Thu Mar 22 00:42:57 PDT 2018", "390.48"),
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  470.182.03  Fri Feb 24 03:29:56 UTC 2023", "470.182.03"),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  555.58  Release Build", "555.58"),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  540.4.0  Release Build  (a@b)", "540.4.0"),
        ("GCC version:  gcc version 12.2.0 (GCC)", ""),
        ("", ""),
    ],
)
def test_driver_of_procfs(line: str, driver: str) -> None:
    assert nvidia.driver_of_procfs(f"{line}\nGCC version:  gcc version 12.2.0 (GCC)\n") == driver


def test_gpu_of_procfs_leaves_out_what_is_excluded_or_nameless() -> None:
    content = "Model: \t\t NVIDIA A10G\nIRQ:   \t\t 42\nGPU Excluded:\t No\n"
    assert nvidia.gpu_of_procfs(content) == HostGpu(model=Gpu(name="NVIDIA A10G", capability=None))
    assert nvidia.gpu_of_procfs(content.replace("No", "Yes")) is None
    assert nvidia.gpu_of_procfs(content.replace("NVIDIA A10G", "Unknown")) is None
    assert nvidia.gpu_of_procfs("") is None


@pytest.mark.parametrize(
    ("banner", "expected"),
    [
        ("| NVIDIA-SMI 331.62     Driver Version: 331.62         |", ("331.62", "")),
        ("| NVIDIA-SMI 470.182.03   Driver Version: 470.182.03   CUDA Version: 11.4     |", ("470.182.03", "11.4")),
        ("| NVIDIA-SMI 545.46        Driver Version: 546.80       CUDA Version: ERR!     |", ("546.80", "")),
        ("| NVIDIA-SMI 540.4.0        Driver Version: 540.4.0      CUDA Version: N/A      |", ("540.4.0", "")),
        ("| NVIDIA-SMI 610.43.02   KMD Version: 610.43.02     CUDA UMD Version: 13.3     |", ("610.43.02", "13.3")),
        ("No devices were found", ("", "")),
    ],
)
def test_read_banner(banner: str, expected: tuple[str, str]) -> None:
    assert nvidia.read_banner(f"+----+\n{banner}\n+----+\n") == expected


def test_read_query_takes_rows_and_keeps_the_rest_apart() -> None:
    content = (
        "535.161.08, 9.0, Disabled, NVIDIA H100, 80GB\n"
        "Unable to determine the device handle for GPU0000:3B:00.0: GPU is lost, reboot, a, b\n"
        "[Insufficient Permissions], [N/A], Enabled, NVIDIA H100\n"
        "\n"
    )
    driver, gpus, other = nvidia.read_query(content, FIELDS)
    assert driver == "535.161.08"
    assert gpus == (
        HostGpu(model=Gpu(name="NVIDIA H100, 80GB", capability=(9, 0)), mig=False),
        HostGpu(model=Gpu(name="NVIDIA H100", capability=None), mig=True),
    )
    assert len(other) == 1
    assert "GPU is lost" in other[0]


def test_a_lost_gpu_does_not_hide_the_others() -> None:
    def run(command: list[str]) -> Outcome:
        if len(command) == 1:
            return Outcome(status=0, stdout="Driver Version: 535.161.08   CUDA Version: 12.2")
        return Outcome(status=15, stdout="535.161.08, 9.0, [N/A], NVIDIA H100\nGPU 1 is lost\n")

    told = nvidia.from_smi(run)
    assert (told.driver, told.driver_cuda, told.remarks) == ("535.161.08", "12.2", ("nvidia-smi: GPU 1 is lost",))
    assert told.gpus is not None
    assert len(told.gpus) == 1


def test_smi_that_refuses_every_field_is_asked_no_further() -> None:
    asked: list[str] = []

    def run(command: list[str]) -> Outcome:
        field = command[1].removeprefix("--query-gpu=").split(",")[0]
        asked.append(field)
        return Outcome(status=2, stdout=f'Field "{field}" is not a valid field to query.\n')

    assert nvidia.from_smi(run).silence
    assert asked == [*FIELDS, ""]


def test_run_gives_what_was_written_and_how_it_ended() -> None:
    done = nvidia.run([sys.executable, "-c", "import sys; print('out'); sys.exit(9)"])
    assert (done.status, done.stdout.strip()) == (9, "out")
    done = nvidia.run([sys.executable, "-c", "import sys; sys.exit('only here')"])
    assert (done.status, done.stdout.strip()) == (1, "only here")


def test_run_of_what_is_not_there_or_not_allowed(tmp_path: Path) -> None:
    assert nvidia.run([str(tmp_path / "nvidia-smi")]) == Outcome(status=NOT_FOUND, stdout="not found")
    (tmp_path / "nvidia-smi").write_text("", encoding="utf-8")
    refused = nvidia.run([str(tmp_path / "nvidia-smi")])
    assert refused.status == NOT_FOUND
    assert "ermission" in refused.stdout


def test_run_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvidia, "TIMEOUT_S", 0.2)
    done = nvidia.run([sys.executable, "-c", "import time; time.sleep(60)"])
    assert done == Outcome(status=TIMED_OUT, stdout="no answer within 0.2 s")


def test_the_real_bindings_without_a_library_are_silent() -> None:
    library = pytest.importorskip("pynvml")
    told = nvidia.from_nvml(library)
    assert bool(told.driver) or "NVML" in told.silence or "river" in told.silence


def test_no_bindings_is_an_answer_too() -> None:
    assert "nvidia-ml-py" in nvidia.from_nvml(None).silence


@pytest.mark.parametrize(("number", "text"), [(11040, "11.4"), (12020, "12.2"), (13000, "13.0"), (9010, "9.1")])
def test_cuda_of_number(number: int, text: str) -> None:
    assert nvidia.cuda_of_number(number) == text
