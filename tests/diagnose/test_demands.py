"""What a lock demands of a machine, from its wheels first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from depdoctor.diagnose.demands import demands
from depdoctor.diagnose.installation import installations
from depdoctor.model.demand import Demand
from depdoctor.model.inventory import Inventory
from depdoctor.rules import Rules

InventoryOf = Callable[[Mapping[str, Any]], Inventory]

EDGES = {
    "torch": [
        "nvidia-cuda-runtime-cu12==12.4.127",
        "nvidia-cublas-cu12==12.4.5.8",
        "nvidia-cudnn-cu12==9.1.0.70",
        "nvidia-nccl-cu12==2.21.5",
        "nvidia-cusparselt-cu12==0.6.2",
        'nvidia-nvshmem-cu12==3.3.9; platform_machine == "riscv"',
    ]
}
LOCKED = {
    "name": "app",
    "requirements": ["torch==2.6.0"],
    "pins": ["torch==2.6.0", "nvidia-cuda-runtime-cu12==12.4.127", "nvidia-nccl-cu12==2.21.5", "numpy==2.1.0"],
    "requires": EDGES,
    "tags": {
        "torch": "cp311-cp311-manylinux_2_28_x86_64",
        "numpy": "cp310-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64",
    },
}


def told(inventory_of: InventoryOf, facts: Rules, project: Mapping[str, Any]) -> tuple[Demand, ...]:
    (one,) = installations(inventory_of({"project": [project]}), facts)
    return demands(one, facts, "2026-11-22")


def least(found: tuple[Demand, ...]) -> dict[str, str]:
    return {one.what: one.least for one in found}


def test_locked_wheels_tell_of_cuda_its_libraries_libc_and_python(inventory_of: InventoryOf, facts: Rules) -> None:
    found = told(inventory_of, facts, LOCKED)
    assert least(found) == {
        "CUDA": "12.4",
        "driver": "525.60.13",
        "GPU code": "sm_50 sm_60 sm_70 sm_75 sm_80 sm_86 sm_90",
        "C++ ABI": "1998",
        "cudnn": "9.1.0.70",
        "nccl": "2.21.5",
        "cusparselt": "0.6.2",
        "glibc": "2.28",
        "Python": "3.11",
    }
    assert all(one.evidence.source and one.evidence.date for one in found)
    assert {one.package for one in found} == {"torch 2.6.0", "torch==2.6.0"}


def test_what_was_found_in_a_wheel_comes_before_tables(inventory_of: InventoryOf, facts: Rules) -> None:
    inside = {
        "torch": {
            "cuda": "12.4",
            "cxx11_abi": "1",
            "targets": ["sm_90"],
            "complete": True,
            "members": ["torch/version.py"],
        }
    }
    found = told(inventory_of, facts, {**LOCKED, "inside": inside})
    assert least(found)["GPU code"] == "sm_90"
    [shown] = [one for one in found if one.what == "GPU code"]
    assert shown.evidence.source == "the wheel itself"


def test_without_a_lock_tables_tell_and_without_tables_nothing_does(inventory_of: InventoryOf, facts: Rules) -> None:
    project = {"name": "app", "requirements": ["torch==2.4.1", "numpy==2.1.0"]}
    found = least(told(inventory_of, facts, project))
    assert found["CUDA"] == "12.1"
    assert found["nccl"].startswith("2.20")
    assert "glibc" not in found
    assert told(inventory_of, Rules(), project) == ()


def test_a_cpu_build_demands_no_gpu(inventory_of: InventoryOf, facts: Rules) -> None:
    found = told(
        inventory_of, facts, {"name": "app", "requirements": ["torch==2.4.1+cpu"], "pins": ["torch==2.4.1+cpu"]}
    )
    assert not {"CUDA", "driver", "GPU code", "nccl"} & least(found).keys()
