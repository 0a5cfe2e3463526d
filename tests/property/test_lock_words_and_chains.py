"""What is read of uv's prose never breaks on prose; chains agree with a search that tries everything."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from depdoctor.adapters.uv_words import read_failure, read_warnings, redacted
from depdoctor.model.distribution import Pin
from depdoctor.model.graph import chains, without_marker
from depdoctor.model.lock import Lock
from depdoctor.model.project import DeclaredRequirement, Location
from depdoctor.model.target import Environment, Platform

PHRASES = (
    "error: No solution found when resolving dependencies\n  cause: Because",
    "a==1 has no usable wheels and",
    "all of:\n  a==1\n  b>=2,<3 have no usable wheels",
    "you require a==1 and b[c]>=2",
    "depends on {x == 'y'}",
    "hint: Wheels are available for `a` (v1) on the following platforms: `win32`",
    "there is no version of b==9",
    "was not found in the package registry",
    "https://user:word@index.example/simple",
)
prose = st.lists(st.sampled_from(PHRASES) | st.text(max_size=20), max_size=12).map(" ".join)


@given(prose)
def test_any_prose_can_be_read(text: str) -> None:
    failure = read_failure(text)
    assert "user:word" not in failure.message
    for names in (failure.required, failure.depended_on, failure.wrong_python, failure.unlisted):
        assert all(name == canonicalize_name(name) for name in names)
    read_warnings(text)
    assert redacted(redacted(text)) == redacted(text)


NAMES = "abcde"
edges = st.dictionaries(
    st.sampled_from(NAMES),
    st.lists(
        st.builds(
            lambda name, extra, when: f"{name}{extra}{when}",
            st.sampled_from(NAMES),
            st.sampled_from(["", "[x]", "[y]"]),
            st.sampled_from(["", "; extra == 'x'", "; extra == 'y'", "; sys_platform == 'win32'"]),
        ),
        max_size=4,
    ),
    max_size=5,
)


@given(edges, st.sampled_from(["a", "a[x]", "a[x,y]", "b"]), st.sampled_from(NAMES))
def test_a_chain_is_the_shortest_there_is(graph: dict[str, list[str]], declared: str, subject: str) -> None:
    pins = tuple(
        Pin(name=NormalizedName(name), version=Version("1"), file=None, requires=tuple(map(Requirement, texts)))
        for name, texts in sorted(graph.items())
    )
    lock = Lock(project="p", environment=Environment(python="3.11", platform=Platform()), pins=pins)
    root = DeclaredRequirement(
        requirement=Requirement(declared), location=Location(path="r.txt", line=1), text=declared
    )

    def counts(edge: Requirement, extras: set[str]) -> bool:
        return edge.marker is None or str(edge.marker) in {f'extra == "{extra}"' for extra in extras}

    # Every walk of up to as many steps as there are (package, extras) pairs, by length.
    layer = [(Requirement(declared), (declared,))]
    shortest: set[tuple[str, ...]] = set()
    for _ in range(8):
        if shortest := {chain for requirement, chain in layer if requirement.name == subject}:
            break
        reached = {(r.name, frozenset(r.extras)): (r, chain) for r, chain in reversed(layer)}
        layer = [
            (edge, (*chain, without_marker(edge)))
            for requirement, chain in reached.values()
            for edge in map(Requirement, graph.get(requirement.name, ()))
            if counts(edge, requirement.extras)
        ]
    found = chains(lock, [root], NormalizedName(subject))
    assert bool(found) is bool(shortest)
    for _, chain in found:
        assert len(chain) == len(next(iter(shortest)))
        assert chain[0] == declared
        for above, below in pairwise(chain):
            parent = Requirement(above)
            options = [Requirement(text) for text in graph[parent.name]]
            assert below in {without_marker(edge) for edge in options if counts(edge, parent.extras)}
