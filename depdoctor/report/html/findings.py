"""Findings with their evidence, the projects, and what could not be known."""

from __future__ import annotations

from collections.abc import Sequence

from depdoctor.model.finding import Diagnosis, Evidence, Finding, Outcome, Severity, State
from depdoctor.model.inventory import Inventory
from depdoctor.report.amounts import many, size
from depdoctor.report.console import MARKS
from depdoctor.report.explained import chain
from depdoctor.report.html.elements import Markup, joined, path, phrase, scrolling, tag
from depdoctor.report.outcomes import STATES as TARGET_STATES

STATES = tuple(str(severity) for severity in sorted(Severity, reverse=True))
"""The severities, worst first, as the page filters by them."""

CLASSES = {State.FAILS: "no", State.MAY_FAIL: "other", State.RUNS: "yes", State.UNKNOWN: "dunno"}

MOST_CAUSES = 40


def findings(diagnosis: Diagnosis) -> Markup:
    """Every finding, worst first, its detail to unfold; errors stand open."""
    if not diagnosis.findings:
        return tag("p", f"Nothing was found; {many(len(diagnosis.rules_run), 'rule')} ran.")
    remarks = tag("ul", [tag("li", phrase(remark)) for remark in diagnosis.remarks]) if diagnosis.remarks else ""
    return joined([[_finding(one) for one in diagnosis.findings], remarks])


def _finding(one: Finding) -> Markup:
    name = str(one.severity)
    summary = tag(
        "summary",
        tag("span", f"{MARKS[one.severity]} {name}", class_=f"severity {name}"),
        " ",
        tag("b", one.subject),
        " ",
        tag("span", f"{one.code} {one.public_kind}", class_="dim"),
        tag("span", phrase(one.message), class_="message"),
    )
    causes = [
        tag("li", tag("code", path(str(cause.location)), class_="place"), " ", tag("span", " → ".join(chain(cause))))
        for cause in one.causes[:MOST_CAUSES]
    ]
    if len(one.causes) > MOST_CAUSES:
        causes.append(tag("li", f"and {len(one.causes) - MOST_CAUSES} more"))
    parts: list[Markup] = [_outcomes(one.outcomes)] if one.outcomes else []
    if causes:
        parts.append(tag("ul", causes, class_="causes"))
    if one.evidence:
        parts.append(tag("ul", [tag("li", _fact(fact)) for fact in one.evidence], class_="evidence"))
    if one.hint:
        parts.append(tag("p", tag("b", "Fix: "), phrase(one.hint), class_="fix"))
    if one.projects:
        parts.append(tag("p", f"{many(len(one.projects), 'project')}: {', '.join(one.projects)}", class_="dim"))
    return tag("details", summary, parts, class_="finding", data_state=name, open=one.severity is Severity.ERROR)


def _outcomes(outcomes: Sequence[Outcome]) -> Markup:
    """What becomes of it target by target."""
    rows = [
        tag(
            "tr",
            tag("th", each.target, scope="row"),
            tag("td", each.machine, class_="dim"),
            tag("td", f"{TARGET_STATES[each.state][0]} ", phrase(each.effect), class_=CLASSES[each.state]),
        )
        for each in outcomes
    ]
    return tag("table", tag("tbody", rows), class_="list outcomes")


def _fact(fact: Evidence) -> Markup:
    return joined(
        ["because ", phrase(fact.fact), tag("span", f" ({fact.source}, {fact.date}, {fact.confidence})", class_="dim")]
    )


def projects(inventory: Inventory) -> Markup:
    """What was found out of each project."""
    rows = []
    for entry in inventory.entries:
        locks = entry.locks
        python = entry.outcomes[0].environment.python if entry.outcomes else entry.reading.python
        rows.append(
            tag(
                "tr",
                tag("th", path(entry.project.name), scope="row"),
                tag("td", python),
                tag("td", entry.status),
                tag("td", str(max(len(lock.pins) for lock in locks)) if locks else "", class_="number"),
                tag(
                    "td",
                    size(max(sum(pin.download_bytes for pin in lock.pins) for lock in locks)) if locks else "",
                    class_="number",
                ),
            )
        )
    if not rows:
        return tag("p", "No project was found: a project is a folder with a requirements file or a pyproject.toml.")
    heads = [tag("th", name, scope="col") for name in ("project", "Python", "state", "packages", "download")]
    table = tag("table", tag("thead", tag("tr", heads)), tag("tbody", rows), class_="list", data_filter=True)
    return scrolling("Projects", table)


def unknown(inventory: Inventory) -> Markup:
    """What could not be known, and why."""
    return tag("ul", [tag("li", phrase(line)) for line in inventory.incomplete]) if inventory.incomplete else Markup()
