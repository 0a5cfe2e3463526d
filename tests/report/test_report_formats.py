from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator, Draft202012Validator

from depdoctor import cli
from depdoctor.diagnose import RULES
from depdoctor.model.finding import CODES, Cause, Confidence, Diagnosis, Evidence, Finding, Kind, Severity
from depdoctor.model.project import Location
from depdoctor.report import github, markdown, sarif
from depdoctor.report.json import finding as finding_json

DATA = Path(__file__).parent / "data"
FORMATS = ("sarif", "github", "gitlab", "markdown")

SCHEMA = Draft4Validator(json.loads((DATA / "sarif-2.1.0.json").read_text(encoding="utf-8")))
"""The schema of the standard, without its descriptions."""

MANIFEST = """\
# what serves
numlib==1.0

numlib==2.0  # the other one
--index-url https://user:hunter2@index.example/simple
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "models" / "a b"
    folder.mkdir(parents=True)
    (folder / "requirements.txt").write_text(MANIFEST, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def scanned(shown: str, capsys: pytest.CaptureFixture[str], path: str = "models") -> str:
    assert cli.run(["scan", path, "--offline", "--format", shown]) == 1
    return capsys.readouterr().out


def test_sarif_is_what_the_standard_says_and_points_at_the_very_lines(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = json.loads(scanned("sarif", capsys))
    SCHEMA.validate(log)
    [run] = log["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    conflict = next(one for one in run["results"] if one["ruleId"] == "DD102")
    assert rules[conflict["ruleIndex"]] == "DD102"
    assert conflict["level"] == "error"
    [first] = conflict["locations"]
    assert first["physicalLocation"]["artifactLocation"]["uri"] == "models/a%20b/requirements.txt"
    lines = MANIFEST.splitlines()
    told = {
        lines[place["physicalLocation"]["region"]["startLine"] - 1]: place["message"]["text"]
        for place in conflict["relatedLocations"]
    }
    assert told == {"numlib==1.0": "numlib==1.0", "numlib==2.0  # the other one": "numlib==2.0"}


def test_sarif_knows_a_result_again_when_lines_move(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def prints(log: dict[str, Any]) -> set[str]:
        return {one["partialFingerprints"]["finding/v1"] for one in log["runs"][0]["results"]}

    before = json.loads(scanned("sarif", capsys))
    (root / "models/a b/requirements.txt").write_text("# moved\n" + MANIFEST, encoding="utf-8")
    assert prints(json.loads(scanned("sarif", capsys))) == prints(before)


def test_annotations_stand_in_the_file_as_the_repository_names_it(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = scanned("github", capsys)
    assert "file=models/a b/requirements.txt,line=2::" in text
    monkeypatch.chdir(root / "models")
    assert "file=a b/requirements.txt,line=2::" in scanned("github", capsys, ".")
    commands = re.compile(r"::(error|warning|notice|debug)( [a-z]+=[^:,]*(,[a-z]+=[^:,]*)*)?::[^\r\n]*")
    assert all(commands.fullmatch(line) for line in text.splitlines())


@pytest.mark.parametrize("shown", FORMATS)
def test_no_report_tells_a_secret(shown: str, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "hunter2" not in scanned(shown, capsys)


def test_markdown_tells_what_where_why_and_what_to_do(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = scanned("markdown", capsys)
    assert "### Errors" in text
    assert "- **DD102 version-conflict** `numlib`:" in text
    assert "  - `a b/requirements.txt:2` `numlib==1.0`" in text
    assert "| a b | " in text


def test_markdown_of_nothing_and_of_a_place_without_a_line(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "none").mkdir()
    assert cli.run(["scan", "none", "--offline", "--format", "markdown"]) == 0
    text = capsys.readouterr().out
    assert "No project was found" in text
    assert "<details>" not in text
    (root / "models" / "a b" / "pyproject.toml").write_text("[project", encoding="utf-8")
    lines = scanned("markdown", capsys).splitlines()
    assert any(line.startswith("  - `a b/pyproject.toml") and line.count("`") == 2 for line in lines)


def finding(kind: Kind, severity: Severity, lines: int = 1) -> Finding:
    causes = tuple(
        Cause(project="p", location=Location(path="p/requirements.txt", line=line), requirement="a==1")
        for line in range(1, lines + 1)
    )
    fact = Evidence(fact="a fact", source="a source", date="2026-11-22", confidence=Confidence.PRIMARY)
    return Finding(
        kind=kind, severity=severity, subject="a", message="is odd", hint="mend it", causes=causes, evidence=(fact,)
    )


def test_every_kind_of_finding_is_valid_sarif_and_names_its_rule() -> None:
    found = tuple(finding(kind, severity) for kind, (_, severity) in CODES.items())
    log = json.loads(sarif.scan(Diagnosis(findings=found, rules_run=()), ("p: not reached",), RULES))
    SCHEMA.validate(log)
    [run] = log["runs"]
    assert [one["ruleId"] for one in run["results"]] == [CODES[kind][0] for kind in CODES]
    assert run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"] == "p: not reached"
    assert sarif.scan(Diagnosis(findings=found, rules_run=()), (), RULES, prefix="m/n").count('"m/n/p/req') == 2 * len(
        found
    )


def test_many_places_are_counted() -> None:
    diagnosis = Diagnosis(findings=(finding(Kind.UNPINNED, Severity.NOTE, 30),), rules_run=())
    [line] = github.scan(diagnosis, ()).splitlines()
    assert line.startswith("::notice title=DD511 unpinned%3A a,file=p/requirements.txt,line=1::a: is odd%0A")
    assert line.endswith("%0Aand 22 more")


def test_code_and_text_show_as_they_are() -> None:
    assert markdown.text("take `a[b]>=1` of #1 <b>") == "take `a[b]>=1` of &#35;1 &#60;b&#62;"
    assert markdown.code("a`b``c") == "```a`b``c```"
    assert markdown.code("`") == "`` ` ``"
    assert markdown.table(("a",), [("b|`c|d`",)]).splitlines()[2] == "| b\\|\\`c\\|d\\` |"


def test_json_names_the_targets_of_a_finding_as_the_schema_has_them() -> None:
    schema = json.loads((Path(__file__).parents[2] / "docs" / "scan-schema.json").read_text(encoding="utf-8"))
    one = Finding(
        kind=Kind.VERSION_CONFLICT, severity=Severity.ERROR, subject="torch", message="too old", targets=("a100",)
    )
    shown = finding_json(one)
    assert shown["targets"] == ["a100"]
    Draft202012Validator({"$defs": schema["$defs"], "$ref": "#/$defs/finding"}).validate(shown)


def test_code_quality_has_an_entry_beside_each_line(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entries = json.loads(scanned("gitlab", capsys))
    conflict = [one for one in entries if one["check_name"] == "DD102"]
    assert {one["location"]["lines"]["begin"] for one in conflict} == {2, 4}
    assert {one["location"]["path"] for one in conflict} == {"models/a b/requirements.txt"}
    assert {one["severity"] for one in conflict} == {"critical"}
    assert all(set(one) == {"description", "check_name", "fingerprint", "severity", "location"} for one in entries)
    assert len({one["fingerprint"] for one in entries}) == len(entries)
    manifest = root / "models" / "a b" / "requirements.txt"
    manifest.write_text("\n\n" + MANIFEST, encoding="utf-8")
    moved = json.loads(scanned("gitlab", capsys))
    assert {one["fingerprint"] for one in moved} == {one["fingerprint"] for one in entries}
