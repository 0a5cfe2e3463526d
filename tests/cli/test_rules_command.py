from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from rich.console import Console

from depdoctor import cli
from depdoctor.diagnose import RULES
from depdoctor.model.finding import CODES
from depdoctor.report import rules as report
from depdoctor.report.rules import TableState
from depdoctor.rules import TABLES

HEAD = 'schema = 1\ntitle = "ours"\ndate = 2026-03-01\nsource = "our own pool"\nconfidence = "primary"\n'
ROWS = "".join(f'[[major]]\nmajor = {major}\nminor-compatible = true\nlinux-floor = "600"\n' for major in (12, 77))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "facts").mkdir()
    (tmp_path / "facts" / "cuda_majors.toml").write_text(HEAD + ROWS, encoding="utf-8")
    (tmp_path / "depdoctor.toml").write_text('[rules]\npath = "facts"\n', encoding="utf-8")
    return tmp_path


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert cli.run(arguments) == 0
    return capsys.readouterr().out


def test_list_names_every_rule_and_table(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    told = json.loads(printed(capsys, "rules", "list", str(root), "--format", "json"))
    assert [one["code"] for one in told["rules"]] == sorted(rule.code for rule in RULES)
    severity = {one["code"]: one["severity"] for one in told["rules"]}
    assert severity == {rule.code: str(CODES[rule.kind][1]) for rule in RULES}
    assert {one["name"] for one in told["tables"]} == {table.stem for table in TABLES}
    text = printed(capsys, "rules", "list", str(root))
    assert all(rule.title in text for rule in RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_explain_prints_the_whole_text(rule: report.Explained, capsys: pytest.CaptureFixture[str]) -> None:
    by_code = printed(capsys, "rules", "show", rule.code)
    assert by_code == printed(capsys, "explain", rule.kind.value) == printed(capsys, "explain", rule.code.lower())
    assert by_code.split()[:2] == [rule.code, rule.kind.value]
    assert " ".join(rule.text.split()) in " ".join(by_code.split())


def test_explain_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(printed(capsys, "explain", "DD204", "--format", "json"))["rule"]
    assert (told["code"], told["kind"], told["severity"]) == ("DD204", "gpu-arch", "error")
    assert told["title"]


def test_a_code_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["explain", "driver-to-old"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "depdoctor: there is no rule `driver-to-old`"
    assert "did you mean `DD201`?" in lines[1]


def test_check_tells_what_ones_own_tables_change(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "cuda_majors (yours): rows added: 1, replaced: 1" in printed(capsys, "rules", "check", str(root))
    tables = json.loads(printed(capsys, "rules", "check", str(root), "--format", "json"))["tables"]
    [own] = [one for one in tables if one["own"]]
    assert own | {"rows": 2, "replaced": 1, "newest": "2026-03-01"} == own


def test_check_of_a_broken_table(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "facts" / "cuda_majors.toml").write_text(HEAD.replace("2026-03-01", '"March"') + ROWS, encoding="utf-8")
    assert cli.run(["rules", "check", str(root)]) == 2
    assert "`date` must be a date" in capsys.readouterr().err


@pytest.mark.parametrize(("today", "is_old"), [("2026-06-29", False), ("2026-06-30", True)])
def test_a_table_of_more_than_120_days_is_old(today: str, is_old: bool) -> None:
    table = TableState(name="gpus", rows=3, oldest="2020-01-01", newest="2026-03-01")
    assert table.is_old(date.fromisoformat(today)) is is_old
    console = Console(width=100)
    with console.capture() as captured:
        report.ages(console, [table], date.fromisoformat(today))
    assert ("older than 120 days" in captured.get()) is is_old
    assert ("update depdoctor" in captured.get()) is is_old


def test_age_counts_from_today(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tables = json.loads(printed(capsys, "rules", "age", str(root), "--format", "json"))["tables"]
    assert len(tables) == len(TABLES) + 1
    assert all(one["old"] is (one["age_days"] > 120) for one in tables)
    assert "cuda_majors (yours)" in printed(capsys, "rules", "age", str(root))


@pytest.mark.parametrize("arguments", [[], ["rules"]])
def test_no_command_prints_the_help_and_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.run(arguments)
    assert ended.value.code == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("usage: depdoctor")


def test_version_among_other_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.run(["--version", "scan"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("depdoctor ")
