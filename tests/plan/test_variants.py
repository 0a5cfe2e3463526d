"""The fewest images of a project that serve every target."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

from fleets import lock, pin
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.version import Version

from depdoctor.model.lock import Lock
from depdoctor.model.target import Environment, Platform, Target
from depdoctor.plan.variants import fewest

GB = 1_000_000_000


def built(machine: str = "x86_64", glibc: int = 28, size: int = 1, variant: str = "") -> Lock:
    environment = Environment(python="3.11", platform=Platform(machine=machine, libc_version=(2, glibc)))
    pins = [pin(f"{machine}-{glibc}{variant}", unpacked_bytes=size * GB)]
    return replace(lock("a", pins, environment), variant=variant)


def target(name: str, machine: str = "x86_64", glibc: int = 28, most: int | None = None, gpu: bool = False) -> Target:
    return Target(
        name=name,
        platform=Platform(machine=machine, libc_version=(2, glibc)),
        max_image_bytes=most * GB if most else None,
        driver=Version("550") if gpu else None,
    )


def chosen(locks: list[Lock], *targets: Target) -> dict[str, tuple[str, ...]]:
    return {str(one.lock.pins[0].name): one.targets for one in fewest(locks, targets)}


def test_one_image_serves_nodes_with_a_gpu_and_without() -> None:
    (one,) = fewest([built(size=5)], [target("gpu", gpu=True), target("cpu")])
    assert (one.targets, one.why) == (("cpu", "gpu"), "")


def test_wheels_for_an_older_c_library_serve_newer_ones() -> None:
    (one,) = fewest([built(glibc=36), built(glibc=28)], [target("old"), target("new", glibc=36)])
    assert one.targets == ("new", "old")
    assert one.why == "wheels for linux-x86_64-glibc2.28 run on all of `old` and `new`"
    assert chosen([built(glibc=36)], target("old"), target("new", glibc=36)) == {"x86-64-36": ("new",)}


def test_another_processor_takes_another_image() -> None:
    found = fewest([built(), built("aarch64")], [target("node"), target("board", "aarch64")])
    assert [(one.targets, one.why) for one in found] == [
        (("node",), "for x86_64: `node`"),
        (("board",), "for aarch64: `board`"),
    ]


def test_without_cuda_only_where_the_other_is_too_large() -> None:
    locks = [built(size=5), built(size=1, variant="cpu")]
    assert chosen(locks, target("gpu", gpu=True), target("cpu", most=6)) == {"x86-64-28": ("cpu", "gpu")}
    found = fewest(locks, [target("gpu", gpu=True), target("small", most=3), target("cpu")])
    assert [one.targets for one in found] == [("gpu",), ("cpu", "small")]
    assert found[1].why == (
        "without CUDA for `small` and `cpu`, which name no GPU: `small` takes 3.0 GB, "
        "and the image is 5.0 GB with it, 1.0 GB without"
    )
    assert chosen(locks, target("small", most=3), target("cpu")) == {"x86-64-28cpu": ("cpu", "small")}


def test_a_target_that_takes_none_still_gets_one() -> None:
    assert chosen([built(size=5)], target("small", most=1, gpu=True)) == {"x86-64-28": ("small",)}


def test_weights_count() -> None:
    locks = [built(size=2), built(size=1, variant="cpu")]
    targets = [target("gpu", gpu=True), target("small", most=3)]
    assert len(fewest(locks, targets)) == 1
    assert len(fewest(locks, targets, weights_bytes=2 * GB)) == 2


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["x86_64", "aarch64"]), st.sampled_from([28, 31, 36]), st.integers(1, 6), st.booleans()
        ),
        min_size=1,
        max_size=6,
        unique_by=lambda one: (one[0], one[1], one[3]),
    ),
    st.lists(
        st.tuples(
            st.sampled_from(["x86_64", "aarch64"]),
            st.sampled_from([28, 31, 36]),
            st.none() | st.integers(1, 6),
            st.booleans(),
        ),
        min_size=1,
        max_size=5,
    ),
)
def test_no_fewer_would_do(
    locks: list[tuple[str, int, int, bool]], targets: list[tuple[str, int, int | None, bool]]
) -> None:
    ways = [built(machine, glibc, size, "cpu" if cpu else "") for machine, glibc, size, cpu in locks]
    wanted = {f"t{number}": target(f"t{number}", *one) for number, one in enumerate(targets)}

    def serves(way: Lock, one: Target) -> bool:
        built_for = way.environment.platform
        return (
            built_for.machine == one.platform.machine
            and built_for.libc_version <= one.platform.libc_version
            and not (way.variant and one.names_gpu)
            and (one.max_image_bytes is None or (way.pins[0].unpacked_bytes or 0) <= one.max_image_bytes)
        )

    found = fewest(ways, wanted.values())
    fitting = {name: one for name, one in wanted.items() if any(serves(way, one) for way in ways)}
    for name, one in fitting.items():
        (own,) = [variant for variant in found if name in variant.targets]
        assert serves(own.lock, one)
    if len(fitting) == len(wanted):
        least = next(
            count
            for count in range(1, len(ways) + 1)
            for some in combinations(ways, count)
            if all(any(serves(way, one) for way in some) for one in wanted.values())
        )
        assert len(found) == least
