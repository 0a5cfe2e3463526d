from __future__ import annotations

from itertools import combinations_with_replacement, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name
from packaging.version import Version

from depdoctor.build.buildx import divide
from depdoctor.errors import BuildError
from depdoctor.model.distribution import DistributionFile, Pin
from depdoctor.model.plan import Base, Image, Layer, Node, Plan
from depdoctor.model.target import Environment, Platform

ENVIRONMENT = Environment(python="3.11", platform=Platform())


def pin(name: str, size: int) -> Pin:
    file = DistributionFile(filename=f"{name}-1-py3-none-any.whl", url="", sha256=name, size_bytes=size)
    return Pin(name=canonicalize_name(name), version=Version("1"), file=file, unpacked_bytes=size)


def forest(parents: list[int], sizes: list[int]) -> Plan:
    """A plan whose node i stands on node parents[i] (itself: a root), with an image on each node."""
    pins = [pin(f"p{number}", size) for number, size in enumerate(sizes)]
    nodes = [
        Node(
            key=f"n{number}",
            parent="" if parent == number else f"n{parent}",
            layers=(Layer(key=f"l{number}", wheels=(f"p{number}",)),),
        )
        for number, parent in enumerate(parents)
    ]
    images = [
        Image(
            name=f"i{number}",
            project=f"i{number}",
            environment=ENVIRONMENT,
            base=Base(reference="b"),
            node=f"n{number}",
            code=".",
        )
        for number in range(len(parents))
    ]
    return Plan(packages=tuple(pins), nodes=tuple(nodes), images=tuple(images))


def load(plan: Plan, part: tuple[Image, ...]) -> int:
    wheels = {sha256 for image in part for layer in plan.layers(image) for sha256 in layer.wheels}
    return len(part) + sum(plan.by_hash()[sha256].unpacked_bytes or 0 for sha256 in wheels)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    count = draw(st.integers(1, 8))
    parents = [draw(st.integers(0, number)) for number in range(count)]
    return forest(parents, draw(st.lists(st.integers(1, 1000), min_size=count, max_size=count)))


@given(plan=plans(), parts=st.integers(1, 4))
def test_no_other_cut_of_the_tree_has_a_lighter_heaviest_part(plan: Plan, parts: int) -> None:
    divided = divide(plan, plan.images, parts)
    assert len(divided) == parts
    ordered = sorted(plan.images, key=lambda image: tuple(node.key for node in plan.path(image)))
    assert [image for part in divided for image in part] == ordered
    places = range(len(ordered) + 1)
    best = min(
        max(load(plan, tuple(ordered[low:high])) for low, high in pairwise((0, *cuts, len(ordered))))
        for cuts in combinations_with_replacement(places, parts - 1)
    )
    assert max(load(plan, part) for part in divided) == best
    assert divide(plan, tuple(reversed(plan.images)), parts) == divided


def test_images_that_share_most_stay_together() -> None:
    # a heavy and a heavier trunk, each with two twigs; node 0 and 3 are roots
    plan = forest([0, 0, 0, 3, 3, 3], [1000, 1, 1, 1100, 1, 1])
    parts = divide(plan, plan.images, 2)
    assert {frozenset(image.name for image in part) for part in parts} == {
        frozenset({"i0", "i1", "i2"}),
        frozenset({"i3", "i4", "i5"}),
    }


def test_there_must_be_a_builder() -> None:
    with pytest.raises(BuildError, match="no builder"):
        divide(forest([0], [1]), (), 0)
