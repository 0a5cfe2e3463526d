"""The JSON of conflicts: each minimal set with the ways out that were tried, and the fewest environments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from depdoctor.model.conflict import Conflict, Fix, Grouping
    from depdoctor.model.finding import Cause


def cause(one: Cause) -> dict[str, Any]:
    """Turn one cause into its JSON object."""
    return {
        "project": one.project,
        "path": one.location.path,
        "line": one.location.line or None,
        "requirement": one.requirement,
        "chain": list(one.chain),
    }


def conflict(one: Conflict) -> dict[str, Any]:
    """Turn one minimal set into its JSON object."""
    return {
        "subject": one.subject,
        "projects": list(one.projects),
        "causes": [cause(each) for each in one.causes],
        "environment": str(one.environment),
        "fixes": [_fix(each) for each in one.fixes],
    }


def grouping(one: Grouping) -> dict[str, Any]:
    """Turn the fewest environments into their JSON object."""
    return {
        "environment": str(one.environment),
        "groups": [list(group) for group in one.groups],
        "apart": [
            {
                "groups": [each.one, each.other],
                "subject": each.conflict.subject,
                "causes": [cause(some) for some in each.conflict.causes],
            }
            for each in one.apart
        ],
    }


def _fix(one: Fix) -> dict[str, Any]:
    return {
        "package": one.name,
        "selects": str(one.selects),
        "edits": [
            {
                "project": edit.project,
                "path": edit.location.path,
                "line": edit.location.line or None,
                "before": edit.before,
                "after": edit.after,
            }
            for edit in one.edits
        ],
    }
