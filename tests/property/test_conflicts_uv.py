"""The whole search with uv as the oracle, on wheels made for it, against trying every combination."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from test_conflicts_found import expected, fleets, texts, universes
from universe import Universe, write_wheels

from depdoctor.adapters.oracle import MemoOracle
from depdoctor.adapters.uv import UvResolver
from depdoctor.conflict import finder


@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(universes(), fleets)
def test_uv_leads_to_the_same_conflicts_as_brute_force(world: Universe, fleet: dict[str, list[str]]) -> None:
    inventory = world.inventory(fleet)
    able = {entry.project.name for entry in inventory.entries if entry.locks}
    with tempfile.TemporaryDirectory() as folder:
        indexes = write_wheels(world.releases, Path(folder))
        oracle = MemoOracle(UvResolver(Path(folder, "cache")))
        result = finder.find(inventory, oracle, deadline=lambda: False, indexes=indexes)
    lines = {line for name in able for line in fleet[name]}
    between = [found for found in result.conflicts if texts(found) <= lines and len(found.projects) > 1]
    assert {texts(found): set(found.projects) & able for found in between} == expected(world, fleet)
