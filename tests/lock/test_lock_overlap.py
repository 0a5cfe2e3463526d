"""Wheels of one lock that install the same files."""

from __future__ import annotations

from packaging.utils import canonicalize_name
from packaging.version import Version

from depdoctor.lock.overlap import overlaps
from depdoctor.model.distribution import DistributionFile, Pin, WheelFacts
from depdoctor.model.lock import Overlap


def shared(**wheels: tuple[str, ...] | dict[str, int]) -> tuple[Overlap, ...]:
    """What wheels of these files share; with the checksum of each, where it is known."""
    facts, pins = {}, []
    for name, paths in wheels.items():
        facts[name] = WheelFacts(
            size_bytes=1,
            unpacked_bytes=1,
            requires=(),
            requires_python="",
            paths=tuple(paths),
            checksums=tuple(paths.values()) if isinstance(paths, dict) else (),
        )
        file = DistributionFile(filename=f"{name}-1.0-py3-none-any.whl", url="", sha256=name)
        pins.append(Pin(name=canonicalize_name(name), version=Version("1.0"), file=file))
    return overlaps(pins, facts)


def test_two_wheels_that_own_the_same_module_are_found() -> None:
    found = shared(jwt=("jwt/__init__.py", "jwt/api.py"), pyjwt=("jwt/__init__.py", "jwt/api.py"), other=("x.py",))
    assert found == (
        Overlap(packages=(canonicalize_name("jwt"), canonicalize_name("pyjwt")), files=1, example="jwt/api.py"),
    )


def test_files_that_both_bring_byte_for_byte_are_the_same_whichever_comes_last() -> None:
    paths = ("mlflow/a.py", "mlflow/b.py")
    one = shared(mlflow=dict.fromkeys(paths, 7), mlflow_skinny=dict.fromkeys(reversed(paths), 7))
    assert one == ()
    (other,) = shared(mlflow=dict.fromkeys(paths, 7), mlflow_skinny={"mlflow/b.py": 8, "mlflow/a.py": 7})
    assert (other.files, other.example) == (1, "mlflow/b.py")


def test_packages_of_a_namespace_share_nothing_but_its_beginning() -> None:
    assert shared(one=("google/__init__.py", "google/a/x.py"), two=("google/__init__.py", "google/b/x.py")) == ()


def test_what_wheels_carry_along_by_mistake_does_not_count() -> None:
    assert shared(one=("tests/test_x.py", "LICENSE", "a.py"), two=("tests/test_x.py", "LICENSE", "b.py")) == ()


def test_shared_objects_count_whatever_their_version() -> None:
    path = "nvidia/cudnn/lib/libcudnn.so.9"
    assert [found.example for found in shared(one=(path,), two=(path,))] == [path]


def test_a_wheel_whose_files_are_unknown_shares_nothing() -> None:
    pin = Pin(name=canonicalize_name("one"), version=Version("1"), file=None)
    assert overlaps([pin, pin], {}) == ()
