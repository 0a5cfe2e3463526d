"""Which of the files that uv lists for a package is taken."""

from __future__ import annotations

import pytest

from depdoctor.adapters.uv_pylock import UnusableLockError, read_pins
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
