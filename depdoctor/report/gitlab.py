"""A code quality report of GitLab ("Code Quality report format"): an entry for each line that has a finding."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256

from depdoctor.model.finding import Diagnosis, Finding, Severity
from depdoctor.report.explained import chain, told, within

SEVERITIES = {Severity.ERROR: "critical", Severity.WARNING: "major", Severity.NOTE: "info"}


def scan(diagnosis: Diagnosis, *, prefix: str = "") -> str:
    """Turn findings into a report; GitLab shows an entry beside its line, so that a finding has one for each cause.

    `prefix` leads from the root of the repository to the folder that was scanned, "" where they are one. A finding
    without a place cannot be told there, and is left out. Fingerprints are the same as long as code, subject, file and
    requirement are: a line that moves makes no new entry.
    """
    entries = {
        str(entry["fingerprint"]): entry for one in diagnosis.findings for entry in reversed([*_entries(one, prefix)])
    }
    return json.dumps(list(entries.values()), indent=2, ensure_ascii=False) + "\n"


def _entries(one: Finding, prefix: str) -> Iterator[dict[str, object]]:
    for cause in one.causes:
        if not cause.location.path:
            continue
        path = within(prefix, cause.location.path)
        sign = "\0".join((one.code, one.subject, path, cause.requirement))
        places = " → ".join(chain(cause))
        yield {
            "description": "\n".join(filter(None, (told(one), places))),
            "check_name": one.code,
            "fingerprint": sha256(sign.encode()).hexdigest(),
            "severity": SEVERITIES[one.severity],
            "location": {"path": path, "lines": {"begin": max(cause.location.line or 1, 1)}},
        }
