from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from universe import Universe, Worlds

from depdoctor.conflict import finder
from depdoctor.model.conflict import Conflicts
from depdoctor.model.lock import Answer, Question, Unknown, Why

NUMPY = {"numpy": {"1.26": [], "2.1": []}, "new": {"1": ["numpy>=2"]}, "old": {"1": ["numpy<2"]}}


def find(
    worlds: Worlds,
    projects: Mapping[str, tuple[str, Sequence[str]]],
    admitted: Mapping[str, Sequence[str]] | None = None,
    shared: Sequence[str] = (),
) -> Conflicts:
    """What is found where each project admits these Pythons, all of the worlds for one that is not named."""

    def pythons(names: Sequence[str]) -> Sequence[str]:
        everywhere = sorted(worlds.by_python, reverse=True)
        return [one for one in everywhere if all(one in (admitted or {}).get(name, everywhere) for name in names)]

    return finder.find(worlds.inventory(projects, shared), worlds, deadline=lambda: False, pythons=pythons)


def same(*pythons: str) -> Worlds:
    return Worlds({python: Universe(releases=dict(NUMPY)) for python in pythons})


def test_lines_that_clash_on_either_python_are_a_conflict() -> None:
    found = find(same("3.10", "3.11"), {"a": ("3.10", ["numpy<2"]), "b": ("3.11", ["new"])})
    [one] = found.conflicts
    assert (one.subject, one.projects) == ("numpy", ("a", "b"))
    assert found.incomplete == ()


def test_who_can_share_on_the_python_of_one_of_them_does_not_clash() -> None:
    worlds = same("3.10", "3.11")
    worlds.by_python["3.11"].releases["new"] = {"2": ["numpy"]}  # type: ignore[index]
    assert find(worlds, {"a": ("3.10", ["numpy<2"]), "b": ("3.11", ["new"])}).conflicts == ()


def test_a_project_that_does_not_resolve_on_the_others_python_is_met_at_home() -> None:
    worlds = same("3.10", "3.11")
    worlds.by_python["3.10"].releases["new"] = {}  # type: ignore[index]
    fleet = {"a": ("3.10", ["old"]), "b": ("3.11", ["new"]), "c": ("3.11", ["old"])}
    [one] = find(worlds, fleet).conflicts
    assert one.projects == ("a", "b", "c")
    assert one.environment.python == "3.11"


def test_projects_without_a_python_in_common_are_no_conflict_of_packages() -> None:
    found = find(
        same("3.10", "3.12"),
        {"a": ("3.10", ["numpy<2"]), "b": ("3.12", ["numpy>=2"])},
        admitted={"a": ["3.10"], "b": ["3.12"]},
    )
    assert (found.conflicts, found.strangers) == ((), (("a", "b"),))


def test_a_third_python_serves_where_neither_takes_the_others() -> None:
    worlds = same("3.10", "3.11", "3.12")
    fleet = {"a": ("3.10", ["numpy<2"]), "b": ("3.12", ["numpy>=2"])}
    [one] = find(worlds, fleet, admitted={"a": ["3.10", "3.11"], "b": ["3.11", "3.12"]}).conflicts
    assert one.environment.python == "3.11"


def test_three_that_are_declared_to_share_are_held_against_each_other() -> None:
    releases: dict[str, dict[str, Sequence[str]]] = {
        "hub": {"1": [], "2": [], "3": []},
        "x": {"1": ["hub<3"]},
        "y": {"1": ["hub>1"]},
        "z": {"1": ["hub!=2"]},
    }
    worlds = Worlds({python: Universe(releases=releases) for python in ("3.10", "3.11")})
    fleet = {"a": ("3.10", ["x"]), "b": ("3.11", ["y"]), "c": ("3.11", ["z"])}
    assert find(worlds, fleet).conflicts == ()
    [one] = find(worlds, fleet, shared=["a", "b", "c"]).conflicts
    assert one.projects == ("a", "b", "c")


@pytest.mark.parametrize("why", [Why.BUDGET, Why.OFFLINE, Why.NOT_UNDERSTOOD])
def test_what_is_not_known_away_from_home_is_no_conflict(why: Why) -> None:
    class Silent(Worlds):
        def ask(self, _: Question) -> Answer:
            return Unknown(why=why, detail="nobody knows")

    found = find(Silent(same("3.10", "3.11").by_python), {"a": ("3.10", ["old"]), "b": ("3.11", ["new"])})
    assert found.conflicts == ()
    assert [line.partition(":")[0] for line in found.incomplete] == ["conflicts of a and b"]


def test_nobody_is_asked_where_all_have_one_python() -> None:
    worlds = same("3.11")
    found = find(worlds, {"a": ("3.11", ["numpy<2"]), "b": ("3.11", ["numpy"])})
    assert (found.conflicts, found.strangers, worlds.asked) == ((), (), [])


def test_a_fix_resolves_on_the_python_where_they_met() -> None:
    worlds = same("3.10", "3.11")
    fleet = {"a": ("3.10", ["numpy<2"]), "b": ("3.11", ["numpy>=2"])}
    entries = worlds.inventory(fleet)
    found = finder.find(
        entries, worlds, deadline=lambda: False, pythons=lambda names: ["3.11", "3.10"] if names else []
    )
    [mended] = finder.with_fixes(found, entries, worlds, deadline=lambda: False).conflicts
    assert {edit.after for fix in mended.fixes for edit in fix.edits} == {"numpy<=2.1", "numpy>=1.26"}
