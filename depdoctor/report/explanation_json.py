"""Answers to `explain` and `whatif`, as programs read them."""

from __future__ import annotations

from collections.abc import Sequence
from json import dumps
from typing import Any

from depdoctor.model.explanation import Consequence, Contents, History, Move, Pair, Wanted, WhatIf
from depdoctor.model.finding import Diagnosis
from depdoctor.model.lock import DeclaredOnly, Lock, LockOutcome, Unresolvable
from depdoctor.report.conflict_json import cause
from depdoctor.report.json import SCHEMA_VERSION, finding


def wanted(found: Wanted) -> str:
    """Who wants a package."""
    return _text(
        {
            "package": found.name,
            "wants": [
                {
                    "project": want.project,
                    "environment": str(want.environment),
                    "version": str(want.version) if want.version else None,
                    "published": want.published.isoformat() if want.published else None,
                    "causes": [cause(each) for each in want.causes],
                }
                for want in found.wants
            ],
            "without": list(found.without),
            "unknown": list(found.unknown),
        }
    )


def contents(found: Contents) -> str:
    """What an image holds, and what each package is for."""
    return _text(
        {
            "image": found.image,
            "project": found.project,
            "base": found.base,
            "packages": [
                {
                    "package": one.package,
                    "version": str(one.version),
                    "bytes": one.size_bytes,
                    "other_images": one.others,
                    "causes": [cause(each) for each in one.causes],
                }
                for one in found.purposes
            ],
        }
    )


def pair(found: Pair) -> str:
    """Whether two projects can share an environment."""
    return _text(
        {
            "projects": list(found.projects),
            "together": [_outcome(one) for one in found.together],
            "moves": {name: [_move(move) for move in moves] for name, moves in found.moves},
            "findings": _findings(found.diagnosis),
        }
    )


def history(found: History) -> str:
    """How a project stands, and since when."""
    return _text(_history(found))


def whatif(changes: str, found: WhatIf, histories: Sequence[History]) -> str:
    """What a change would do."""
    return _text(
        {
            "supposed": changes,
            "changed": list(found.changed),
            "held": list(found.held),
            "consequences": [_consequence(one) for one in found.consequences],
            "findings": _findings(found.diagnosis),
            "histories": [_history(one) for one in histories],
        }
    )


def _history(found: History) -> dict[str, Any]:
    return {
        "project": found.project,
        "since": found.since.isoformat(),
        "moves": [_move(move) for move in found.moves],
        "breaks": [
            {
                "code": one.what[0],
                "subject": one.what[1],
                "moment": one.moment.isoformat(),
                "moves": [_move(move) for move in one.releases],
            }
            for one in found.breaks
        ],
        "before": [{"code": code, "subject": subject} for code, subject in found.before],
        "unknown": found.unknown or None,
        "findings": _findings(found.diagnosis),
        "demands": [
            {
                "what": one.what,
                "least": one.least,
                "package": one.package,
                "evidence": {
                    "fact": one.evidence.fact,
                    "source": one.evidence.source,
                    "date": one.evidence.date,
                    "confidence": str(one.evidence.confidence),
                },
            }
            for one in found.demands
        ],
    }


def _consequence(one: Consequence) -> dict[str, Any]:
    return {
        "project": one.project,
        "breaks": isinstance(one.after, Unresolvable) and not isinstance(one.before, Unresolvable),
        "before": _outcome(one.before),
        "after": _outcome(one.after),
        "moves": [_move(move) for move in one.moves],
    }


def _outcome(outcome: LockOutcome) -> dict[str, Any]:
    described: dict[str, Any] = {"environment": str(outcome.environment), "resolves": None, "reason": None}
    if isinstance(outcome, Lock):
        described["resolves"] = True
        described["packages"] = {pin.name: str(pin.version) for pin in outcome.pins}
        described["download_bytes"] = sum(pin.download_bytes for pin in outcome.pins)
    elif isinstance(outcome, Unresolvable):
        described |= {"resolves": False, "reason": outcome.reason.message}
    elif isinstance(outcome, DeclaredOnly):
        described["reason"] = outcome.reason.detail
    return described


def _move(move: Move) -> dict[str, Any]:
    return {
        "package": move.name,
        "from": str(move.before) if move.before else None,
        "to": str(move.after) if move.after else None,
        "published": move.published.isoformat() if move.published else None,
    }


def _findings(diagnosis: Diagnosis) -> list[dict[str, Any]]:
    return [finding(one) for one in diagnosis.findings]


def _text(document: dict[str, Any]) -> str:
    return dumps({"schema_version": SCHEMA_VERSION, **document}, indent=2, ensure_ascii=False) + "\n"
