"""A fleet whose framework comes with the images that its Dockerfiles start from, from scan to Dockerfile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from depdoctor import cli, planfile

IMAGE = "nvcr.io/nvidia/pytorch:22.11-py3"


@pytest.fixture(autouse=True)
def _surroundings(tmp_path: Path, package_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", package_server)
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    # No registry is asked: what stands here is of the tables.
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, image, requirements in (
        ("plain", "python:3.11-slim", "numlib<2\n"),
        ("known", IMAGE, "torch>=1.12\nnumlib<2\n"),
        ("clash", IMAGE, "numlib\ntorch==1.12.1\n"),
        ("vague", "nvcr.io/nvidia/pytorch:39.01-py3", "numlib<2\n"),
    ):
        folder = tmp_path / "fleet" / name
        folder.mkdir(parents=True)
        (folder / "Dockerfile").write_text(f"ARG FROM_IMAGE={image}\nFROM ${{FROM_IMAGE}}\n")
        (folder / "requirements.txt").write_text(requirements)
    return tmp_path / "fleet"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    cli.run([*arguments, "--format", "json", "--quiet"])
    return json.loads(capsys.readouterr().out)


def test_scan_says_what_comes_with_the_base(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = run(capsys, "scan", str(root))
    projects = {one["name"]: one for one in report["projects"]}
    assert projects["known"]["python"] == "3.8"
    assert projects["known"]["packages"] == 1
    assert "torch==1.13.0a0+936e930" in projects["known"]["from_base"]
    assert projects["plain"]["from_base"] == []
    assert projects["plain"]["python"] == "3.11"
    (clash,) = [one for one in report["findings"] if one["projects"] == ["clash"] and one["severity"] == "error"]
    assert (clash["code"], clash["subject"]) == ("DD102", "torch")
    assert [(cause["path"], cause["line"]) for cause in clash["causes"]] == [("clash/requirements.txt", 2)]
    assert f"{IMAGE} (clash/Dockerfile:2) brings torch 1.13.0a0+936e930" in clash["message"]


def test_of_several_dockerfiles_the_plain_one_counts(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "known" / "Dockerfile-client").write_text("FROM python:3.11-slim\n")
    report = run(capsys, "scan", str(root))
    assert next(one["from_base"] for one in report["projects"] if one["name"] == "known")
    cli.run(["scan", str(root), "--quiet"])
    assert "torch==1.13.0a0+936e930" in "".join(capsys.readouterr().out.split())
    (root / "known" / "Dockerfile").rename(root / "known" / "Dockerfile-train")
    report = run(capsys, "scan", str(root))
    assert not next(one["from_base"] for one in report["projects"] if one["name"] == "known")


def test_an_image_that_no_table_knows_is_unknown_and_no_conflict(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = run(capsys, "scan", str(root))
    assert next(one for one in report["projects"] if one["name"] == "vague")["status"] == "resolved"
    assert [text for text in report["summary"]["incomplete"] if "39.01" in text and text.startswith("vague: vague/")]
    assert not [one for one in report["findings"] if one["projects"] == ["vague"] and one["severity"] == "error"]


def test_a_plan_stands_on_the_base_and_leaves_out_what_it_brings(
    root: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    cli.run(["plan", str(root), "--quiet"])
    assert "from base" in capsys.readouterr().out
    plan = json.loads((root / "depdoctor.plan.json").read_text())
    images = {image["project"]: image for image in plan["images"]}
    assert images.keys() == {"plain", "known"}
    assert images["known"]["base"]["reference"] == IMAGE
    assert "torch==1.13.0a0+936e930" in images["known"]["from_base"]
    assert "from_base" not in images["plain"]
    assert {one["name"] for one in plan["packages"]} == {"numlib"}
    assert cli.run(["generate", str(root), "--output", str(tmp_path / "out")]) == 0
    text = (tmp_path / "out" / "Dockerfile").read_text()
    venvs = {line.rpartition("uv venv ")[2] for line in text.splitlines() if "uv venv " in line}
    assert len(venvs) == 2
    assert (
        next(line for line in venvs if line.startswith("--python 3.8 "))
        .removesuffix(" \\")
        .endswith(" --system-site-packages")
    )
    assert "--system-site-packages" not in next(line for line in venvs if line.startswith("--python 3.11 "))


def test_imports_of_what_the_base_may_bring_need_no_declaration(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("known", "plain"):
        (root / name / "app.py").write_text("import torch\nimport tokenkit\n")
    (root / "other").mkdir()
    (root / "other" / "requirements.txt").write_text("tokenkit\n")
    undeclared = [one for one in run(capsys, "scan", str(root))["findings"] if one["code"] == "DD513"]
    assert {project for one in undeclared for project in one["projects"]} == {"plain"}


def test_a_base_given_to_plan_counts_in_the_resolution(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("known", "clash", "vague"):
        (root / name / "Dockerfile").unlink()
    (root / "plain" / "Dockerfile").unlink()
    assert cli.run(["plan", str(root), "--base", IMAGE, "--quiet"]) == 0
    capsys.readouterr()
    made = planfile.load(root / planfile.PLAN_NAME)
    images = {image.project: image for image in made.images}
    assert images["known"].environment.python == "3.8"
    assert "torch==1.13.0a0+936e930" in images["known"].provided
    assert [pin.name for pin in made.pins(images["known"])] == ["numlib"]
    (clash,) = [one for one in made.skipped if one.project == "clash"]
    assert f"{IMAGE} brings torch 1.13.0a0+936e930" in clash.reason
    (root / "depdoctor.toml").write_text(f'[image]\nbase = "{IMAGE}"\n')
    assert cli.run(["plan", str(root), "--check", "--fail-on", "never", "--quiet"]) == 0
    capsys.readouterr()
    report = run(capsys, "scan", str(root))
    assert {one["name"]: one["python"] for one in report["projects"]}["known"] == "3.8"
