"""Words conflicts and runs the rules: an inventory, conflicts and facts go in, a diagnosis comes out. Pure.

A file holds a family of rules; `RULES` lists all of them. Findings that say the same of several projects, environments
or shared environments are folded into one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from depdoctor.diagnose import (
    abi,
    arch,
    clobber,
    code,
    conflicts,
    cudnn,
    drift,
    driver,
    environments,
    errors,
    frameworks,
    images,
    libc,
    lock_drift,
    lockstep,
    manifests,
    names,
    python,
    resolution,
    size,
    system,
)
from depdoctor.diagnose.conflicts import remarks
from depdoctor.diagnose.rule import Context, Rule
from depdoctor.model.conflict import Conflicts
from depdoctor.model.finding import Cause, Diagnosis, Finding, worst_first
from depdoctor.model.inventory import Inventory
from depdoctor.rules import Rules

if TYPE_CHECKING:
    from depdoctor.model.plan import Plan

__all__ = ["RULES", "Context", "Rule", "diagnose"]

RULES: tuple[Rule, ...] = (
    conflicts.BETWEEN,
    conflicts.INSIDE,
    drift.RULE,
    lock_drift.RULE,
    lockstep.RULE,
    *resolution.RULES,
    *errors.RULES,
    driver.RULE,
    cudnn.RULE,
    frameworks.RULE,
    arch.RULE,
    clobber.RULE,
    abi.RULE,
    *environments.RULES,
    python.RULE,
    libc.RULE,
    *system.RULES,
    images.RULE,
    *manifests.RULES,
    *code.RULES,
    names.RULE,
    size.RULE,
)
"""Every rule, by family."""


def diagnose(inventory: Inventory, conflicts: Conflicts, rules: Rules, plan: Plan | None = None) -> Diagnosis:
    """Run every rule. `plan` is the committed plan; conflicts that it keeps apart are notes. Never raises."""
    context = Context(inventory=inventory, conflicts=conflicts, rules=rules, plan=plan)
    found = (finding for rule in RULES for finding in rule.check(context))
    return Diagnosis(
        findings=worst_first(tuple(_folded(found))),
        rules_run=tuple(sorted({rule.code for rule in RULES})),
        remarks=tuple(remarks(context)),
    )


def _folded(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Findings that differ only in whom they concern, as one."""
    groups: dict[tuple[object, ...], list[Finding]] = {}
    for finding in findings:
        key = (finding.kind, finding.severity, finding.subject, finding.message, finding.packages, finding.hint)
        groups.setdefault(key, []).append(finding)
    for group in groups.values():
        causes: dict[Cause, None] = {}
        for finding in group:
            causes.update(dict.fromkeys(finding.causes))
        yield replace(
            group[0],
            projects=tuple(sorted({project for finding in group for project in finding.projects})),
            causes=tuple(sorted(causes)),
            evidence=tuple(dict.fromkeys(fact for finding in group for fact in finding.evidence)),
            conflicts=tuple(each for finding in group for each in finding.conflicts),
        )
