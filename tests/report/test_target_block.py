from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.version import Version
from recorded_hosts import NAMES, Recorded

from depdoctor import config
from depdoctor.model.host import Fact, Gpus, Host, HostGpu, Known, NotKnown
from depdoctor.model.target import PLATFORMS, Gpu, Target
from depdoctor.report import target


def libc(base: str) -> tuple[str, tuple[int, int]]:
    return "glibc", (2, 36)


def pasted(block: str) -> Target:
    parsed = config.parse(tomllib.loads(block), "depdoctor.toml", libc)
    (only,) = parsed.targets
    return only


def test_machines_are_recorded() -> None:
    known = {"t4-470", "a100-mig-535", "geforce-580", "wsl-555", "broken-smi", "jetson-orin-36", "mismatch", "nouveau"}
    assert known <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_block_of_a_recorded_machine(name: str, tmp_path: Path) -> None:
    machine = Recorded(name, tmp_path)
    block = target.block(machine.read())
    assert block == machine.data["expected"]["block"]
    assert pasted(block).name


@pytest.mark.parametrize("name", NAMES)
def test_json_says_the_same_as_the_block(name: str, tmp_path: Path) -> None:
    host = Recorded(name, tmp_path).read()
    document = json.loads(target.json(host))
    assert document["schema_version"] == 1
    assert document["target"] == tomllib.loads(target.block(host))["target"][0]
    assert not set(document["target"]) & set(document["left_out"])
    assert {*document["target"], *document["left_out"]} >= {"name", "platform", "driver", "driver-cuda", "gpus"}


def test_json_tells_what_the_block_leaves_out(tmp_path: Path) -> None:
    document = json.loads(target.json(Recorded("wsl-555", tmp_path).read()))
    assert document["host"]["wsl"] is True
    assert document["host"]["driver"] == "555.99"
    assert "driver" not in document["target"]
    assert document["sources"]["driver"] == "nvidia-smi"
    document = json.loads(target.json(Recorded("a100-mig-535", tmp_path).read()))
    assert [gpu["mig"] for gpu in document["host"]["gpus"]] == [True, True]


def test_a_platform_that_no_target_can_be_is_left_out() -> None:
    unknown = NotKnown(reason="nobody asked")
    block = target.block(
        Host(
            system="linux",
            machine="ppc64le",
            libc_version=unknown,
            driver=unknown,
            driver_cuda=unknown,
            gpus=unknown,
            cuda=unknown,
            cudnn=unknown,
        )
    )
    assert "# platform left out: linux-ppc64le" in block
    assert tomllib.loads(block)["target"] == [{"name": "linux-ppc64le"}]


versions = st.lists(st.integers(0, 999), min_size=2, max_size=4).map(lambda parts: ".".join(map(str, parts)))
anything = st.text(max_size=30)


def facts(texts: st.SearchStrategy[str]) -> st.SearchStrategy[Fact]:
    known = st.builds(Known, text=texts, source=anything)
    return known | st.builds(NotKnown, reason=anything)


gpus = st.builds(Gpu, name=anything, capability=st.none() | st.tuples(st.integers(1, 20), st.integers(0, 9)))
hosts = st.builds(
    Host,
    system=st.just("linux"),
    machine=st.sampled_from(["x86_64", "aarch64"]),
    distribution=anything,
    libc=st.just("glibc"),
    libc_version=facts(versions),
    pythons=st.lists(anything).map(tuple),
    driver=facts(versions),
    driver_cuda=facts(versions),
    gpus=st.builds(Gpus, each=st.lists(st.builds(HostGpu, model=gpus)).map(tuple), source=anything)
    | st.builds(NotKnown, reason=anything),
    cuda=facts(versions),
    cudnn=facts(versions),
    wsl=st.booleans(),
    tegra=st.sampled_from(["", "36.4.3"]),
    remarks=st.lists(anything).map(tuple),
)


def version(fact: Fact) -> Version | None:
    return Version(fact.text) if isinstance(fact, Known) else None


@settings(deadline=None)
@given(host=hosts)
def test_whatever_is_read_can_be_pasted_and_says_the_same(host: Host) -> None:
    got = pasted(target.block(host))
    assert f"{got.platform.system}-{got.platform.machine}" == host.platform
    assert host.platform in PLATFORMS
    assert got.driver == (None if host.wsl or host.tegra else version(host.driver))
    assert (got.driver_cuda, got.cuda, got.cudnn) == tuple(map(version, (host.driver_cuda, host.cuda, host.cudnn)))
    assert got.platform.libc_version == ((2, 36) if (own := version(host.libc_version)) is None else own.release[:2])
    told: tuple[Any, ...] = host.gpus.each if isinstance(host.gpus, Gpus) else ()
    assert set(got.gpus) == {Gpu.parse(str(gpu.model)) for gpu in told if str(gpu.model)}
