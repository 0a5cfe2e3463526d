"""What a diagnosis says of all conflicts together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from depdoctor.model.finding import Diagnosis

Diagnosed = Callable[[Mapping[str, Any]], Diagnosis]


def case(*groups: list[str], extra: tuple[str, ...] = ()) -> dict[str, Any]:
    names = [*(name for group in groups for name in group), *extra]
    causes = [
        {"project": groups[0][0], "line": 1, "chain": ["numpy<2"]},
        {"project": groups[-1][0], "line": 1, "chain": ["numpy>=2"]},
    ]
    return {
        "project": [{"name": name, "requirements": ["numpy"], "pins": ["numpy==2.0"]} for name in names],
        "conflict": [{"subject": "numpy", "causes": causes}],
        "grouping": [{"groups": groups, "apart": [{"one": 0, "other": len(groups) - 1, "conflict": 0}]}],
    }


def test_the_fewest_environments_and_why_they_are_not_fewer(diagnosed: Diagnosed) -> None:
    [remark] = diagnosed(case(["a", "b"], ["c"])).remarks
    assert remark == "fewest environments: 2 - [a, b], [c]; a and c are kept apart by numpy"


def test_projects_that_could_not_be_compared_are_counted(diagnosed: Diagnosed) -> None:
    [remark] = diagnosed(case(["a"], ["b"], extra=("c", "d"))).remarks
    assert remark.startswith("fewest environments for 2 of 4 projects: 2 - [a], [b]")


def test_large_groups_are_cut(diagnosed: Diagnosed) -> None:
    [remark] = diagnosed(case([f"p{number}" for number in range(9)], ["q"])).remarks
    assert "[p0, p1, p2, p3, p4, p5 and 3 more], [q]" in remark


def test_each_environment_is_told_by_name_where_there_are_several(diagnosed: Diagnosed) -> None:
    several = case(["a"], ["b"])
    several["grouping"] *= 2
    assert [remark.partition(":")[0] for remark in diagnosed(several).remarks] == [
        "fewest environments for Python 3.11 on linux-x86_64-glibc2.36"
    ] * 2


@pytest.mark.parametrize("groupings", [[], [{"groups": [["a", "c"]]}]])
def test_nothing_is_said_where_nothing_is_kept_apart(diagnosed: Diagnosed, groupings: list[Any]) -> None:
    assert diagnosed(case(["a"], ["c"]) | {"grouping": groupings}).remarks == ()
