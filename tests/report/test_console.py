from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from depdoctor.model.finding import Cause, Confidence, Diagnosis, Evidence, Finding, Kind, Severity
from depdoctor.model.inventory import Entry, Inventory
from depdoctor.model.lock import DeclaredOnly, Unknown, Why
from depdoctor.model.project import Location, Project
from depdoctor.model.reading import Reading
from depdoctor.model.target import Environment, Platform, Target
from depdoctor.report import console

HERE = Environment(python="3.11", platform=Platform(system="linux", machine="x86_64"))


def printed(*findings: Finding, remarks: Sequence[str] = (), width: int = 100) -> list[str]:
    out = StringIO()
    terminal = Console(file=out, width=width, highlight=False)
    console.findings(terminal, Diagnosis(findings=findings, rules_run=(), remarks=tuple(remarks)))
    return out.getvalue().splitlines()


def scanned(reasons: dict[str, str], *findings: Finding, width: int = 80) -> list[str]:
    """A scan of projects that are known only by what they declare, each for a reason."""
    entries = tuple(
        Entry(
            reading=Reading(project=Project(name=name, root=name, manifests=()), manifests=()),
            outcomes=(
                DeclaredOnly(project=name, environment=HERE, reason=Unknown(why=Why.UNREACHABLE, detail=reason)),
            ),
        )
        for name, reason in reasons.items()
    )
    inventory = Inventory(
        root="fleet",
        entries=entries,
        targets=(Target(name="here", platform=HERE.platform),),
        index_date=datetime(2026, 11, 22, tzinfo=UTC),
        incomplete=tuple(f"{name}: {reason}" for name, reason in reasons.items()),
    )
    out = StringIO()
    terminal = Console(file=out, width=width, highlight=False)
    console.scan(terminal, inventory, Diagnosis(findings=findings, rules_run=()), 1.0)
    return out.getvalue().splitlines()


def conflict(*causes: Cause, severity: Severity = Severity.ERROR, **more: Any) -> Finding:
    return Finding(
        **{
            "kind": Kind.VERSION_CONFLICT,
            "severity": severity,
            "subject": "tokenizers",
            "message": "no version of tokenizers serves all",
            "causes": causes,
            **more,
        }
    )


def note(kind: Kind, subject: str, message: str, line: int = 1) -> Finding:
    location = Location(path=f"{subject}/requirements.txt", line=line)
    cause = Cause(project=subject, location=location, requirement=subject)
    return Finding(kind=kind, severity=Severity.NOTE, subject=subject, message=message, causes=(cause,))


def cause(project: str, *chain: str, line: int = 1, path: str = "requirements.txt") -> Cause:
    return Cause(
        project=project, location=Location(path=f"{project}/{path}", line=line), requirement=chain[0], chain=chain
    )


WORDS = st.text("abc` <>=.1 ", min_size=1, max_size=700)


@settings(deadline=None)
@given(message=WORDS, hint=WORDS, fact=WORDS, chains=st.lists(st.lists(WORDS, min_size=1, max_size=4), max_size=9))
def test_a_conflict_fits_in_twelve_lines(message: str, hint: str, fact: str, chains: list[list[str]]) -> None:
    evidence = Evidence(fact=fact, source="uv", date="2026-11-22", confidence=Confidence.PRIMARY)
    causes = [cause(f"p{number}", *chain) for number, chain in enumerate(chains)]
    lines = printed(conflict(*causes, message=message, hint=hint, evidence=(evidence,)))
    assert len(lines) <= 12 + 1
    assert all(len(line) <= 100 for line in lines)


def test_a_conflict_tells_places_chains_and_the_fix() -> None:
    lines = printed(
        conflict(
            cause("evaluate", "vllm==0.6.4.post1", "transformers>=4.45.2", "tokenizers>=0.20"),
            cause("rag", "langchain-upstage==0.3.0", "tokenizers<0.20"),
            hint="rag/requirements.txt:1 `langchain-upstage==0.3.0` -> `langchain-upstage==0.4.0`; resolves",
        )
    )
    assert lines == [
        "✖ error DD101 version-conflict tokenizers",
        "  no version of tokenizers serves all",
        "    evaluate/requirements.txt:1  vllm==0.6.4.post1 → transformers>=4.45.2 → tokenizers>=0.20",
        "    rag/requirements.txt:1  langchain-upstage==0.3.0 → tokenizers<0.20",
        "  fix: rag/requirements.txt:1 `langchain-upstage==0.3.0` -> `langchain-upstage==0.4.0`; resolves",
        "",
    ]


def test_the_same_line_in_many_projects_is_told_once() -> None:
    lines = printed(conflict(*(cause(f"p{number:02}", "numpy<2") for number in range(40)), cause("q", "numpy>=2")))
    assert lines[2:4] == ["    p00/requirements.txt:1 and 39 more  numpy<2", "    q/requirements.txt:1  numpy>=2"]


def test_chains_that_do_not_fit_are_counted() -> None:
    lines = printed(conflict(*(cause("p", f"a{number}", line=number) for number in range(1, 30))))
    assert len(lines) == 13
    assert lines[-2].strip() == "and 20 more"


def test_the_fewest_environments_follow_the_table() -> None:
    crossing = conflict(cause("a", "numpy<2"), cause("b", "numpy>=2"), severity=Severity.WARNING, subject="numpy")
    lines = printed(crossing, remarks=["fewest environments: 2 - [a], [b]; a and b are kept apart by numpy"])
    table = next(number for number, line in enumerate(lines) if "b/requirements.txt:1" in line)
    assert lines[table + 1 :] == [
        "",
        "  fewest environments: 2 - [a], [b]; a and b are kept apart by numpy",
        "",
    ]


@pytest.mark.parametrize("width", [80, 100])
def test_notes_of_one_package_are_one_and_all_stay_within_twelve_lines(width: int) -> None:
    moving = [
        note(Kind.MUTABLE_SOURCE, "transformers", f"transformers comes from a branch, which can move: `git+{number}`")
        for number in range(3)
    ]
    lines = printed(*moving, width=width)
    assert lines[0].startswith("· DD512 transformers (and 2 more): ")
    assert lines[0].endswith("transformers/requirements.txt:1") or lines[1].endswith("transformers/requirements.txt:1")
    others = [note(Kind.SYSTEM_LIBRARY, f"package-{number}", f"needs lib{number}.so " * 9) for number in range(20)]
    lines = printed(*moving, *others, width=width)
    assert len(lines) == 12 + 1
    assert lines[-2] == "· and 10 more kinds of notes (--format json lists them all)"


def test_an_index_out_of_reach_is_one_short_sentence() -> None:
    reasons = {
        name: f"Request failed after 3 retries in 6.{name}s cause: Failed to fetch: https://u:p@index.example/{name}/ "
        f"cause: error sending request for url (https://index.example/{name}/) cause: client error (Connect) "
        "cause: tcp connect error cause: Connection refused (os error 111)"
        for name in "123"
    }
    notes = [
        Finding(
            kind=Kind.INDEX_MISSING,
            severity=Severity.NOTE,
            subject=name,
            message=f"known only by what it declares: {reason}",
        )
        for name, reason in reasons.items()
    ]
    lines = scanned(reasons, *notes)
    assert "  · 1, 2 and 1 more: index.example cannot be reached: Connection refused" in lines
    assert not [line for line in lines if "os error" in line or "DD115" in line or "u:p" in line]
    assert lines[-1].startswith("3 projects, index as of 2026-11-22: 0 errors, 0 warnings, 3 notes")


def test_conclusions_of_a_resolver_are_left_out() -> None:
    reason = "Because a==1 has no usable wheels and you require a==1, we can conclude that your requirements are ..."
    assert "  · one: a==1 has no usable wheels and you require a==1" in scanned({"one": reason})


def test_many_reasons_are_counted() -> None:
    lines = scanned({f"p{number}": f"reason {number}" for number in range(15)})
    assert "  · and 3 more reasons (--format json lists them all)" in lines


def test_no_colour_where_none_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    out = StringIO()
    terminal = Console(file=out, width=80, force_terminal=True)
    found = conflict(cause("a", "numpy<2"), hint="loosen it")
    console.findings(terminal, Diagnosis(findings=(found,), rules_run=()))
    assert "\x1b[31m" not in out.getvalue()
    assert "\x1b[1;31m" not in out.getvalue()
    assert "✖ error" in out.getvalue()


@pytest.mark.parametrize("width", [80, 120, 200])
def test_many_findings_are_told_in_a_screen_first(width: int) -> None:
    found = [conflict(cause("p", f"x{number}"), subject=f"package-{number}") for number in range(20)]
    lines = scanned({}, *found, width=width)
    assert [line.split()[2] for line in lines[:12]] == [f"package-{number}" for number in range(12)]
    assert lines[12:14] == ["· and 8 more; all of them below, worst first", ""]
    assert sum(line.startswith("✖ error DD101") for line in lines) == 20
    assert all(len(line) <= width for line in lines)


def test_few_findings_are_told_at_once() -> None:
    assert scanned({}, conflict(cause("p", "x")))[0] == "✖ error DD101 version-conflict tokenizers"


def test_of_many_projects_those_without_trouble_are_counted() -> None:
    lines = scanned({f"p{number:02}": "not reached" for number in range(25)})
    assert "25 declared-only (`depdoctor scan --list` names them all)" in lines
    assert not any(line.startswith("p24") for line in lines)


def test_a_project_is_named_once_for_several_environments() -> None:
    out = StringIO()
    console._unknown(Console(file=out, width=100), ("p: not reached", "p: not reached", "q: not reached"))
    assert out.getvalue() == "  · p, q: not reached\n"
