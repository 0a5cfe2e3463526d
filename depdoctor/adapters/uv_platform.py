"""Between our platforms and those that uv knows by name."""

from __future__ import annotations

import re
from collections.abc import Iterable

from depdoctor.model.target import Platform

_GLIBC_MINORS = (17, 28, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40)
"""The platforms that uv knows by glibc 2.x (`uv pip compile --help`)."""

_LINUX_MACHINES = ("x86_64", "aarch64")

_OTHERS = {
    ("macos", "aarch64"): "aarch64-apple-darwin",
    ("macos", "arm64"): "aarch64-apple-darwin",
    ("macos", "x86_64"): "x86_64-apple-darwin",
    ("windows", "x86_64"): "x86_64-pc-windows-msvc",
    ("windows", "aarch64"): "aarch64-pc-windows-msvc",
}

_MANYLINUX = re.compile(r"manylinux_2_(\d+)_(\w+)")
_CPYTHON = re.compile(r"cp3(\d+)")
_BOUND = re.compile(r"Python(>=|>|<=|<|==|~=)3\.(\d+)")
_LEGACY = {"manylinux1": 5, "manylinux2010": 12, "manylinux2014": 17}


def uv_platform(platform: Platform) -> str:
    """The name of the nearest platform of uv's that is not newer than this one; "" where uv knows none."""
    if platform.system != "linux":
        return _OTHERS.get((platform.system, platform.machine), "")
    if platform.machine not in _LINUX_MACHINES:
        return ""
    if platform.libc == "musl":
        return f"{platform.machine}-unknown-linux-musl"
    minors = [minor for minor in _GLIBC_MINORS if (2, minor) <= platform.libc_version]
    return f"{platform.machine}-manylinux_2_{minors[-1]}" if minors else ""


def newer_platform(platform: Platform, wheel_tags: Iterable[str]) -> str:
    """The platform of uv's, with the oldest glibc over this one's, on which a wheel of these tags installs; else ""."""
    if platform.system != "linux" or platform.machine not in _LINUX_MACHINES:
        return ""
    have = -1 if platform.libc == "musl" else platform.libc_version[1]
    needed = [minor for minor in _glibc_minors(wheel_tags, platform.machine) if minor > have]
    known = [minor for minor in _GLIBC_MINORS if needed and minor >= min(needed)]
    return f"{platform.machine}-manylinux_2_{known[0]}" if known else ""


def glibc_platform(name: str) -> Platform:
    """The platform that uv knows by a name that `newer_platform` gave."""
    machine, _, minor = name.rpartition("-manylinux_2_")
    return Platform(machine=machine, libc_version=(2, int(minor)))


def other_pythons(text: str, wheel_tags: Iterable[str], python: str) -> tuple[str, ...]:
    """The Python minors, nearest first, that uv's words or the tags of the wheels it found speak of."""
    asked = int(python.partition(".")[2])
    minors = {int(match.group(1)) for tag in wheel_tags if (match := _CPYTHON.fullmatch(tag.rstrip("mu")))}
    for sign, bound in _BOUND.findall(text):
        minors.add(int(bound) + {"<": -1, ">": 1}.get(sign, 0))
    return tuple(f"3.{minor}" for minor in sorted(minors - {asked}, key=lambda minor: (abs(minor - asked), -minor)))


def patch_release(text: str, python: str) -> int:
    """The first patch release of a Python minor that satisfies all lower bounds of it in uv's words, 0 for any."""
    bounds = re.findall(rf"(>=?) ?{re.escape(python)}\.(\d{{1,3}})(?![\d.])", text)
    return max((int(patch) + (sign == ">") for sign, patch in bounds), default=0)


def _glibc_minors(wheel_tags: Iterable[str], machine: str) -> Iterable[int]:
    for tag in wheel_tags:
        if (match := _MANYLINUX.fullmatch(tag)) and match.group(2) == machine:
            yield int(match.group(1))
        name, _, rest = tag.partition("_")
        if name in _LEGACY and rest == machine:
            yield _LEGACY[name]
