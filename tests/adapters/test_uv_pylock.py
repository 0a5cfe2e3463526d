"""Which of the files that uv lists for a package is taken."""

from __future__ import annotations

from dataclasses import replace

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from depdoctor.adapters.uv_process import IndexEntry
from depdoctor.adapters.uv_pylock import UnusableLockError, located, read_pins
from depdoctor.model.distribution import DistributionFile, Pin
from depdoctor.model.target import Environment, Platform

LINUX = Environment(python="3.11", platform=Platform(libc_version=(2, 36)))
WHEEL, SDIST, WINDOWS = "a" * 64, "b" * 64, "c" * 64
LOCK = f"""\
lock-version = "1.0"
created-by = "uv"

[[packages]]
name = "numlib"
version = "1.0"
sdist = {{ url = "https://index.example/numlib-1.0.tar.gz", hashes = {{ sha256 = "{SDIST}" }} }}

[[packages.wheels]]
url = "https://index.example/numlib-1.0-cp311-cp311-manylinux_2_28_x86_64.whl"
hashes = {{ sha256 = "{WHEEL}" }}

[[packages.wheels]]
url = "https://index.example/numlib-1.0-cp311-cp311-win_amd64.whl"
hashes = {{ sha256 = "{WINDOWS}" }}
"""


@pytest.mark.parametrize(
    ("hashes", "taken"),
    [
        ((), WHEEL),
        ((f"sha256:{WHEEL}", f"sha256:{SDIST}"), WHEEL),
        ((f"sha256:{SDIST}",), SDIST),
        ((f"sha256:{WINDOWS}",), WHEEL),
        ((f"sha256:{WINDOWS}", f"sha256:{SDIST}"), SDIST),
        ((f"sha256:{'0' * 64}",), WHEEL),
    ],
    ids=["any", "both", "source only", "for Windows", "not for here, or source", "of nothing"],
)
def test_a_file_of_a_known_hash_goes_before_a_better_one(hashes: tuple[str, ...], taken: str) -> None:
    (pin,) = read_pins(LOCK, LINUX, hashes)
    assert pin.file
    assert pin.file.sha256 == taken


def test_a_lock_without_a_file_for_the_environment_is_none() -> None:
    without = LOCK.replace("sdist =", "# sdist =")
    with pytest.raises(UnusableLockError):
        read_pins(without, Environment(python="3.12", platform=LINUX.platform))


HOST = "https://packages.example"
USUAL = IndexEntry(name="usual", address=f"{HOST}/all/simple", default=True)
OTHERS = (
    IndexEntry(name="cpu", address=f"{HOST}/whl/cpu", default=False),
    IndexEntry(name="cuda", address=f"{HOST}/whl/cu12", default=False),
    IndexEntry(name="team", address="https://robot:hunter2@team.example/simple", default=False),
    IndexEntry(name="folder", address="file:///wheels", default=False),
)


@pytest.mark.parametrize(
    ("url", "indexes", "index"),
    [
        (f"{HOST}/whl/cpu/numlib.whl", OTHERS, f"{HOST}/whl/cpu"),
        (f"{HOST}/whl/cu12/numlib.whl", OTHERS, f"{HOST}/whl/cu12"),
        (f"{HOST}/whl/numlib.whl", (*OTHERS, USUAL), f"{HOST}/whl/cu12"),
        (f"{HOST}/all/files/numlib.whl", (*OTHERS, USUAL), ""),
        ("https://team.example/files/numlib.whl", (*OTHERS, USUAL), "https://team.example/simple"),
        ("https://elsewhere.example/numlib.whl", OTHERS, ""),
        (f"{HOST}/whl/cpu/tied.whl", OTHERS, "https://tied.example/simple"),
        (f"{HOST}/whl/cpu/numlib.whl", (), ""),
    ],
)
def test_the_index_of_a_file_is_the_nearest_on_its_host(url: str, indexes: tuple[IndexEntry, ...], index: str) -> None:
    name = url.rpartition("/")[2].removesuffix(".whl")
    file = DistributionFile(filename=f"{name}-1.0-py3-none-any.whl", url=url, sha256=WHEEL)
    pin = Pin(name=canonicalize_name(name), version=Version("1.0"), file=file)
    (found,) = located([pin], indexes, [("tied", "https://tied.example/simple")])
    assert found == replace(pin, index=index)
