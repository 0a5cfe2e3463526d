"""Questions about a fleet: who wants a package, why two cannot share, since when something is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from depdoctor import cli


@pytest.fixture(autouse=True)
def _surroundings(tmp_path: Path, package_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", package_server)
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "fleet"
    for name, lines in {
        "chat": "chatchain==0.3.0\n",
        "serve": "servekit==0.6.4\n",
        "plot": "plotkit\naudiolib\n",
    }.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "requirements.txt").write_text(lines, encoding="utf-8")
    monkeypatch.chdir(folder)
    return folder


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert cli.run([*arguments, "--format", "json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert cli.run(arguments) == 0
    return capsys.readouterr().out


@pytest.mark.usefixtures("root")
def test_who_wants_a_package_and_through_what(capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, "explain", "Tokenkit")
    wants = {want["project"]: want for want in found["wants"]}
    assert {name: want["version"] for name, want in wants.items()} == {"chat": "0.19.1", "serve": "0.20.3"}
    assert wants["chat"]["published"].startswith("2024-04-17")
    [cause] = wants["chat"]["causes"]
    assert (cause["path"], cause["line"], cause["chain"][0]) == ("chat/requirements.txt", 1, "chatchain==0.3.0")
    assert cause["chain"][-1].startswith("tokenkit")
    assert found["without"] == ["plot"]
    text = printed(capsys, "explain", "tokenkit")
    assert "tokenkit: 2 versions in 2 projects" in text
    assert "chat/requirements.txt:1" in text


@pytest.mark.usefixtures("root")
def test_two_projects_that_cannot_share(capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, "explain", "chat", "serve")
    assert [outcome["resolves"] for outcome in found["together"]] == [False]
    [finding] = [one for one in found["findings"] if one["code"] == "DD101"]
    assert finding["subject"] == "tokenkit"
    assert {cause["project"] for cause in finding["causes"]} == {"chat", "serve"}
    text = printed(capsys, "explain", "serve", "chat")
    assert "serve and chat cannot share an environment" in text


@pytest.mark.usefixtures("root")
def test_a_package_that_neither_names_is_explained_in_twelve_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    lines = printed(capsys, "explain", "chat", "serve").splitlines()
    start = next(number for number, line in enumerate(lines) if "DD101" in line)
    block = lines[start : lines.index("", start)]
    assert len(block) <= 12
    assert all(len(line) <= 100 for line in lines)
    text = "\n".join(block)
    for told in (
        "tokenkit",
        "chat/requirements.txt:1  chatchain==0.3.0 → ",
        "serve/requirements.txt:1  servekit==0.6.4 → ",
    ):
        assert told in text


@pytest.mark.usefixtures("root")
def test_two_projects_that_can_share(capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, "explain", "chat", "plot")
    [outcome] = found["together"]
    assert outcome["resolves"] is True
    assert outcome["packages"]["tokenkit"] == "0.19.1"
    assert "can share an environment" in printed(capsys, "explain", "chat", "plot")


def test_projects_on_different_pythons_meet_on_one_that_both_admit(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "chat" / ".python-version").write_text("3.10", encoding="utf-8")
    (root / "serve" / ".python-version").write_text("3.12", encoding="utf-8")
    [outcome] = told(capsys, "explain", "chat", "serve")["together"]
    assert outcome["environment"].startswith("Python 3.10")
    for name, python in (("chat", "<3.11"), ("serve", ">=3.11")):
        (root / name / "requirements.txt").unlink()
        (root / name / "pyproject.toml").write_text(
            f'[project]\nname = "{name}"\nversion = "1"\nrequires-python = "{python}"\n', encoding="utf-8"
        )
    assert told(capsys, "explain", "chat", "serve")["together"] == []
    assert "no Python that both admit" in printed(capsys, "explain", "chat", "serve")


@pytest.mark.usefixtures("root")
def test_what_is_unknown_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, hint in ((["chat", "sevre"], "did you mean `serve`?"), (["nowhere"], "scan --list")):
        assert cli.run(["explain", *arguments]) == 2
        assert hint in capsys.readouterr().err


@pytest.fixture
def history(tmp_path: Path, make_index: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project that a release of numpy broke, among releases that broke nothing."""
    releases = [
        {"name": "torch", "version": "2.2.0", "uploaded": "2024-01-30T10:00:00Z"},
        {"name": "numpy", "version": "1.26.4", "uploaded": "2024-02-05T12:00:00Z"},
        {"name": "numpy", "version": "2.0.0", "uploaded": "2024-06-16T18:11:05.25Z"},
        {"name": "numpy", "version": "2.1.0", "uploaded": "2024-08-18T21:00:00Z"},
        *(
            {
                "name": "requests",
                "version": f"2.{minor}.0",
                "uploaded": f"2024-{minor:02}-16T18:00:00Z",
            }
            for minor in range(1, 13)
        ),
    ]
    folder = make_index.write_index(tmp_path / "index", releases)
    root = tmp_path / "old"
    root.mkdir()
    (root / "requirements.txt").write_text("torch==2.2.0\nnumpy\nrequests\n", encoding="utf-8")
    with make_index.served(folder) as address:
        monkeypatch.setenv("UV_DEFAULT_INDEX", address)
        yield root


def test_since_when_what_is_supposed_would_break(history: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("whatif", "numpy>=3", "--since", "2024-03-01", str(history))
    found = told(capsys, *asked)
    [past] = found["histories"]
    assert (past["project"], past["moves"], past["breaks"]) == ("old", [], [])  # no release did it: it never stood
    assert past["before"] == [{"code": "DD110", "subject": "numpy"}]
    text = printed(capsys, *asked)
    assert "breaks old" in text
    assert text.count("DD110 version-gone") == 1, "it is told once"
    assert "DD110 numpy was wrong on 2024-03-01 already" in text
    assert "nothing of old moved since 2024-03-01" in text


def test_which_release_broke_it(history: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, "explain", "old", "--path", str(history), "--since", "2024-03-01")
    [broken] = found["breaks"]
    assert (broken["code"], broken["subject"], broken["moment"]) == ("DD302", "torch", "2024-06-16T18:11:05+00:00")
    [release] = broken["moves"]
    assert (release["package"], release["from"], release["to"]) == ("numpy", "1.26.4", "2.0.0")
    assert {move["package"]: move["to"] for move in found["moves"]} == {"numpy": "2.1.0", "requests": "2.12.0"}
    text = printed(capsys, "explain", "old", "--path", str(history), "--since", "2024-03-01")
    assert "DD302 torch since 2024-06-16 18:11 UTC, when numpy 2.0.0 was published" in text


def test_what_was_wrong_already(history: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, "explain", "old", "--path", str(history), "--since", "2024-07-01")
    assert (found["breaks"], found["before"]) == ([], [{"code": "DD302", "subject": "torch"}])
    assert "DD302 torch was wrong on 2024-07-01 already" in printed(
        capsys, "explain", "old", "--path", str(history), "--since", "2024-07-01"
    )


def test_a_project_without_a_date(history: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "explain", "old", "--path", str(history), "--exclude-newer", "2024-03-01")
    assert "nothing is wrong with old" in text
    assert "moved since" not in text


def test_a_project_says_what_it_asks_of_a_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "fleet" / "app").mkdir(parents=True)
    (tmp_path / "fleet" / "app" / "requirements.txt").write_text("torch==2.6.0\n", encoding="utf-8")
    command = ["explain", "app", "--path", str(tmp_path / "fleet"), "--offline"]
    assert cli.run(command) == 0
    assert "what app asks of a machine" in capsys.readouterr().out
    assert cli.run([*command, "--format", "json"]) == 0
    told = {one["what"]: one for one in json.loads(capsys.readouterr().out)["demands"]}
    assert (told["CUDA"]["least"], told["nccl"]["least"], told["driver"]["least"]) == ("12.4", "2.21.5", "525.60.13")
    assert told["CUDA"]["evidence"]["source"]
