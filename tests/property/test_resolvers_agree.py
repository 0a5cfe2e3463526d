"""uv, resolvelib and brute force are of one mind about what can stand, and so is what we conclude from uv."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path

import third_opinion
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_conflicts_found import NAMES, requirement, universes
from universe import HERE, Universe, met, write_wheels

from depdoctor.adapters.oracle import MemoOracle
from depdoctor.adapters.uv import UvResolver
from depdoctor.model.lock import Impossible, Question, Resolved

LINES = st.lists(requirement(NAMES), min_size=1, max_size=4, unique=True)


@settings(deadline=None)
@given(universes(), LINES)
def test_resolvelib_and_brute_force(world: Universe, lines: list[str]) -> None:
    found = third_opinion.stands(world.releases, lines)
    assert (found is None) is (world.stands(lines) is None)
    if found is not None:
        assert all(met(text, found) for text in lines)


@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(universes(), st.lists(LINES, min_size=2, max_size=3))
def test_uv_and_what_follows_from_it(world: Universe, several: list[list[str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        indexes = write_wheels(world.releases, Path(folder))
        oracle = MemoOracle(UvResolver(Path(folder, "cache")))
        everything = sorted({line for one in several for line in one})
        for lines in (*several, everything):
            question = Question(
                requirements=tuple(sorted(lines)), environment=HERE, indexes=indexes, exclude_newer=datetime.now(UTC)
            )
            answer = oracle.ask(question)
            assert isinstance(answer, Resolved | Impossible)
            assert isinstance(answer, Resolved) is (third_opinion.stands(world.releases, lines) is not None)
