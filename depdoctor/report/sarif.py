"""SARIF 2.1.0 (OASIS), as code scanning services read it: a result for each finding, on the very lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from depdoctor import __version__
from depdoctor.model.finding import Diagnosis, Finding, Severity, default_severity
from depdoctor.model.project import Location
from depdoctor.report.explained import Explained, chain, told, within

VERSION = "2.1.0"
SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
ROOT = "ROOT"
"""The name of what addresses are relative to: the root of the repository."""

_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/")
"""What stands as it is in an address (RFC 3986, section 2.3), and what parts folders."""

LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}


def scan(diagnosis: Diagnosis, incomplete: Sequence[str], rules: Iterable[Explained], *, prefix: str = "") -> str:
    """Turn findings into a log of one run. What could not be known becomes notifications of the tool.

    `prefix` leads from the root of the repository to the folder that was scanned, "" where they are one.
    """
    run = sorted(rules, key=lambda rule: rule.code)
    places = {rule.code: number for number, rule in enumerate(run)}
    driver = {"name": "depdoctor", "semanticVersion": __version__, "rules": [_rule(one) for one in run]}
    document = {
        "$schema": SCHEMA,
        "version": VERSION,
        "runs": [
            {
                "tool": {"driver": driver},
                "columnKind": "unicodeCodePoints",
                "originalUriBaseIds": {ROOT: {"description": {"text": "The root of the repository."}}},
                "invocations": [
                    {
                        "executionSuccessful": True,
                        "toolExecutionNotifications": [
                            {"level": "note", "message": {"text": line}} for line in incomplete
                        ],
                    }
                ],
                "results": [_result(one, places, prefix) for one in diagnosis.findings],
            }
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _rule(rule: Explained) -> dict[str, Any]:
    return {
        "id": rule.code,
        "name": "".join(word.capitalize() for word in rule.kind.value.split("-")),
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": " ".join(rule.text.split())},
        "help": {"text": rule.text.strip()},
        "defaultConfiguration": {"level": LEVELS[default_severity(rule.kind)]},
        "properties": {"tags": ["dependencies", rule.kind.value]},
    }


def _result(one: Finding, places: Mapping[str, int], prefix: str) -> dict[str, Any]:
    located = [cause for cause in one.causes if cause.location.path]
    result: dict[str, Any] = {
        "ruleId": one.code,
        "level": LEVELS[one.severity],
        "message": {"text": told(one)},
        "locations": [_place(first.location, prefix) for first in located[:1]],
        "relatedLocations": [
            {**_place(cause.location, prefix), "message": {"text": " → ".join(chain(cause))}} for cause in located
        ],
        "partialFingerprints": {"finding/v1": _fingerprint(one)},
        "properties": {"subject": one.subject, "packages": list(one.packages), "projects": list(one.projects)},
    }
    if one.code in places:
        result["ruleIndex"] = places[one.code]
    return result


def _place(location: Location, prefix: str) -> dict[str, Any]:
    name = within(prefix, location.path).encode("utf-8", "surrogateescape")
    address = "".join(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in name)
    place: dict[str, Any] = {"artifactLocation": {"uri": address, "uriBaseId": ROOT}}
    if location.line:
        place["region"] = {"startLine": location.line}
    return {"physicalLocation": place}


def _fingerprint(one: Finding) -> str:
    """What stays the same when lines move: services tell by it whether a result is new."""
    parts = [one.code, one.subject, *one.projects, *sorted({cause.requirement for cause in one.causes})]
    return sha256(json.dumps(parts).encode()).hexdigest()
