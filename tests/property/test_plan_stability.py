"""What an earlier plan holds in place when a fleet changes."""

from __future__ import annotations

from fleets import fleet, pin, six
from hypothesis import given, settings
from hypothesis import strategies as st

from depdoctor import planfile
from depdoctor.model.config import Config
from depdoctor.model.distribution import Pin
from depdoctor.model.inventory import Inventory
from depdoctor.model.plan import Layer, Plan
from depdoctor.plan import plan
from depdoctor.plan.layers import LAYER_LIMIT, RESERVED_LAYERS

SIZES = [3_000_000, 40, 2_000_000, 900, 7, 1_000_000, 30, 12]
PINS = [
    pin(f"p{number}", version, size_bytes=size)
    for number, size in enumerate(SIZES)
    for version in ("1.0", "2.0", "3.0")
]
LOCKS = st.lists(st.sampled_from(PINS), unique_by=lambda one: one.name)
FLEETS = st.dictionaries(st.sampled_from([f"project-{letter}" for letter in "abcdefgh"]), LOCKS, min_size=1)


def layers(made: Plan) -> dict[str, tuple[Layer, ...]]:
    return {image.project: made.layers(image) for image in made.images}


def made(found: Inventory, previous: Plan | None = None) -> Plan:
    result = plan(found, Config(), {}, previous)
    assert planfile.loads(planfile.dumps(result)) == result
    assert all(len(own) <= LAYER_LIMIT - RESERVED_LAYERS for own in layers(result).values())
    return result


@settings(deadline=None, max_examples=60)
@given(FLEETS, FLEETS)
def test_untouched_projects_keep_their_layers(before: dict[str, list[Pin]], after: dict[str, list[Pin]]) -> None:
    """Any change at all: projects come, go, and move their pins."""
    old = made(fleet(before))
    new = made(fleet(after), old)
    for name, pins in after.items():
        assert {wheel for layer in layers(new)[name] for wheel in layer.wheels} == {
            one.file.sha256 for one in pins if one.file
        }
        if name in before and sorted(map(str, before[name])) == sorted(map(str, pins)):
            assert layers(new)[name] == layers(old)[name]


@settings(deadline=None, max_examples=30)
@given(FLEETS)
def test_same_fleet_gives_the_same_plan(projects: dict[str, list[Pin]]) -> None:
    old = made(fleet(projects))
    assert made(fleet(projects), old) == old


@settings(deadline=None, max_examples=30)
@given(FLEETS, FLEETS)
def test_order_of_the_inventory_never_matters(before: dict[str, list[Pin]], after: dict[str, list[Pin]]) -> None:
    old = made(fleet(before))
    backwards = dict(reversed(after.items()))
    assert made(fleet(backwards), old) == made(fleet(after), old)


@settings(deadline=None, max_examples=30)
@given(FLEETS, st.data())
def test_history_never_breaks_a_plan(projects: dict[str, list[Pin]], data: st.DataObject) -> None:
    current = made(fleet(projects))
    for _ in range(4):
        name = data.draw(st.sampled_from(sorted(projects)))
        projects = {**projects, name: data.draw(LOCKS)}
        current = made(fleet(projects), current)


def test_bump_sends_the_new_wheel_and_the_light_ones_beside_it() -> None:
    found = six()
    old = made(found)
    entry = next(one for one in found.entries if one.project.name == "text-embedder")
    pins = [one for one in entry.locks[0].pins if one.name != "transformers"]
    bumped = pin("transformers", "9.9.9", size_bytes=11_000_000)
    others = {one.project.name: one.locks[0].pins for one in found.entries if one is not entry}
    new = made(fleet({**others, "text-embedder": [*pins, bumped]}), old)
    known = {layer.key for own in layers(old).values() for layer in own}
    fresh = [layer for own in layers(new).values() for layer in own if layer.key not in known]
    assert bumped.file
    assert [layer.wheels for layer in fresh] == [(bumped.file.sha256,)]
    for name in others:
        assert layers(new)[name] == layers(old)[name]
