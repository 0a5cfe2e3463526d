"""What would be: who would break and why, who would move, and what it would weigh."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from depdoctor import cli


@pytest.fixture
def root(tmp_path: Path, package_server: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UV_DEFAULT_INDEX", package_server)
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    folder = tmp_path / "fleet"
    for name, lines in {
        "chat": "chatchain==0.3.0\n",
        "old": "formers<4.45\n",
        "tokens": "tokenkit>=0.15\n",
        "sound": "audiolib\n",
    }.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "requirements.txt").write_text(lines, encoding="utf-8")
    return folder


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert cli.run(["whatif", *arguments, "--format", "json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def by_project(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["project"]: one for one in found["consequences"]}


def moved(consequence: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {move["package"]: (move["from"], move["to"]) for move in consequence["moves"]}


def test_who_breaks_and_who_moves(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, "tokenkit>=0.20", str(root))
    assert (found["changed"], found["held"]) == (["tokens"], ["chat", "old"])
    consequences = by_project(found)
    assert {name: one["breaks"] for name, one in consequences.items()} == {"chat": True, "old": False, "tokens": False}
    assert moved(consequences["old"])["formers"] == ("4.44.2", "4.17.0")  # years back, to before it had an upper bound
    [mine] = [one for one in found["findings"] if one["projects"] == ["chat"]]
    assert {cause["path"] for cause in mine["causes"]} == {"chat/requirements.txt", "(what if)"}
    assert "(what if)" not in mine["hint"]
    assert cli.run(["whatif", "tokenkit>=0.20", str(root)]) == 0
    assert "breaks chat" in capsys.readouterr().out


def test_one_project_alone(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, "tokenkit<0.19", str(root), "--project", "tokens")
    assert found["supposed"] == "tokenkit<0.19 in tokens"
    assert moved(by_project(found)["tokens"]) == {"tokenkit": ("0.20.3", "0.15.2")}
    added = told(capsys, "numlib<2", str(root), "--project", "sound")
    assert "numlib" in by_project(added)["sound"]["after"]["packages"]


def test_the_folder_may_come_last(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, "tokenkit<0.19", "--project", "tokens", str(root))
    assert moved(by_project(found)["tokens"]) == {"tokenkit": ("0.20.3", "0.15.2")}
    with pytest.raises(SystemExit):
        cli.run(["whatif", "tokenkit<0.19", "--project", "tokens", str(root), "more"])
    assert "more" in capsys.readouterr().err


def test_a_requirement_is_loosened_or_dropped(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loose = told(capsys, "formers", str(root))
    assert moved(by_project(loose)["old"])["formers"] == ("4.44.2", "4.46.3")
    for spelling in (["-formers"], ["--drop", "formers"]):
        gone = told(capsys, *spelling, str(root))
        assert moved(by_project(gone)["old"])["formers"] == ("4.44.2", None)


def test_a_lockfile_moves_only_where_it_must(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "old" / "requirements.txt").unlink()
    (root / "old" / "requirements.in").write_text("formers\naudiolib\n", encoding="utf-8")
    (root / "old" / "requirements.txt").write_text(
        "audiolib==1.9.2\nformers==4.29.2\nnumlib==1.24.4\ntokenkit==0.13.3\n", encoding="utf-8"
    )
    found = by_project(told(capsys, "formers<4.46", str(root), "--project", "old"))["old"]
    assert found["after"]["resolves"]
    assert "audiolib" not in moved(found)


def test_a_shared_environment_breaks_though_each_project_stands(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "depdoctor.toml").write_text(
        '[[environment]]\nname = "shared"\nprojects = ["chat", "tokens"]\n', encoding="utf-8"
    )
    found = told(capsys, "tokenkit>=0.20", str(root), "--project", "tokens")
    consequences = by_project(found)
    assert not consequences["tokens"]["breaks"]
    assert consequences["environment shared"]["breaks"]
    [finding] = [one for one in found["findings"] if one["code"] == "DD101"]
    assert finding["projects"] == ["chat", "tokens"]


def test_another_python_and_another_day(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, "--python", "3.12", str(root))
    assert {one["after"]["environment"].partition(" on ")[0] for one in found["consequences"]} == {"Python 3.12"}
    assert found["changed"] == ["chat", "old", "sound", "tokens"]
    earlier = by_project(told(capsys, "--exclude-newer", "2024-03-01", str(root), "--project", "tokens"))
    assert moved(earlier["tokens"]) == {"tokenkit": ("0.20.3", "0.15.2")}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["not a requirement"], "is no requirement"),
        ([], "nothing is supposed"),
        (["numlib", "--project", "nobody"], "there is no project `nobody`"),
        (["--python", "three"], "is no minor version"),
        (["numlib @ https://index.example/numlib.whl"], "comes from no index"),
    ],
)
def test_what_cannot_be_supposed(
    arguments: list[str], message: str, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(root)
    assert cli.run(["whatif", *arguments]) == 2
    assert message in capsys.readouterr().err
