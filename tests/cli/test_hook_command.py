from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from depdoctor import cli
from depdoctor.model.formats import format_of

ROOT = Path(__file__).parents[2]

Hook = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def hook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Hook:
    for name, lines in (("chat", "numlib==1.0\n"), ("rank", "numlib<2\nweb\n"), ("old", "other\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "requirements.txt").write_text(lines, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path.parent / f"{tmp_path.name}-cache"))

    def run(*arguments: str) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        status = cli.run(["hook", *arguments, "--format", "json"])
        return status, json.loads(capsys.readouterr().out)

    return run


def codes(told: dict[str, Any], *severities: str) -> list[str]:
    return [one["code"] for one in told["findings"] if one["severity"] in (severities or ("error", "warning"))]


def test_only_what_a_commit_touches_is_judged(hook: Hook) -> None:
    assert hook()[1]["projects"] == ["chat", "old", "rank"]
    status, told = hook("chat/requirements.txt")
    assert (status, told["projects"], codes(told)) == (0, ["chat"], [])
    assert told["summary"]["incomplete"] == ["chat"]
    assert hook("README.md")[1]["projects"] == []
    assert hook("rank/model/Dockerfile")[1]["projects"] == ["rank"]
    assert hook("rank")[1]["projects"] == ["rank"]


def test_a_file_that_is_not_there_is_told(hook: Hook, capsys: pytest.CaptureFixture[str]) -> None:
    hook()
    assert cli.run(["hook", "chat/requirements.txt", "chat/requirments.txt"]) == 0
    assert "there is no file `chat/requirments.txt`" in capsys.readouterr().err


def test_what_is_not_known_does_not_block_unless_it_is_to(hook: Hook) -> None:
    assert hook("chat/requirements.txt")[0] == 0
    assert hook("chat/requirements.txt", "--strict")[0] == 3


def test_a_file_that_another_project_draws_in_touches_that_too(hook: Hook) -> None:
    Path("common.txt").write_text("web\n", encoding="utf-8")
    Path("chat/requirements.txt").write_text("-r ../common.txt\n", encoding="utf-8")
    hook()
    assert "chat" in hook("common.txt")[1]["projects"]


def test_a_project_that_contradicts_itself_is_an_error(hook: Hook) -> None:
    Path("chat/requirements.txt").write_text("numlib==1.0\nnumlib==2.0\n", encoding="utf-8")
    status, told = hook("chat/requirements.txt")
    assert (status, codes(told)) == (1, ["DD102"])


def test_only_a_new_crossing_is_told_and_it_blocks_where_projects_share(hook: Hook) -> None:
    hook()
    Path("chat/requirements.txt").write_text("numlib==2.0\n", encoding="utf-8")
    status, told = hook("chat/requirements.txt")
    assert (status, codes(told)) == (0, ["DD101"])
    [crossing] = [one for one in told["findings"] if one["code"] == "DD101"]
    assert {cause["path"] for cause in crossing["causes"]} == {"chat/requirements.txt", "rank/requirements.txt"}
    assert codes(hook("chat/requirements.txt")[1]) == []
    Path("depdoctor.toml").write_text('[[environment]]\nname = "all"\n', encoding="utf-8")
    status, told = hook("chat/requirements.txt")
    assert (status, codes(told)) == (1, ["DD101"])


def test_changes_of_others_are_seen_though_nobody_named_them(hook: Hook) -> None:
    hook()
    Path("rank/requirements.txt").write_text("numlib>=2\n", encoding="utf-8")
    assert codes(hook("chat/requirements.txt")[1]) == ["DD101"]
    shutil.rmtree("rank")
    Path("chat/requirements.txt").write_text("numlib==1.1\n", encoding="utf-8")
    assert codes(hook("chat/requirements.txt")[1]) == []


def test_credentials_are_found_and_not_repeated(hook: Hook, capsys: pytest.CaptureFixture[str]) -> None:
    line = "--index-url https://user:hunter2@index.example/simple\n"
    Path("chat/requirements.txt").write_text(line, encoding="utf-8")
    status, told = hook("chat/requirements.txt")
    assert (status, codes(told)) == (1, ["DD515"])
    assert "hunter2" not in json.dumps(told)
    caches = Path.cwd().parent / f"{Path.cwd().name}-cache"
    assert not any(b"hunter2" in path.read_bytes() for path in caches.rglob("*") if path.is_file())


def test_a_lost_or_broken_memory_costs_nothing_but_time(hook: Hook) -> None:
    hook()
    [memory] = (Path.cwd().parent / f"{Path.cwd().name}-cache").glob("hook-*/*.json")
    for broken in (b"", b"[]", b'{"state": 1}', b"\xff"):
        memory.write_bytes(broken)
        assert hook("chat/requirements.txt")[0] == 0


@pytest.mark.parametrize(
    ("lines", "stale"),
    [
        ("numlib>=1.24,<2\n", []),
        ("numlib==1.24.4\n", ["numlib"]),
        ("numlib==1.26.4\ntokenkit\n", ["tokenkit"]),
        ("numlib==1.26.4\ntokenkit; sys_platform == 'win32'\n", []),
        ("numlib==1.24.4 --hash=sha256:" + "0" * 64 + "\n", ["numlib"]),
    ],
)
def test_a_plan_that_a_commit_makes_stale_blocks(
    lines: str, stale: list[str], hook: Hook, package_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", package_server)
    for name in ("rank", "old"):
        shutil.rmtree(name)
    Path("chat/requirements.txt").write_text("numlib==1.26.4\n", encoding="utf-8")
    assert cli.run(["plan", ".", "--base", "scratch", "--format", "json"]) == 0
    assert codes(hook("chat/requirements.txt")[1]) == []
    Path("chat/requirements.txt").write_text(lines, encoding="utf-8")
    status, told = hook("chat/requirements.txt")
    found = [one for one in told["findings"] if one["code"] == "DD103"]
    assert (status, [one["subject"] for one in found]) == (int(bool(stale)), stale)
    assert all(cause["path"] == "chat/requirements.txt" for one in found for cause in one["causes"])


def test_a_project_that_the_plan_does_not_know_blocks(
    hook: Hook, package_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", package_server)
    Path("rank/requirements.txt").write_text("numlib==77\n", encoding="utf-8")
    assert cli.run(["plan", ".", "--base", "scratch", "--format", "json"]) == 0
    assert codes(hook("rank/requirements.txt")[1]).count("DD103") == 0, "it is known that it gets no image"
    Path("new").mkdir()
    Path("new/requirements.txt").write_text("numlib\n", encoding="utf-8")
    status, told = hook("new/requirements.txt")
    (found,) = [one for one in told["findings"] if one["code"] == "DD103"]
    assert (status, found["projects"]) == (1, ["new"])
    assert "run `depdoctor plan`" in found["hint"]


@pytest.mark.parametrize("config", ["depdoctor.toml", "pyproject.toml"])
def test_a_fleet_in_a_folder_of_the_repository_has_its_own_configuration(
    hook: Hook, tmp_path: Path, config: str
) -> None:
    table = '[[environment]]\nname = "one"\nprojects = ["*"]\n'
    (tmp_path / "ml" / "deep").mkdir(parents=True)
    for name in ("rank", "chat", "old"):
        (tmp_path / name).rename(tmp_path / "ml" / "deep" / name)
    (tmp_path / "ml" / config).write_text(
        table if config == "depdoctor.toml" else table.replace("[[", "[[tool.depdoctor.")
    )
    hook("ml/deep/chat/requirements.txt")
    (tmp_path / "ml/deep/chat/requirements.txt").write_text("numlib==3.0\n", encoding="utf-8")
    status, told = hook("ml/deep/chat/requirements.txt", "README.md")
    assert (status, codes(told)) == (1, ["DD101"])
    assert told["projects"] == ["ml/deep/chat"]
    paths = {place["path"] for one in told["findings"] for place in one["causes"]}
    assert paths == {"ml/deep/chat/requirements.txt", "ml/deep/rank/requirements.txt"}
    # where the repository itself has a configuration, that is what counts
    (tmp_path / "depdoctor.toml").write_text("", encoding="utf-8")
    assert hook("ml/deep/chat/requirements.txt")[0] == 0


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("requirements.txt", "web\n<<<<<<< HEAD\n=======\nother==1\n>>>>>>> main\n"),
        (
            "pyproject.toml",
            '[project]\nname = "old"\n<<<<<<< HEAD\nversion = "1"\n=======\nversion = "2"\n>>>>>>> main\n',
        ),
    ],
)
def test_a_merge_that_is_not_settled_blocks(hook: Hook, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "old" / name).write_text(text, encoding="utf-8")
    status, told = hook(f"old/{name}")
    assert (status, codes(told, "error")) == (1, ["DD501"])
    (finding,) = [one for one in told["findings"] if one["severity"] == "error"]
    assert "the marks of a merge that is not settled" in finding["message"]
    assert finding["causes"][0]["line"] == 2 + (name == "pyproject.toml")


def test_the_hooks_take_the_files_that_are_read() -> None:
    hooks = {one["id"]: one for one in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))}
    assert set(hooks) == {"depdoctor-scan", "depdoctor-plan-check"}
    files = re.compile(hooks["depdoctor-scan"]["files"])
    read = (
        *("requirements.txt", "a/requirements-dev.txt", "a/requirements/gpu.in", "a/pyproject.toml", "setup.py"),
        *("a/uv.lock", "a/environment.yml", "a/Dockerfile", "a/gpu.Dockerfile", "a/Dockerfile.gpu", "depdoctor.toml"),
        *("pylock.toml", "a/pylock.gpu.toml", "a/Pipfile", "a/Pipfile.lock", "a/conda-lock.yml", "a/Requirement.TXT"),
        *("conda-lock.gpu.yml", "gpu.conda-lock.yml", "env.yml", "a/conda.yaml", "a/gpu-env.yaml", "conda_env.yaml"),
        *("environment-gpu.yaml", "a/cog.yaml", "bentofile.yml", "a/config.yaml", "a/dockerfile", "Containerfile"),
        *("setup.cfg", "pixi.toml", "pixi.lock", "poetry.lock", "pdm.lock", "train-requirements_v1.2.in"),
    )
    assert [path for path in read if not format_of(path) and path != "depdoctor.toml"] == []
    read += ("a/.python-version", "runtime.txt", "uv.toml", "depdoctor.plan.json", "constraints.txt")
    assert [path for path in read if not files.search(path)] == []
    assert [path for path in ("README.md", "a/app.py", "a/data.json", "a/setup.pyc") if files.search(path)] == []


@pytest.mark.skipif(shutil.which("git") is None, reason="no git")
def test_the_entry_runs_from_a_repository(hook: Hook) -> None:
    entry = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))[0]["entry"].split()
    Path("chat/requirements.txt").write_text("numlib==1.0\nnumlib==2.0\n", encoding="utf-8")
    ran = subprocess.run(["python", "-m", *entry, "chat/requirements.txt"], capture_output=True, text=True, check=False)
    assert (ran.returncode, "DD102" in ran.stdout, ran.stderr) == (1, True, "")
