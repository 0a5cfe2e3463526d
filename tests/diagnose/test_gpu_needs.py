"""What images need of GPU nodes, from what is locked and from the tables of facts."""

from __future__ import annotations

import pytest
from fleets import fleet, inventory, pin
from packaging.version import Version

from depdoctor.diagnose.needs import gpu_need
from depdoctor.model.config import Config
from depdoctor.model.deployment import GpuNeed
from depdoctor.plan import plan
from depdoctor.rules import Rules


def need_of(facts: Rules, **packages: str) -> GpuNeed | None:
    pins = [pin(name.replace("_", "-"), version) for name, version in packages.items()]
    made = plan(fleet({"a": pins}), Config(), {})
    return gpu_need(made, made.images[0], facts, inventory([]))


def test_wheel_with_machine_code_needs_the_lowest_driver_of_its_major(facts: Rules) -> None:
    need = need_of(facts, torch="2.6.0+cu124")
    assert need
    assert need.cuda == Version("12.4")
    (way,) = need.ways
    assert way.driver == Version("525.60.13")
    assert {(5, 0), (8, 6), (9, 0)} <= set(way.capabilities)
    assert not {(3, 7), (10, 0), (12, 0)} & set(way.capabilities), "it holds no code for Kepler and Blackwell"


def test_gpu_that_ptx_serves_needs_the_driver_of_the_toolkit(facts: Rules) -> None:
    need = need_of(facts, tensorflow="2.15.0")
    assert need
    coded, compiled = need.ways
    assert coded.driver == Version("525.60.13")
    assert (7, 5) in coded.capabilities
    assert compiled.driver > coded.driver
    assert (8, 9) in compiled.capabilities


@pytest.mark.parametrize("packages", [{"torch": "2.6.0+cpu"}, {"requests": "2.32.3"}])
def test_image_without_cuda_needs_no_gpu(facts: Rules, packages: dict[str, str]) -> None:
    assert need_of(facts, **packages) is None


def test_libraries_alone_tell_no_gpu_but_a_driver(facts: Rules) -> None:
    need = need_of(facts, nvidia_cuda_runtime_cu12="12.4.127")
    assert need
    assert [(way.driver, way.capabilities) for way in need.ways] == [(Version("525.60.13"), ())]
