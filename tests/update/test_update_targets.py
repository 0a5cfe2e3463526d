"""Where the projects of a fleet go together: against every way that there is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name
from packaging.version import Version

from depdoctor.model.update import Advisory, Span
from depdoctor.update.targets import Reach, aligned, mending


def reach(unit: str, now: int, high: int, low: int | None = None) -> Reach:
    return Reach(
        unit=unit, now=Version(str(now)), low=Version(str(now if low is None else low)), high=Version(str(high))
    )


def chosen(*reaches: Reach, tied: list[set[str]] | None = None) -> dict[str, int]:
    return {unit: version.major for unit, version in aligned(reaches, tied or []).items()}


def test_all_go_to_the_newest_where_all_can() -> None:
    assert chosen(reach("a", 1, 5), reach("b", 2, 5)) == {"a": 5, "b": 5}


def test_one_version_stays_one_version() -> None:
    assert chosen(reach("a", 1, 5), reach("b", 1, 3)) == {"a": 3, "b": 3}


def test_two_versions_may_stay_two() -> None:
    assert chosen(reach("a", 1, 5), reach("b", 2, 3)) == {"a": 5, "b": 3}


def test_the_fewest_come_down() -> None:
    found = chosen(reach("a", 1, 5), reach("b", 1, 5), reach("c", 2, 4), reach("d", 2, 3))
    assert found == {"a": 5, "b": 5, "c": 3, "d": 3}


def test_nobody_goes_below_what_mends_a_flaw() -> None:
    assert chosen(reach("a", 1, 5, low=4), reach("b", 1, 3)) == {"a": 5, "b": 3}


def test_those_that_share_a_line_go_together_or_not_at_all() -> None:
    assert chosen(reach("a", 1, 5), reach("b", 2, 3), tied=[{"a", "b"}]) == {"a": 3, "b": 3}
    assert chosen(reach("a", 4, 5), reach("b", 1, 3), tied=[{"a", "b"}]) == {"a": 4, "b": 1}


fleets = st.lists(
    st.tuples(st.integers(1, 4), st.integers(0, 4)).map(lambda one: (one[0], one[0] + one[1])), min_size=1, max_size=6
)


@given(fleets)
def test_there_are_no_more_versions_than_before_and_nobody_goes_back(fleet: list[tuple[int, int]]) -> None:
    reaches = [reach(str(number), now, high) for number, (now, high) in enumerate(fleet)]
    found = chosen(*reaches)
    assert all(one.low.major <= found[one.unit] <= one.high.major for one in reaches)
    assert len(set(found.values())) <= max(len({now for now, _ in fleet}), 1)


def test_what_mends_a_flaw() -> None:
    def flaw(*spans: Span) -> Advisory:
        return Advisory(id="X", name=canonicalize_name("p"), source="x.json", spans=spans)

    two = flaw(Span(fixed=Version("1.5")), Span(first=Version("2"), fixed=Version("2.3")))
    later = flaw(Span(first=Version("1.5"), last=Version("1.9")))
    assert mending(Version("1.2"), [two]) == Version("1.5")
    assert mending(Version("1.2"), [two, later]) == Version("1.9.post0")
    assert mending(Version("2.1"), [two]) == Version("2.3")
    assert mending(Version("1.2"), [flaw(Span())]) is None
