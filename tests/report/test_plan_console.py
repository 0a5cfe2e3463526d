"""What `plan` prints, at any width."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from fleets import fleet, pin
from rich.console import Console

from depdoctor.model.config import Config
from depdoctor.model.plan import Plan
from depdoctor.model.weights import WeightFile
from depdoctor.plan import plan
from depdoctor.plan.cost import costs
from depdoctor.report import tree

LONG = "a-team-of-ours-with-a-long-name-for-recommenders"
PROJECTS = {
    LONG: [pin("torch", size_bytes=900_000_000, unpacked_bytes=1_900_000_000), pin("x")],
    "b": [pin("torch", size_bytes=900_000_000, unpacked_bytes=1_900_000_000), pin("y" * 60, size_bytes=3_000_000)],
    "c": [pin("x")],
}


def printed(made: Plan, width: int) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, width=width, highlight=False, color_system=None)
    tree.plan(console, made, costs(made), path="depdoctor.plan.json", state="written")
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_names_and_numbers_are_never_broken(width: int) -> None:
    lines = printed(plan(fleet(PROJECTS), Config(), {}), width)
    assert all(len(line) <= width for line in lines)
    start = next(number for number, line in enumerate(lines) if line.startswith("image "))
    rows = lines[start + 1 : lines.index("", start)]
    own = [row for row in rows if row.startswith((f"{LONG} ", "b ", "c "))]
    assert (len(own) == 3) == (width >= 100)
    assert any("900 MB" in row and "9.0 / " in row for row in rows)
    layouts = [line.split("  ")[0] for line in lines]
    for label in ("as planned", "at least", "a layer per package, by popularity", "one layer each"):
        assert label in layouts


def test_weights_count(capsys: pytest.CaptureFixture[str]) -> None:
    made = plan(fleet(PROJECTS), Config(), {})
    held = (WeightFile(path="m.onnx", sha256="0" * 64, size_bytes=500_000_000),)
    images = tuple(replace(image, weights=held) if image.name in "bc" else image for image in made.images)
    made = replace(made, images=images)
    head, first, second = [line.split() for line in printed(made, 120) if line.startswith(("image ", "b ", "c "))]
    assert "weights" in head
    assert first[1:7] == ["1.4", "GB", "3.0", "MB", "500", "MB"]
    assert second[1:7] == ["500", "MB", "1.0", "kB", "500", "MB"]
    assert costs(made).planned.registry_bytes == costs(plan(fleet(PROJECTS), Config(), {})).planned.registry_bytes + 5e8
    assert capsys.readouterr().out == ""
