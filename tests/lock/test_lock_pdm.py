"""Lockfiles of PDM that say of no package to which group it belongs, as PDM writes them when uv resolves for it."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from depdoctor import discover, lock, read
from depdoctor.adapters.uv import UvResolver
from depdoctor.model.lock import Lock
from depdoctor.model.project import IndexOptions
from depdoctor.model.target import Environment, Platform


def package(name: str, version: str, *requires: str) -> str:
    digest = hashlib.sha256(f"{name}{version}".encode()).hexdigest()
    edges = ", ".join(f"'{each}'" for each in requires)
    address = f"https://index.example/files/{name}-{version}-py3-none-any.whl"
    return (
        f'[[package]]\nname = "{name}"\nversion = "{version}"\nrequires_python = ">=3.8"\ndependencies = [{edges}]\n'
        f'files = [{{url = "{address}", hash = "sha256:{digest}"}}]\n'
    )


LOCKED = "".join(
    [
        '[metadata]\ngroups = ["default", "test"]\nstrategy = ["static_urls"]\nlock_version = "4.5.1"\n',
        package("notebook", "7.0", 'shell==8.39; python_version < "3.11"', 'shell==9.18; python_version >= "3.11"'),
        package("shell", "8.39", "oldcolours"),
        package("shell", "9.18", 'console; sys_platform == "win32"', "colours"),
        package("oldcolours", "1"),
        package("colours", "2"),
        package("console", "3"),
        package("checks", "4"),
    ]
)


@pytest.mark.parametrize(
    ("python", "line", "names"),
    [
        ("3.10", "notebook", ["notebook 7.0", "oldcolours 1", "shell 8.39"]),
        ("3.12", "notebook>=7", ["colours 2", "notebook 7.0", "shell 9.18"]),
        ("3.12", "notebook>=8", ["colours 2", "notebook 7.0", "shell 9.18"]),
    ],
)
def test_the_lines_lead_to_what_is_installed(tmp_path: Path, python: str, line: str, names: list[str]) -> None:
    manifest = f'[project]\nname = "app"\nversion = "1"\ndependencies = ["{line}"]\n'
    (tmp_path / "pyproject.toml").write_text(f'{manifest}[dependency-groups]\ntest = ["checks"]\n', encoding="utf-8")
    (tmp_path / "pdm.lock").write_text(LOCKED, encoding="utf-8")
    [project] = discover.discover(tmp_path)
    outcome = lock.lock(
        read.read(project, tmp_path),
        Environment(python=python, platform=Platform(libc_version=(2, 36))),
        UvResolver(tmp_path / "cache", offline=True),
        indexes=IndexOptions(),
        exclude_newer=datetime(2026, 1, 1, tzinfo=UTC),
    )
    assert isinstance(outcome, Lock)
    assert sorted(f"{pin.name} {pin.version}" for pin in outcome.pins) == names
