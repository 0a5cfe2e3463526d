"""Every rule against its case files: what must fire fires, naming what it must, and what must be silent is."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from depdoctor.diagnose import RULES
from depdoctor.model.finding import Diagnosis, Finding

CASES = sorted((Path(__file__).parent / "cases").glob("*.toml"))


def read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path, diagnosed: Callable[[Mapping[str, Any]], Diagnosis]) -> None:
    case = read(path)
    expect = case.get("expect", {})
    diagnosis = diagnosed(case)
    found = [finding for finding in diagnosis.findings if finding.code == case["code"]]
    told = [f"{finding.code} {finding.severity} {finding.subject}: {finding.message}" for finding in diagnosis.findings]
    assert case["code"] in diagnosis.rules_run
    if not case["fires"]:
        assert not found, told
        return
    assert len(found) == expect.get("count", 1), told
    check(found[0], expect)


def check(finding: Finding, expect: Mapping[str, Any]) -> None:
    assert str(finding.severity) == expect["severity"]
    assert finding.subject == expect["subject"]
    if "packages" in expect:
        assert list(finding.packages) == expect["packages"]
    if "projects" in expect:
        assert list(finding.projects) == expect["projects"]
    if "causes" in expect:
        assert [f"{cause.location} {' > '.join(cause.chain)}" for cause in finding.causes] == expect["causes"]
    if "outcomes" in expect:
        assert [f"{one.target} ({one.machine}) {one.state}: {one.effect}" for one in finding.outcomes] == expect[
            "outcomes"
        ]
    for words in expect.get("message", ()):
        assert words in finding.message
    for words in expect.get("hint", ()):
        assert words in finding.hint
    if finding.outcomes:
        assert set(finding.targets) == {one.target for one in finding.outcomes if one.state in {"fails", "may-fail"}}
    assert not finding.message.endswith(".")
    for fact in finding.evidence:
        assert fact.source
        assert fact.date


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
@pytest.mark.parametrize("fires", [True, False], ids=["fires", "silent"])
def test_every_rule_has_cases(rule: Any, fires: bool) -> None:
    assert any(case["code"] == rule.code and case["fires"] is fires for case in map(read, CASES))


def test_every_rule_is_explained() -> None:
    codes = [rule.code for rule in RULES]
    assert len(codes) == len(set(codes))
    for rule in RULES:
        assert rule.title
        assert not rule.title.endswith(".")
        assert len(rule.text) > 100


def test_no_case_is_twice() -> None:
    stories = [read(path)["story"] for path in CASES]
    assert len(stories) == len(set(stories))
