"""What a run could not know: a status for those who want it told, and no answer of one index taken for another's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from depdoctor import cli

SECRET = "s3cr3t"


@pytest.fixture(autouse=True)
def _surroundings(tmp_path: Path, package_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", package_server)
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "fleet"
    (folder / "one").mkdir(parents=True)
    (folder / "depdoctor.toml").write_text('[image]\nbase = "scratch"\n')
    return folder


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    status = cli.run([*arguments, "--format", "json"])
    return status, json.loads(capsys.readouterr().out)


def test_strict_counts_what_a_lock_misses(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "one" / "requirements.txt").write_text("numlib\nhelpers @ git+https://git.example/helpers\n")
    status, report = run(capsys, "scan", str(root))
    assert status == 0
    assert [one["status"] for one in report["projects"]] == ["resolved"]
    assert len(report["summary"]["incomplete"]) == 1
    assert "one/requirements.txt:2" in report["summary"]["incomplete"][0]
    assert run(capsys, "scan", str(root), "--strict")[0] == 3
    (root / "one" / "requirements.txt").write_text("numlib\n")
    assert run(capsys, "scan", str(root), "--strict")[0] == 0


@pytest.mark.parametrize("options", [(), ("--check",), ("--diff",)])
def test_strict_counts_for_a_plan_too(options: tuple[str, ...], root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "one" / "requirements.txt").write_text("numlib\nhelpers @ git+https://git.example/helpers\n")
    assert cli.run(["plan", str(root), *options, "--strict"]) == 3
    assert "one/requirements.txt:2" in capsys.readouterr().err
    (root / "one" / "requirements.txt").write_text("numlib\n")
    assert cli.run(["plan", str(root), "--strict"]) == 0


def test_what_only_another_group_lacks_costs_no_image(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "one" / "requirements.txt").write_text("numlib\n")
    (root / "one" / "requirements-dev.txt").write_text("-r gone.txt\n")
    (root / "one" / "Dockerfile").write_text("FROM a\nCOPY made.txt /x/\nRUN pip install -r /x/made.txt\n")
    _, report = run(capsys, "scan", str(root))
    assert len(report["summary"]["incomplete"]) == 2
    _, planned = run(capsys, "plan", str(root))
    assert [image["project"] for image in planned["images"]] == ["one"]


def test_what_one_index_answered_is_not_taken_for_another_s(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "one" / "requirements.txt").write_text("numlib\n")
    moment = ("--exclude-newer", "2025-06-01")
    assert run(capsys, "scan", str(root), *moment)[1]["projects"][0]["status"] == "resolved"
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    assert run(capsys, "scan", str(root), *moment)[1]["projects"][0]["status"] == "declared-only"


@pytest.mark.parametrize("variable", ["UV_DEFAULT_INDEX", "UV_INDEX", "UV_EXTRA_INDEX_URL"])
def test_a_private_index_needs_no_secret_of_ours(
    variable: str,
    root: Path,
    tmp_path: Path,
    private_server: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Scan, plan and build with a private index that knows no times: it works, and its password is nowhere."""
    (root / "one" / "requirements.txt").write_text("servekit\n")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "file:///absent")
    monkeypatch.setenv(variable, private_server.replace("://", f"://team:{SECRET}@"))
    for command in ("scan", "plan", "build"):
        options = ["--output", str(root / "images")] if command == "build" else ["--exclude-newer", "2025-06-01"]
        assert cli.run([command, str(root), *options, "--verbose"]) == 0
        said = capsys.readouterr()
        assert SECRET not in said.out + said.err
    status, report = run(capsys, "scan", str(root), "--exclude-newer", "2025-06-01", "--strict")
    assert status == 3
    assert [one.partition(": ")[0] for one in report["summary"]["incomplete"]] == ["one"]
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert (root / "images").is_dir()
    assert not [path for path in written if SECRET.encode() in path.read_bytes()]


def test_credentials_are_found_by_the_name_that_a_project_gives_its_index(
    root: Path, private_server: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "one" / "pyproject.toml").write_text(
        '[project]\nname = "one"\nversion = "0"\ndependencies = ["servekit"]\n'
        f'[[tool.uv.index]]\nname = "corp"\nurl = "{private_server}"\ndefault = true\n'
    )
    monkeypatch.setenv("UV_INDEX_CORP_USERNAME", "team")
    monkeypatch.setenv("UV_INDEX_CORP_PASSWORD", SECRET)
    _, report = run(capsys, "scan", str(root))
    assert report["projects"][0]["download_bytes"] > 0
    assert cli.run(["plan", str(root), "--quiet"]) == 0
    assert cli.run(["build", str(root), "--output", str(root / "images"), "--quiet"]) == 0
    assert SECRET not in "".join(capsys.readouterr())


@pytest.mark.parametrize("budget", ["-5", "0", "nan", "inf", "soon"])
def test_a_budget_that_is_none(budget: str, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.run(["scan", str(root), f"--budget={budget}"])
    assert ended.value.code == 2
    assert "--budget" in capsys.readouterr().err


def test_a_gpu_that_nobody_knows_is_told(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "one" / "requirements.txt").write_text("numlib\n")
    config = root / "depdoctor.toml"
    config.write_text('[[target]]\nname = "new"\ngpus = ["GTX 9999", "A10", "GTX 9999 (9.9)"]\n')
    _, report = run(capsys, "scan", str(root))
    (said,) = report["summary"]["incomplete"]
    assert said.startswith("new: nothing is known of the GPU `GTX 9999`")
    assert run(capsys, "scan", str(root), "--strict")[0] == 3


def test_a_project_and_a_group_that_are_not_there_are_told(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "one" / "requirements.txt").write_text("numlib\n")
    (root / "one" / "requirements-gpu.txt").write_text("tensorlib\n")
    told = '[[project]]\npath = "one/"\ngroups = ["{group}"]\n[[project]]\npath = "{path}"\n'
    (root / "depdoctor.toml").write_text(told.format(group="gqu", path="./onee"))
    _, report = run(capsys, "scan", str(root))
    assert report["summary"]["incomplete"] == [
        "depdoctor.toml: no project lies in `onee`, which a [[project]] names: did you mean `one`?",
        "one: nothing that it declares is of the group `gqu`: it has `gpu`",
    ]
    (root / "two").mkdir()
    (root / "two" / "requirements.txt").write_text("numlib\n")
    (root / "depdoctor.toml").write_text(told.format(group="gpu", path="two"))
    _, report = run(capsys, "scan", str(root))
    assert report["summary"]["incomplete"] == []
