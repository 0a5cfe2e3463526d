"""What changes from one plan to the next."""

from __future__ import annotations

from fleets import fleet, pin

from depdoctor.model.config import Config, ProjectConfig
from depdoctor.model.cost import Move, PlanDiff
from depdoctor.plan import plan
from depdoctor.plan.diff import diff

TORCH = pin("torch", size_bytes=50_000_000)
NUMPY = pin("numpy", size_bytes=20_000_000)
NEWER = pin("numpy", "2.0", size_bytes=21_000_000)
WEB, OWN = pin("web", size_bytes=300), pin("own", size_bytes=4000)


def test_same_plan_changes_nothing() -> None:
    made = plan(fleet({"a": [TORCH, WEB]}), Config(), {})
    assert diff(made, made) == PlanDiff(images=(), push_bytes=0)


def test_bump_tells_the_move_and_its_bytes() -> None:
    old = plan(fleet({"a": [TORCH, NUMPY, WEB], "b": [TORCH, NUMPY, WEB, OWN]}), Config(), {})
    new = plan(fleet({"a": [TORCH, NUMPY, WEB], "b": [TORCH, NEWER, WEB, OWN]}), Config(), {}, old)
    result = diff(old, new)
    (change,) = result.images
    assert (change.name, change.change) == ("b", "changed")
    assert change.moves == (Move(name=NUMPY.name, before="1.0", after="2.0"),)
    assert change.push_bytes == change.fetch_bytes == result.push_bytes == 21_000_000
    # torch stays at the bottom; all that stood on the old numpy is another chain
    assert change.pull_bytes == 21_000_000 + 4300
    assert change.new_layers == 1


def test_new_image_costs_what_nobody_has() -> None:
    old = plan(fleet({"a": [TORCH, WEB]}), Config(), {})
    new = plan(fleet({"a": [TORCH, WEB], "b": [TORCH, OWN], "c": [TORCH, OWN]}), Config(), {}, old)
    b, c = diff(old, new).images
    assert (b.change, c.change) == ("added", "added")
    assert (b.push_bytes, c.push_bytes) == (4000, 0)
    assert b.fetch_bytes == b.pull_bytes == 50_004_000
    assert [move.before for move in b.moves] == ["", ""]


def test_removed_image_is_named() -> None:
    old = plan(fleet({"a": [WEB], "b": [WEB]}), Config(), {})
    (change,) = diff(old, plan(fleet({"a": [WEB]}), Config(), {}, old)).images
    assert (change.name, change.change, change.push_bytes) == ("b", "removed", 0)
    assert change.moves == (Move(name=WEB.name, before="1.0", after=""),)


def test_new_command_is_a_change_without_moves() -> None:
    old = plan(fleet({"a": [WEB]}), Config(), {})
    config = Config(projects=(ProjectConfig(path="a", command=("python", "app.py")),))
    (change,) = diff(old, plan(fleet({"a": [WEB]}), config, {}, old)).images
    assert (change.change, change.moves, change.push_bytes, change.pull_bytes) == ("changed", (), 0, 0)
