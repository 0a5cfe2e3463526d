"""What must hold of all rules on all their cases: a newer driver only heals, and what is unknown blames nobody."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from depdoctor import rules
from depdoctor.diagnose import diagnose
from depdoctor.model.conflict import Conflicts
from depdoctor.model.finding import Finding, Kind, Severity
from depdoctor.model.inventory import Inventory
from depdoctor.model.target import Gpu
from depdoctor.rules import Rules

CASES = sorted((Path(__file__).parent / "cases").glob("*.toml"))

DRIVERS = tuple(
    map(Version, ("418.40.04", "450.80.02", "470.256.02", "525.60.13", "550.54.15", "580.65.06", "610.43.02"))
)

GPUS = ("Tesla K80", "Tesla V100", "T4", "A100", "GeForce RTX 3090", "H100", "B200", "a GPU that no table knows")

GENERAL = ("cuda_majors", "architectures", "toolkits", "driver_branches", "forward_compat")
"""Tables that bear on every case with CUDA."""

NAMES = ("package", "library", "leader", "name", "module", "modules")

IDENTITY = {"distributions", "base_images", "base_packages"}
"""What an image is: without it an image is any other, and what it carries to help counts no more."""

Read = Callable[[Mapping[str, Any]], tuple[Inventory, Conflicts]]


@cache
def tables() -> dict[str, tuple[Any, ...]]:
    facts = rules.load()
    return {field.name: getattr(facts, field.name) for field in fields(Rules)}


@cache
def everything() -> Rules:
    return rules.load()


@pytest.fixture(params=CASES, ids=lambda path: path.stem)
def case(request: pytest.FixtureRequest, case_of: Read) -> tuple[Inventory, Conflicts, str]:
    text = request.param.read_text(encoding="utf-8")
    return *case_of(tomllib.loads(text)), text


def found(inventory: Inventory, conflicts: Conflicts, facts: Rules) -> tuple[Finding, ...]:
    return diagnose(inventory, conflicts, facts).findings


def blamed(findings: tuple[Finding, ...], kind: Kind) -> set[tuple[str, str]]:
    """Which packages of which projects are blamed, at whatever severity above a note."""
    return {
        (package, project)
        for one in findings
        if one.kind is kind and one.severity > Severity.NOTE
        for package in one.packages
        for project in one.projects
    }


def errors(findings: tuple[Finding, ...]) -> set[tuple[Kind, str]]:
    """Errors by kind and project, but for what a resolver says by itself: that needs no table."""
    return {
        (one.kind, project)
        for one in findings
        if one.severity is Severity.ERROR and one.kind is not Kind.VERSION_GONE
        for project in one.projects or ("",)
    }


def test_raising_the_driver_never_adds_a_driver_finding(case: tuple[Inventory, Conflicts, str]) -> None:
    inventory, conflicts, _ = case
    facts = everything()
    before: set[tuple[str, str]] | None = None
    for driver in DRIVERS:
        targets = tuple(replace(target, driver=driver, driver_cuda=None) for target in inventory.targets)
        after = blamed(found(replace(inventory, targets=targets), conflicts, facts), Kind.DRIVER_TOO_OLD)
        assert before is None or after <= before, driver
        before = after


def test_adding_a_gpu_never_removes_an_architecture_finding(case: tuple[Inventory, Conflicts, str]) -> None:
    inventory, conflicts, _ = case
    facts = everything()
    before = blamed(found(inventory, conflicts, facts), Kind.GPU_ARCH)
    for name in GPUS:
        more = Gpu(name=name, capability=None)
        targets = tuple(replace(target, gpus=(*target.gpus, more)) for target in inventory.targets)
        after = blamed(found(replace(inventory, targets=targets), conflicts, facts), Kind.GPU_ARCH)
        assert before <= after, name


def test_a_target_without_facts_is_blamed_for_nothing(case: tuple[Inventory, Conflicts, str]) -> None:
    """No rule may speak of drivers and GPUs that nobody declared; other findings stay what they are."""
    inventory, conflicts, _ = case
    bare = tuple(
        replace(target, driver=None, driver_cuda=None, gpus=(), cuda=None, cudnn=None) for target in inventory.targets
    )
    findings = found(replace(inventory, targets=bare), conflicts, everything())
    assert not {Kind.DRIVER_TOO_OLD, Kind.GPU_ARCH} & {one.kind for one in findings}


def rows_that_matter(text: str) -> Iterator[tuple[str, Any]]:
    """The rows of each table that name something in a case, and tables as a whole (None)."""
    words = set(re.findall(r"[a-z0-9][a-z0-9._-]*", text.lower()))
    for stem, rows in tables().items():
        yield stem, None
        for row in rows:
            named = {str(getattr(row, name)).lower() for name in NAMES if hasattr(row, name)}
            bound = stem == "cuda_packages" and any(row.pattern.match(word) for word in words)
            if bound or named & words or stem in GENERAL:
                yield stem, row


def test_a_table_with_a_row_removed_degrades_to_unknown(case: tuple[Inventory, Conflicts, str]) -> None:
    """What no row tells any more is never an error: one of twenty rows, others in every case, and every whole table."""
    inventory, conflicts, text = case
    before = errors(found(inventory, conflicts, everything()))
    for number, (stem, row) in enumerate(rows_that_matter(text)):
        if stem in IDENTITY or (row is not None and (number + len(text)) % 20):
            continue
        left = () if row is None else tuple(one for one in tables()[stem] if one is not row)
        after = errors(found(inventory, conflicts, Rules(**{**tables(), stem: left})))
        assert after <= before, (stem, row)
