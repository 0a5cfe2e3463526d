from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from packaging.tags import platform_tags
from recorded_hosts import Recorded

from depdoctor.adapters import host
from depdoctor.adapters.nvidia import NOT_FOUND, Outcome
from depdoctor.errors import UsageError
from depdoctor.model.host import Gpus, Host, Known, NotKnown
from depdoctor.model.target import Gpu

LINUX = platform.uname_result("Linux", "node", "", "", "x86_64")


def no_program(command: Sequence[str]) -> Outcome:
    return Outcome(status=NOT_FOUND, stdout="not found")


def read(root: Path, environment: dict[str, str] | None = None) -> Host:
    return host.read(
        root,
        environment or {},
        no_program,
        nvml=lambda: None,
        uname=lambda: LINUX,
        platform_tags=lambda: ["manylinux_2_36_x86_64"],
    )


def put(root: Path, path: str, content: str = "") -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(content, encoding="utf-8")


def test_nothing_is_asked_once_nothing_is_missing(tmp_path: Path) -> None:
    machine = Recorded("h100-535-nvml", tmp_path)
    found = machine.read()
    assert machine.commands == []
    assert found.driver == Known(text="535.129.03", source="NVML")
    assert isinstance(found.gpus, Gpus)
    assert len(found.gpus.each) == 8


def test_nvml_is_always_shut_down(tmp_path: Path) -> None:
    machine = Recorded("mixed-nvml", tmp_path)
    machine.read()
    assert machine.nvml is not None
    assert machine.nvml.calls[0] == "nvmlInit"
    assert machine.nvml.calls[-1] == "nvmlShutdown"


def test_a_field_that_an_old_driver_refuses_is_not_asked_again(tmp_path: Path) -> None:
    machine = Recorded("t4-470", tmp_path)
    machine.read()
    assert ["compute_cap" in command[1] for command in machine.commands if len(command) > 1] == [True, False]


@pytest.mark.parametrize("key", ["DRIVER", "DRIVER_CUDA", "GPUS"])
def test_one_stated_fact_of_the_driver_keeps_the_others_from_being_read(tmp_path: Path, key: str) -> None:
    machine = Recorded("h100-535-nvml", tmp_path)
    machine.data["environment"] = {f"DEPDOCTOR_HOST_{key}": "12.0"}
    found = machine.read()
    assert machine.nvml is not None
    assert machine.nvml.calls == machine.commands == []
    facts = {"DRIVER": found.driver, "DRIVER_CUDA": found.driver_cuda, "GPUS": found.gpus}
    assert not isinstance(facts.pop(key), NotKnown)
    assert all(isinstance(fact, NotKnown) and "is not set" in fact.reason for fact in facts.values())


def test_a_stated_driver_is_not_taken_for_that_of_windows(tmp_path: Path) -> None:
    put(tmp_path, "proc/sys/kernel/osrelease", "5.15.146.1-microsoft-standard-WSL2\n")
    assert read(tmp_path).wsl
    assert not read(tmp_path, {"DEPDOCTOR_HOST_DRIVER": "535.104.05"}).wsl


def test_what_is_stated_as_empty_is_not_there(tmp_path: Path) -> None:
    put(tmp_path, "usr/local/cuda/version.txt", "CUDA Version 10.2.89\n")
    found = read(tmp_path, {"DEPDOCTOR_HOST_GPUS": "", "DEPDOCTOR_HOST_CUDA": " "})
    assert found.gpus == Gpus(each=(), source="DEPDOCTOR_HOST_GPUS")
    assert found.cuda == NotKnown(reason="`DEPDOCTOR_HOST_CUDA` is empty")


def test_stated_gpus_are_spelled_as_in_the_configuration(tmp_path: Path) -> None:
    gpus = read(tmp_path, {"DEPDOCTOR_HOST_GPUS": "A10, 8.6,GeForce RTX 3090 (8.6)"}).gpus
    assert isinstance(gpus, Gpus)
    assert [gpu.model for gpu in gpus.each] == [
        Gpu(name="A10", capability=None),
        Gpu(name="", capability=(8, 6)),
        Gpu(name="GeForce RTX 3090", capability=(8, 6)),
    ]


def test_stated_platform_brings_no_libc_of_this_machine(tmp_path: Path) -> None:
    found = read(tmp_path, {"DEPDOCTOR_HOST_PLATFORM": "linux-aarch64"})
    assert (found.platform, found.libc) == ("linux-aarch64", "")
    assert isinstance(found.libc_version, NotKnown)
    found = read(tmp_path, {"DEPDOCTOR_HOST_LIBC": "musl"})
    assert (found.platform, found.libc) == ("linux-x86_64", "musl")


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("DEPDOCTOR_HOST_DRIVER", "new", "must be a version"),
        ("DEPDOCTOR_HOST_GLIBC", "2", "two numbers"),
        ("DEPDOCTOR_HOST_LIBC", "uclibc", "glibc or musl"),
        ("DEPDOCTOR_HOST_PLATFORM", "linux", "linux-x86_64"),
        ("DEPDOCTOR_HOST_GPUS", "A10,,T4", "A10, 8.6"),
    ],
)
def test_a_stated_value_without_sense_is_refused(tmp_path: Path, variable: str, value: str, told: str) -> None:
    with pytest.raises(UsageError, match=told) as caught:
        read(tmp_path, {variable: value})
    assert variable in caught.value.message


def test_an_unknown_variable_names_the_nearest_known_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, {"DEPDOCTOR_HOST_GPU": "A10", "DEPDOCTOR_CACHE_DIR": "/tmp"})
    assert caught.value.hint == "did you mean `DEPDOCTOR_HOST_GPUS`?"


@pytest.mark.parametrize(
    ("parse", "content", "expected"),
    [
        (host.cuda_of_json, '{"cuda": {"name": "CUDA SDK", "version": "11.8.20220929"}}', "11.8"),
        (host.cuda_of_json, '{"cuda": {"version": "13.0.3"}}', "13.0"),
        (host.cuda_of_json, '{"cuda_nvcc": {"version": "13.0.88"}}', ""),
        (host.cuda_of_json, '{"cuda": {"version": 12}}', ""),
        (host.cuda_of_json, "[1]", ""),
        (host.cuda_of_json, "", ""),
        (host.cuda_of_text, "CUDA Version 10.2.89\n", "10.2"),
        (host.cuda_of_text, "", ""),
        (host.cuda_of_header, "#ifndef CUDA_VERSION\n#define CUDA_VERSION 12040\n", "12.4"),
        (host.cuda_of_header, "#define CUDA_VERSION_OTHER 12040\n", ""),
        (host.tegra_of_release, "# R35 (release), REVISION: 4.1, GCID: 33958178, BOARD: t186ref\n", "35.4.1"),
        (host.tegra_of_release, "something else", ""),
        (
            host.distribution,
            'NAME="x"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
            "Debian GNU/Linux 12 (bookworm)",
        ),
        (host.distribution, "PRETTY_NAME=Void\n", "Void"),
        (host.distribution, "", ""),
    ],
)
def test_parsers(parse: Callable[[str], str], content: str, expected: str) -> None:
    assert parse(content) == expected


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ("5.15.146.1-microsoft-standard-WSL2\n", True),
        ("6.6.87.2-microsoft-standard-WSL2+", True),
        ("4.4.0-19041-Microsoft", False),
        ("6.8.0-40-generic", False),
    ],
)
def test_wsl_2_is_told_by_its_kernel(release: str, expected: bool) -> None:
    assert host.wsl_of_kernel(release) is expected


def test_libc_is_that_of_the_best_tag() -> None:
    assert host.libc_of_tags(["linux_x86_64", "manylinux_2_36_x86_64", "manylinux_2_35_x86_64"])[0] == "glibc"
    assert host.libc_of_tags(["musllinux_1_2_x86_64"]) == ("musl", Known(text="1.2", source="this interpreter"))
    libc, version = host.libc_of_tags(["linux_x86_64"])
    assert libc == ""
    assert isinstance(version, NotKnown)


def test_cudnn_is_the_first_that_the_loader_finds(tmp_path: Path) -> None:
    put(tmp_path, "usr/lib/libcudnn.so.9.9.9")
    assert read(tmp_path).cudnn == Known(text="9.9.9", source="/usr/lib")
    put(tmp_path, "etc/ld.so.conf.d/b.conf", "/opt/b\n")
    put(tmp_path, "etc/ld.so.conf.d/a.conf", "# /opt/no\n/opt/a  # yes\n")
    put(tmp_path, "opt/b/libcudnn.so.9.1.0")
    put(tmp_path, "opt/a/libcudnn.so.8.9.10")
    put(tmp_path, "opt/a/libcudnn.so.8.9.7")
    put(tmp_path, "opt/no/libcudnn.so.7.6.5")
    assert read(tmp_path).cudnn == Known(text="8.9.10", source="/opt/a")
    put(tmp_path, "opt/first/libcudnn.so.8.2.4")
    environment = {"LD_LIBRARY_PATH": "/opt/none:/opt/first"}
    assert read(tmp_path, environment).cudnn == Known(text="8.2.4", source="/opt/first")


@pytest.mark.skipif(sys.platform != "linux", reason="the C library is one of Linux")
def test_this_very_machine_is_read_truthfully() -> None:
    found = host.read()
    libc, version = platform.libc_ver()
    assert found.system == "linux"
    assert found.machine == platform.machine().lower()
    assert any(tag.endswith(found.machine) for tag in platform_tags())
    if libc == "glibc":
        assert found.libc == "glibc"
        assert isinstance(found.libc_version, Known)
        assert found.libc_version.text == version


def command(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "depdoctor", "host", *arguments],
        env={**os.environ, **variables},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def test_the_command_prints_a_target_and_the_same_as_json() -> None:
    stated = {"DEPDOCTOR_HOST_DRIVER": "535.129.03", "DEPDOCTOR_HOST_GPUS": "A10"}
    block, document = command(**stated), command("--format", "json", **stated)
    assert (block.returncode, block.stderr) == (document.returncode, document.stderr) == (0, "")
    (target,) = tomllib.loads(block.stdout)["target"]
    assert target == json.loads(document.stdout)["target"]
    assert (target["driver"], target["gpus"]) == ("535.129.03", ["A10"])


def test_the_command_refuses_a_wrong_variable_with_a_hint() -> None:
    done = command(DEPDOCTOR_HOST_GPU="A10")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "depdoctor: `DEPDOCTOR_HOST_GPU` states nothing of a host",
        "  did you mean `DEPDOCTOR_HOST_GPUS`?",
    ]
