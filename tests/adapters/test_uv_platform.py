"""Between our platforms and uv's."""

from __future__ import annotations

import re
import subprocess

import pytest
import uv

from depdoctor.adapters.uv_platform import glibc_platform, newer_platform, other_pythons, patch_release, uv_platform
from depdoctor.model.target import Platform


@pytest.mark.parametrize(
    ("platform", "name"),
    [
        (Platform(libc_version=(2, 36)), "x86_64-manylinux_2_36"),
        (Platform(libc_version=(2, 30)), "x86_64-manylinux_2_28"),
        (Platform(libc_version=(2, 27)), "x86_64-manylinux_2_17"),
        (Platform(libc_version=(2, 99)), "x86_64-manylinux_2_40"),
        (Platform(libc_version=(2, 12)), ""),
        (Platform(machine="aarch64", libc_version=(2, 31)), "aarch64-manylinux_2_31"),
        (Platform(machine="ppc64le"), ""),
        (Platform(libc="musl", libc_version=(1, 2)), "x86_64-unknown-linux-musl"),
        (Platform(system="macos", machine="arm64", libc=""), "aarch64-apple-darwin"),
        (Platform(system="windows", libc=""), "x86_64-pc-windows-msvc"),
    ],
)
def test_the_nearest_platform_that_is_not_newer(platform: Platform, name: str) -> None:
    assert uv_platform(platform) == name


def test_uv_knows_every_platform_that_it_is_asked_for() -> None:
    text = subprocess.run(
        [uv.find_uv_bin(), "pip", "compile", "--help"], check=True, capture_output=True, text=True
    ).stdout
    known = set(re.findall(r"[\w-]+", text.partition("--python-platform <")[2].partition("]")[0]))
    platforms = [
        Platform(system=system, machine=machine, libc=libc, libc_version=(2, minor))
        for system, libc in (("linux", "glibc"), ("linux", "musl"), ("macos", ""), ("windows", ""))
        for machine in ("x86_64", "aarch64")
        for minor in range(17, 45)
    ]
    assert {uv_platform(platform) for platform in platforms} <= known


@pytest.mark.parametrize(
    ("platform", "tags", "name"),
    [
        (Platform(libc_version=(2, 17)), ("manylinux_2_27_x86_64", "manylinux_2_35_x86_64"), "x86_64-manylinux_2_28"),
        (Platform(libc_version=(2, 28)), ("manylinux_2_27_x86_64", "manylinux_2_31_x86_64"), "x86_64-manylinux_2_31"),
        (Platform(libc_version=(2, 36)), ("manylinux_2_28_x86_64",), ""),
        (Platform(libc_version=(2, 17)), ("manylinux_2_28_aarch64", "win_amd64"), ""),
        (Platform(libc_version=(2, 17)), ("manylinux_2_45_x86_64",), ""),
        (Platform(libc="musl", libc_version=(1, 2)), ("manylinux2014_x86_64",), "x86_64-manylinux_2_17"),
        (Platform(libc="musl", libc_version=(1, 2)), ("manylinux1_x86_64",), "x86_64-manylinux_2_17"),
        (Platform(system="windows", libc=""), ("manylinux_2_28_x86_64",), ""),
    ],
)
def test_a_newer_c_library_that_the_wheels_want(platform: Platform, tags: tuple[str, ...], name: str) -> None:
    assert newer_platform(platform, tags) == name
    if name:
        assert uv_platform(glibc_platform(name)) == name


def test_other_pythons_nearest_first() -> None:
    text = "Because the requested Python version (>=3.12) does not satisfy Python<3.11 and a depends on Python>=3.9"
    assert other_pythons(text, ("cp37m", "cp38", "cp312", "py3"), "3.12") == ("3.10", "3.9", "3.8", "3.7")


@pytest.mark.parametrize(
    ("text", "patch"),
    [
        ("the requested Python version (>=3.11) does not satisfy Python>=3.11.5", 5),
        ("a depends on Python>=3.9, <3.11.0 | >3.11.0, <3.11.1 | >3.11.1", 2),
        ("a depends on Python>=3.11.2 and b depends on Python>=3.11.4,<4.0", 4),
        ("a depends on Python>=3.12.5", 0),
        ("numlib>=3.11.5.1 and Python<3.11.9", 0),
    ],
)
def test_the_first_patch_release_that_satisfies_all(text: str, patch: int) -> None:
    assert patch_release(text, "3.11") == patch
