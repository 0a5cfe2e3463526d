"""Markers with several extras at once, and the chains that lead to a package."""

from __future__ import annotations

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from depdoctor.model.distribution import Pin
from depdoctor.model.graph import chains, holds
from depdoctor.model.lock import Lock
from depdoctor.model.project import DeclaredRequirement, Location
from depdoctor.model.target import Environment, Platform

LINUX = Environment(python="3.11", platform=Platform())


def a_lock(**requires: list[str]) -> Lock:
    pins = tuple(
        Pin(name=canonicalize_name(name), version=Version("1"), file=None, requires=tuple(map(Requirement, edges)))
        for name, edges in requires.items()
    )
    return Lock(project="p", environment=LINUX, pins=pins)


def declared(*texts: str) -> tuple[DeclaredRequirement, ...]:
    return tuple(
        DeclaredRequirement(requirement=Requirement(text), location=Location(path="r.txt", line=line), text=text)
        for line, text in enumerate(texts, 1)
    )


@pytest.mark.parametrize(
    ("marker", "extras", "expected"),
    [
        ("extra == 'gpu'", {"gpu"}, True),
        ("extra == 'gpu'", set(), False),
        ("extra == 'GPU_all'", {"gpu-all", "other"}, True),
        ("extra != 'gpu'", {"other"}, True),
        ("extra != 'gpu'", {"gpu", "other"}, False),
        ("extra == 'a' and extra == 'b'", {"a", "b"}, True),
        ("extra == 'a' or sys_platform == 'win32'", set(), False),
        ("sys_platform == 'linux' and python_version < '3.12'", set(), True),
        ('python_full_version >= "3.11" and extra == "x"', {"x"}, True),
    ],
)
def test_a_marker_holds_for_a_set_of_extras(marker: str, extras: set[str], *, expected: bool) -> None:
    assert holds(Marker(marker), LINUX, frozenset(extras)) is expected


def test_no_marker_always_holds() -> None:
    assert holds(None, LINUX)


def test_a_chain_leads_from_the_declaration_to_the_package() -> None:
    lock = a_lock(chatchain=["tokenkit<0.20,>=0.19.1", "numlib"], tokenkit=[], numlib=[])
    (found,) = chains(lock, declared("chatchain==0.3.0", "numlib<2"), NormalizedName("tokenkit"))
    assert found[0].location.line == 1
    assert found[1] == ("chatchain==0.3.0", "tokenkit<0.20,>=0.19.1")


def test_what_is_declared_is_its_own_chain_and_the_shortest_wins() -> None:
    lock = a_lock(a=["b", "c"], b=["target>=1"], c=["b"], target=[])
    found = chains(lock, declared("a", "target==1", "c[x]>0"), NormalizedName("target"))
    assert [chain for _, chain in found] == [("a", "b", "target>=1"), ("target==1",), ("c[x]>0", "b", "target>=1")]


def test_extras_and_markers_decide_which_edges_count() -> None:
    lock = a_lock(
        formers=["audiolib<2 ; extra == 'speech'", "winshell ; sys_platform == 'win32'"], audiolib=[], winshell=[]
    )
    assert chains(lock, declared("formers"), NormalizedName("audiolib")) == ()
    assert chains(lock, declared("formers[speech]"), NormalizedName("winshell")) == ()
    ((_, chain),) = chains(lock, declared("formers[Speech] ; python_version > '3'"), NormalizedName("audiolib"))
    assert chain == ("formers[Speech]", "audiolib<2")
    assert chains(lock, declared("audiolib ; python_version < '3'"), NormalizedName("audiolib")) == ()


def test_circles_and_unknown_requirements_end() -> None:
    lock = a_lock(a=["b"], b=["a"])
    assert chains(lock, declared("a", "nobody"), NormalizedName("target")) == ()
    bare = Lock(
        project="p",
        environment=LINUX,
        pins=(Pin(name=NormalizedName("a"), version=Version("1"), file=None),),
    )
    assert chains(bare, declared("a"), NormalizedName("target")) == ()
