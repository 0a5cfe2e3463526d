"""Lockfiles read as the tools that own them read them, by what these said once: they are too heavy to install here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement

from depdoctor.read import READERS

RECORDED = Path(__file__).parents[2] / "fixtures" / "read" / "recorded"


@pytest.mark.parametrize("system", ["linux", "win32"])
@pytest.mark.parametrize("python", ["3.10", "3.11", "3.13", "3.15"])
def test_pdm_lock(python: str, system: str) -> None:
    """`pdm export --group :all` of pdm 2.26 names what it would install, each with its marker."""
    environment = {**default_environment(), "python_version": python, "python_full_version": f"{python}.0"}
    environment["sys_platform"] = system
    lines = (RECORDED / "pdm" / "exported.txt").read_text(encoding="utf-8").splitlines()
    exported = [Requirement(line) for line in lines if line and not line.startswith("#")]
    theirs = {
        f"{one.name}{one.specifier}" for one in exported if one.marker is None or one.marker.evaluate(environment)
    }
    manifest = READERS["pdm.lock"]((RECORDED / "pdm" / "pdm.lock").read_text(encoding="utf-8"), "pdm.lock")
    ours = {
        f"{one.name}=={one.version}"
        for one in manifest.packages
        if one.marker is None or one.marker.evaluate(environment)
    }
    assert ours == theirs


def test_content_hash_of_pdm() -> None:
    lock = READERS["pdm.lock"]((RECORDED / "pdm" / "pdm.lock").read_text(encoding="utf-8"), "pdm.lock")
    text = (RECORDED / "pdm" / "pyproject.toml").read_text(encoding="utf-8")
    assert lock.digests
    assert set(lock.digests) <= set(READERS["pyproject.toml"](text, "pyproject.toml").digests)
    moved = READERS["pyproject.toml"](text.replace("httpx[http2]>=0.27", "httpx[http2]>=0.28"), "pyproject.toml")
    assert set(lock.digests).isdisjoint(moved.digests)


def test_conda_lock() -> None:
    recorded = json.loads((RECORDED / "conda-lock" / "parsed.json").read_text(encoding="utf-8"))["packages"]
    text = (RECORDED / "conda-lock" / "conda-lock.yml").read_text(encoding="utf-8")
    manifest = READERS["conda-lock.yml"](text, "conda-lock.yml")
    conda = {(one.name, one.version, one.platform, one.url, one.sha256) for one in manifest.conda_packages}
    assert conda == {
        (one["name"], one["version"], one["platform"], one["url"], one["sha256"])
        for one in recorded
        if one["manager"] == "conda"
    }
    systems = {"linux-64": ("linux", "x86_64"), "osx-arm64": ("darwin", "arm64")}
    for platform, (system, machine) in systems.items():
        environment = {"sys_platform": system, "platform_machine": machine}
        assert {
            (one.name, str(one.version), one.files[0].url, one.files[0].sha256, one.groups)
            for one in manifest.packages
            if one.marker is not None and one.marker.evaluate(environment)
        } == {
            (
                one["name"],
                one["version"],
                one["url"],
                one["sha256"],
                tuple("" if name == "main" else f"group:{name}" for name in one["categories"]),
            )
            for one in recorded
            if one["manager"] == "pip" and one["platform"] == platform
        }
