from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from depdoctor import cli

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "scan-schema.json").read_text(encoding="utf-8"))

TARGETS = """\
[[target]]
name = "pool-t4"
driver = "470.82.01"
gpus = ["Tesla T4"]

[[target]]
name = "pool-a100"
driver = "535.104.05"
gpus = ["A100-SXM4-80GB"]
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "requirements.txt").write_text("torch==2.7.1+cu126\n", encoding="utf-8")
    (tmp_path / "depdoctor.toml").write_text(TARGETS, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    return tmp_path


@pytest.mark.parametrize("shown", ["console", "html", "sarif", "markdown", "github"])
def test_every_report_says_what_happens_target_by_target(
    root: Path, capsys: pytest.CaptureFixture[str], shown: str
) -> None:
    assert cli.run(["scan", str(root), "--offline", "--format", shown]) == 1
    text = capsys.readouterr().out
    assert "driver too old: needs 525.60.13 or newer" in text
    assert "CUDA 12.2 driver: minor version compatibility" in text


def test_json_has_a_row_for_each_target_of_one_finding(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["scan", str(root), "--offline", "--format", "json"]) == 1
    document = json.loads(capsys.readouterr().out)
    Draft202012Validator(SCHEMA).validate(document)
    (found,) = [one for one in document["findings"] if one["code"] == "DD201"]
    assert found["targets"] == ["pool-t4"]
    assert [(row["target"], row["state"]) for row in found["outcomes"]] == [("pool-t4", "fails"), ("pool-a100", "runs")]


def test_targets_that_fare_alike_make_no_table(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "depdoctor.toml").write_text(TARGETS.replace("535.104.05", "470.82.01"), encoding="utf-8")
    assert cli.run(["scan", str(root), "--offline", "--format", "json"]) == 1
    (found,) = [one for one in json.loads(capsys.readouterr().out)["findings"] if one["code"] == "DD201"]
    assert found["targets"] == ["pool-t4", "pool-a100"]
    assert found["outcomes"] == []
