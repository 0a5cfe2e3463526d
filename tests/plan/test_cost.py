"""What a plan costs, counted by hand on a small fleet and against the goals on a real one."""

from __future__ import annotations

from itertools import combinations

from fleets import fleet, pin, six

from depdoctor.model.config import Config
from depdoctor.model.cost import LayoutCost
from depdoctor.plan import plan
from depdoctor.plan.cost import costs, pulls

MB = 1_000_000
HEAVY = pin("heavy", size_bytes=10 * MB, unpacked_bytes=40 * MB)
OTHER = pin("other", size_bytes=2 * MB, unpacked_bytes=3 * MB)
LIGHT = pin("light", size_bytes=1000, unpacked_bytes=2000)
GUESS = pin("guess", size_bytes=None)


def test_small_fleet_costs_what_it_says() -> None:
    made = plan(fleet({"a": [HEAVY, LIGHT], "b": [HEAVY, OTHER], "c": [OTHER, LIGHT, GUESS]}), Config(), {})
    result = costs(made)
    assert result.single == LayoutCost(registry_bytes=24_002_000, pull_bytes=24_002_000, disk_bytes=86_004_001)
    assert result.least == LayoutCost(registry_bytes=12_001_000, pull_bytes=12_001_000, disk_bytes=43_002_001)
    # a and b share the heavy one; c shares nothing that is not already shared better
    assert result.planned == LayoutCost(registry_bytes=12_002_000, pull_bytes=14_002_000, disk_bytes=46_004_001)
    assert result.bound_bytes == 86_004_001 - 43_000_000
    assert result.sizes_unknown == 1
    a, b, c = result.images
    assert (a.download_bytes, a.own_download_bytes) == (10_001_000, 1000)
    assert (b.unpacked_bytes, b.own_unpacked_bytes) == (43 * MB, 3 * MB)
    assert a.largest == (("heavy", 40 * MB), ("light", 2000))
    assert (a.layers, b.layers, c.layers) == (2, 2, 2)


def test_light_wheels_of_two_nodes_are_two_blobs() -> None:
    made = plan(fleet({"a": [HEAVY, LIGHT], "b": [OTHER, LIGHT, pin("d")]}), Config(), {})
    assert costs(made).planned.registry_bytes == 12_001_000 + 1000


def test_node_pulls_only_what_it_lacks() -> None:
    made = plan(fleet({"a": [HEAVY, LIGHT], "b": [HEAVY, OTHER], "c": [OTHER]}), Config(), {})
    left = pulls(made, [0, 1, 2])
    assert left["b"] == ((0, 12 * MB), (1, 7 * MB), (2, 2 * MB))  # a has the heavy one, c has nothing of the chain
    assert left["c"] == ((0, 2 * MB), (1, 2 * MB), (2, 2 * MB))


def test_pulls_are_the_average_over_all_that_may_be_there() -> None:
    made = plan(six(), Config(), {})
    packages = made.by_hash()
    left = pulls(made, range(6))
    for image in made.images:
        others = [other for other in made.images if other is not image]
        for count, expected in left[image.name]:
            found = []
            for present in combinations(others, count):
                there = {node.key for other in present for node in made.path(other)}
                lacking = [node for node in made.path(image) if node.key not in there]
                found.append(
                    sum(packages[w].download_bytes for node in lacking for layer in node.layers for w in layer.wheels)
                )
            assert abs(sum(found) / len(found) - expected) <= len(made.path(image))


def test_cuda_share_is_told() -> None:
    made = plan(fleet({"a": [HEAVY, LIGHT], "b": [OTHER]}), Config(), {})
    a, b = costs(made, lambda name: name == "heavy").images
    assert (a.cuda_bytes, b.cuda_bytes) == (10 * MB, 0)
    assert a.pulls == ((0, 10_001_000), (1, 10_001_000))


def test_six_services_reach_the_goals() -> None:
    result = costs(plan(six(), Config(), {}))
    assert result.planned.registry_bytes <= 1.01 * result.least.registry_bytes
    assert result.bound_bytes <= result.planned.disk_bytes <= 1.005 * result.bound_bytes
    assert result.planned.disk_bytes < result.popularity.disk_bytes < result.single.disk_bytes
    assert result.planned.registry_bytes <= 0.75 * result.single.registry_bytes


def test_empty_plan_costs_nothing() -> None:
    result = costs(plan(fleet({"a": []}), Config(), {}))
    nothing = LayoutCost(registry_bytes=0, pull_bytes=0, disk_bytes=0)
    assert (result.planned, result.single, result.least, result.bound_bytes) == (nothing, nothing, nothing, 0)
