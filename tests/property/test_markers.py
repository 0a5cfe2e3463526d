"""Markers with extras against `packaging`, which knows one extra at a time."""

from hypothesis import given
from hypothesis import strategies as st
from packaging.markers import Marker

from depdoctor.model.graph import holds
from depdoctor.model.target import Environment, Platform

LINUX = Environment(python="3.11", platform=Platform())
EXTRAS = st.sampled_from(["test", "gpu-12", "docs"])
CLAUSES = st.one_of(
    st.tuples(EXTRAS, st.sampled_from(["==", "!="])).map(lambda one: f'extra {one[1]} "{one[0]}"'),
    st.sampled_from(
        ["python_version < '3.9'", "python_version >= '3.9'", "sys_platform == 'win32'", "os_name != 'nt'"]
    ),
)
MARKERS = st.recursive(
    CLAUSES,
    lambda parts: st.tuples(parts, st.sampled_from(["and", "or"]), parts).map(lambda one: f"({' '.join(one)})"),
    max_leaves=6,
)


@given(MARKERS, st.one_of(st.just(""), EXTRAS))
def test_a_marker_is_what_packaging_says_of_it(text: str, extra: str) -> None:
    marker = Marker(text)
    asked = frozenset({extra} - {""})
    assert holds(marker, LINUX, asked) is marker.evaluate({**LINUX.markers(), "extra": extra})
