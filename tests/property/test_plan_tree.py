"""The layer tree against the exact optimum, and what must hold for any fleet."""

from __future__ import annotations

import json
import random
import statistics
from pathlib import Path

from exact_layout import least_cost
from fleets import fleet, pin
from hypothesis import given, settings
from hypothesis import strategies as st

from depdoctor import planfile
from depdoctor.model.config import MAX_LAYER_BYTES, Config
from depdoctor.model.distribution import Pin
from depdoctor.model.plan import Plan
from depdoctor.plan import plan
from depdoctor.plan.layers import LAYER_LIMIT, RESERVED_LAYERS
from depdoctor.plan.tree import Tree, grow

SIX = Path(__file__).parents[1] / "plan" / "data" / "six.json"

ITEMS = 14
WEIGHTS = st.lists(st.integers(1, 1000), min_size=ITEMS, max_size=ITEMS)
SETS = st.lists(st.frozensets(st.integers(0, ITEMS - 1)), min_size=1, max_size=7, unique=True)

PINS = [pin(f"p{number}", size_bytes=size) for number, size in enumerate([3_000_000, 40, 2_000_000, 900, 7, 1_000_000])]
FLEETS = st.dictionaries(
    st.sampled_from([f"project-{letter}" for letter in "abcdefgh"]),
    st.lists(st.sampled_from(PINS), unique_by=lambda one: one.name),
    min_size=1,
)


@settings(deadline=None)
@given(SETS, WEIGHTS)
def test_layout_never_beats_the_optimum_and_holds_every_set(sets: list[frozenset[int]], weights: list[int]) -> None:
    tree = grow(sets, weights)
    assert tree.cost() >= least_cost(sets, weights)
    for leaf, items in enumerate(sets):
        held = [tree.held(node) for node in (leaf, *tree.ancestors(leaf))]
        assert frozenset().union(*held) == items
        assert sum(map(len, held)) == len(items)
    _check(tree)


def _check(tree: Tree) -> None:
    """Every inner node is what its children share, and parents and children agree."""
    for node, children in enumerate(tree.children):
        assert all(tree.parent[child] == node for child in children)
        if children:
            left, right = children
            assert tree.common[node] == tree.common[left] & tree.common[right]
        assert tree.mass[node] == tree.weigh(tree.common[node])
    assert tree.parent.count(-1) == 1


def test_real_wheels_stay_within_the_goals() -> None:
    data = json.loads(SIX.read_text())
    weights = [wheel[3] for wheel in data["wheels"]]
    six = [frozenset(numbers) for numbers in data["projects"].values()]
    assert grow(six, weights).cost() <= 1.005 * least_cost(six, weights)
    ratios = []
    for seed in range(20):
        sets = _nine(seed, six)
        ratios.append(grow(sets, weights).cost() / least_cost(sets, weights))
    assert statistics.median(ratios) <= 1.01
    assert max(ratios) <= 1.03


def _nine(seed: int, six: list[frozenset[int]]) -> list[frozenset[int]]:
    """Nine images that each mix parts of two real ones, as services of one team do."""
    chance = random.Random(seed)
    sets = set[frozenset[int]]()
    while len(sets) < 9:
        left, right = chance.sample(six, 2)
        sets.add((left & right) | {item for item in sorted(left | right) if chance.random() < 0.5})
    return sorted(sets, key=sorted)


@settings(deadline=None)
@given(FLEETS, st.randoms(use_true_random=False))
def test_plan_is_the_same_whatever_the_order(projects: dict[str, list[Pin]], chance: random.Random) -> None:
    names = list(projects)
    chance.shuffle(names)
    shuffled = {name: chance.sample(projects[name], len(projects[name])) for name in names}
    assert plan(fleet(shuffled), Config(), {}) == plan(fleet(projects), Config(), {})


@settings(deadline=None)
@given(FLEETS)
def test_image_installs_its_lock_and_nothing_twice(projects: dict[str, list[Pin]]) -> None:
    made = plan(fleet(projects), Config(), {})
    assert [image.project for image in made.images] == sorted(projects)
    for image in made.images:
        wheels = [wheel for layer in made.layers(image) for wheel in layer.wheels]
        assert len(wheels) == len(set(wheels))
        assert [str(one) for one in made.pins(image)] == sorted(str(one) for one in projects[image.project])
    _check_plan(made)


def _check_plan(made: Plan) -> None:
    seen: set[str] = set()
    for node in made.nodes:
        assert node.layers
        assert node.key not in seen
        assert not node.parent or node.parent in seen
        seen.add(node.key)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 400), st.integers(0, 400))
def test_no_image_exceeds_the_layer_budget(heavy: int, light: int) -> None:
    pins = [pin(f"heavy-{number}", size_bytes=2_000_000 + number) for number in range(heavy)]
    pins += [pin(f"light-{number}", size_bytes=10) for number in range(light)]
    made = plan(fleet({"one": pins, "two": pins[: len(pins) // 2]}), Config(), {})
    for image in made.images:
        assert len(made.layers(image)) <= LAYER_LIMIT - RESERVED_LAYERS


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(1, 25_000_000_000), min_size=1, max_size=120))
def test_wheels_over_the_limit_are_split_within_the_budget(sizes: list[int]) -> None:
    pins = [pin(f"p{number}", size_bytes=2_000_000, unpacked_bytes=size) for number, size in enumerate(sizes)]
    made = plan(fleet({"one": pins, "two": pins[: len(pins) // 2]}), Config(), {})
    files = made.by_hash()
    for image in made.images:
        layers = made.layers(image)
        assert sum(len(layer.pieces) for layer in layers) <= LAYER_LIMIT - RESERVED_LAYERS
        assert len(made.pins(image)) == sum(len(layer.wheels) for layer in layers)
        for layer in layers:
            unpacked = sum(files[wheel].unpacked_bytes or 0 for wheel in layer.wheels)
            assert len(layer.wheels) > 1 or unpacked <= layer.parts * MAX_LAYER_BYTES
            assert layer.parts == 1 or unpacked > (layer.parts - 1) * MAX_LAYER_BYTES
    assert planfile.loads(planfile.dumps(made)) == made
    assert plan(fleet({"one": pins, "two": pins[: len(pins) // 2]}), Config(), {}, made) == made


@settings(deadline=None, max_examples=10)
@given(st.integers(90, 130))
def test_a_long_chain_of_images_is_flattened(length: int) -> None:
    """Each image has all that the one before it has and one more, so the tree is a chain as long as the fleet."""
    pins = [pin(f"p{number:03}", size_bytes=1 + number) for number in range(length)]
    made = plan(fleet({f"image-{number:03}": pins[: number + 1] for number in range(length)}), Config(), {})
    for number, image in enumerate(made.images):
        assert len(made.layers(image)) <= LAYER_LIMIT - RESERVED_LAYERS
        assert len(made.pins(image)) == number + 1
