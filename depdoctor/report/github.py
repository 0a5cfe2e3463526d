"""Annotations of GitHub Actions: workflow commands, one a line, that the runner shows beside the lines of a change."""

from __future__ import annotations

from collections.abc import Sequence

from depdoctor.model.finding import Diagnosis, Finding, Severity
from depdoctor.report.explained import chain, told, within

COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}

MOST_PLACES = 8
"""Places of one finding that its text names; it stands at the first of them."""


def scan(diagnosis: Diagnosis, incomplete: Sequence[str], *, prefix: str = "") -> str:
    """Turn findings into annotations, worst first: the runner shows but the first ten of each severity.

    `prefix` leads from the root of the repository to the folder that was scanned, "" where they are one.
    """
    lines = [_annotation(one, prefix) for one in diagnosis.findings]
    lines += [f"::debug::{_data(line)}" for line in incomplete]
    return "".join(f"{line}\n" for line in lines)


def _annotation(one: Finding, prefix: str) -> str:
    located = [cause for cause in one.causes if cause.location.path]
    properties = {"title": f"{one.code} {one.public_kind}: {one.subject}"}
    if located:
        first = located[0].location
        properties["file"] = within(prefix, first.path)
        if first.line:
            properties["line"] = str(first.line)
    places = [f"{cause.location}  {' → '.join(chain(cause))}" for cause in located]
    if len(places) > MOST_PLACES:
        places[MOST_PLACES:] = [f"and {len(places) - MOST_PLACES} more"]
    stated = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{COMMANDS[one.severity]} {stated}::{_data(chr(10).join([told(one), *places]))}"


def _data(text: str) -> str:
    """A message in which nothing ends the line (workflow commands: percent-encoding of %, CR and LF)."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
