"""`explain IMAGE`: what is in an image of the committed plan, and what for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from depdoctor import cli


@pytest.fixture(autouse=True)
def _planned(tmp_path: Path, package_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", package_server)
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    folder = tmp_path / "fleet"
    for name, lines in {"speech/asr": "# ours\nformers\nnumlib\n", "plot": "numlib\n"}.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "requirements.txt").write_text(lines, encoding="utf-8")
    (folder / "depdoctor.toml").write_text('[image]\nbase = "scratch"\n')
    monkeypatch.chdir(folder)
    assert cli.run(["plan", ".", "--quiet"]) == 0


def test_every_package_of_an_image_leads_to_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    for what in ("speech-asr", "registry.example/team/speech-asr:1"):
        assert cli.run(["explain", what, "--format", "json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["image"], found["project"], found["base"]) == ("speech-asr", "speech/asr", "scratch")
        ways = {one["package"]: one["causes"] for one in found["packages"]}
        assert set(ways) == {"formers", "tokenkit", "numlib"}
        assert [(way["path"], way["line"]) for way in ways["tokenkit"]] == [("speech/asr/requirements.txt", 2)]
        assert ways["tokenkit"][0]["chain"][0] == "formers"
        assert [way["line"] for way in ways["numlib"]] == [3, 2]
        assert {one["package"]: one["other_images"] for one in found["packages"]}["numlib"] == 1


def test_what_is_this_package_in_this_image_for(capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    for image in ("speech-asr", "speech/asr"):
        assert cli.run(["explain", image, "tokenkit"]) == 0
        told = capsys.readouterr().out
        assert "speech/asr/requirements.txt:2" in told
        assert "formers → tokenkit" in told


def test_a_package_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["explain", "plot", "tokenkit"]) == 2
    assert "tokenkit" in capsys.readouterr().err


def test_two_projects_are_still_two_projects(capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert cli.run(["explain", "plot", "speech/asr", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["projects"] == ["plot", "speech/asr"]


def test_a_package_that_only_a_plan_would_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "fleet" / "depdoctor.plan.json").unlink()
    assert cli.run(["explain", "plot", "numlib"]) == 2
    told = capsys.readouterr().err
    assert "`numlib` is no project, and no image of plot in a plan holds it" in told
    assert "`depdoctor plan` makes images" in told
