from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shared_environment import PROJECTS, fleet, installed
from wheels import make_wheel

from depdoctor import cli, planfile

Migrate = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory, package_server: str) -> Path:
    return installed(tmp_path_factory.mktemp("shared") / "venv", package_server)


@pytest.fixture
def root(tmp_path: Path, package_server: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UV_DEFAULT_INDEX", package_server)
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "fleet").mkdir()
    monkeypatch.chdir(tmp_path / "fleet")
    return fleet(tmp_path / "fleet")


@pytest.fixture
def migrate(root: Path, venv: Path, capsys: pytest.CaptureFixture[str]) -> Migrate:
    def run(*arguments: str, source: tuple[str, str] | None = None) -> dict[str, Any]:
        flag, path = source or ("--venv", str(venv))
        assert cli.run(["migrate", flag, path, "--output", "../out", "--format", "json", *arguments]) == 0
        told: dict[str, Any] = json.loads(capsys.readouterr().out)
        return told

    return run


def prints(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def lines(text: str) -> list[str]:
    return [line.partition("  #")[0] for line in text.splitlines() if not line.startswith("#")]


def test_each_project_gets_what_it_needs_as_it_was_installed(root: Path, migrate: Migrate) -> None:
    told = migrate()
    wanted = {one["name"]: [each["requirement"] for each in one["requirements"]] for one in told["projects"]}
    assert wanted == {
        "chat": ["chatchain==0.3.0", "tokenkit==0.19.1"],
        "hub": ["hubclient==0.23.1", "numlib<2"],
        "rank": ["numlib==2.1.3"],
    }
    moved = {one["name"]: one["moved"] for one in told["projects"]}
    assert moved == {
        "chat": [],
        "hub": [{"name": "numlib", "installed": "2.1.3", "resolved": "1.26.4"}],
        "rank": [],
    }
    assert all(one["reason"] is None for one in told["projects"])
    remarks = {one["name"]: one["remarks"] for one in told["projects"]}
    assert remarks["chat"] == ["chat/app.py:2: `tokenkit` is imported and was not declared"]
    assert remarks["hub"] == [
        "hub/requirements.txt:2: `numlib<2` excludes the installed 2.1.3: the project ran outside its own line"
    ]
    assert [one.partition(" ")[0] for one in told["unneeded"]] == ["audiolib"]
    assert [(one["package"], one["installed"], len(one["wants"])) for one in told["contested"]] == [
        ("numlib", "2.1.3", 2)
    ]
    assert ("DD102", "numlib") in [(one["code"], one["subject"]) for one in told["findings"]]
    assert lines((root / "../out/chat/constraints.installed.txt.new").read_text()) == [
        "chatchain==0.3.0",
        "tokenkit==0.19.1",
    ]


def test_nothing_is_changed_and_the_patch_goes_there_and_back(root: Path, venv: Path, migrate: Migrate) -> None:
    before, environment = prints(root), prints(venv)
    told = migrate()
    assert (prints(root), prints(venv)) == (before, environment)
    assert all(path.endswith((".new", "changes.diff", "report.md")) for path in told["files"])
    subprocess.run(["git", "apply", "../out/changes.diff"], cwd=root, check=True)
    assert lines((root / "hub/requirements.txt").read_text()) == [
        "-c constraints.installed.txt",
        "hubclient==0.23.1",
        "numlib<2",
    ]
    for name in PROJECTS:
        new = root.parent / "out" / name / "requirements.txt.new"
        assert (root / name / "requirements.txt").read_bytes() == new.read_bytes()
    subprocess.run(["git", "apply", "-R", "../out/changes.diff"], cwd=root, check=True)
    assert prints(root) == before


def test_the_patched_fleet_locks_to_what_was_promised(
    root: Path, migrate: Migrate, capsys: pytest.CaptureFixture[str]
) -> None:
    promised = {one["name"]: set(one["packages"]) for one in migrate()["projects"]}
    subprocess.run(["git", "apply", "../out/changes.diff"], cwd=root, check=True)
    assert cli.run(["plan", ".", "--base", "scratch", "--format", "json"]) == 0
    capsys.readouterr()
    plan = planfile.load(root / planfile.PLAN_NAME)
    assert {image.project: set(map(str, plan.pins(image))) for image in plan.images} == promised


@pytest.mark.parametrize("text", ["-requirements", "no line at its end", "\r\n"])
def test_requirements_of_any_shape_are_patched(text: str, root: Path, migrate: Migrate) -> None:
    content = {"-requirements": "# -- a\n++ b\n", "\r\n": "numlib>=2\r\n"}.get(text, "numlib>=2")
    (root / "rank/requirements.txt").write_bytes(content.encode())
    before = prints(root)
    migrate()
    subprocess.run(["git", "apply", "../out/changes.diff"], cwd=root, check=True)
    subprocess.run(["git", "apply", "-R", "../out/changes.diff"], cwd=root, check=True)
    assert prints(root) == before


def test_a_project_that_declares_nothing_gets_what_it_imports(root: Path, migrate: Migrate) -> None:
    (root / "rank/requirements.txt").unlink()
    (root / "rank/pyproject.toml").write_text('[project]\nname = "rank"\nversion = "1"\n', encoding="utf-8")
    told = next(one for one in migrate()["projects"] if one["name"] == "rank")
    assert [one["requirement"] for one in told["requirements"]] == ["numlib==2.1.3"]
    subprocess.run(["git", "apply", "../out/changes.diff"], cwd=root, check=True)
    assert "numlib==2.1.3" in (root / "rank/requirements.txt").read_text()


def test_some_projects_and_a_freeze_will_do(root: Path, venv: Path, migrate: Migrate) -> None:
    freeze = root.parent / "freeze.txt"
    freeze.write_text("chatchain==0.3.0\ntokenkit==0.19.1\nnumlib==2.1.3\naudiolib==1.0\n", encoding="utf-8")
    told = migrate("chat", "rank", source=("--freeze", str(freeze)))
    assert {one["name"]: one["packages"] for one in told["projects"]} == {
        "chat": ["chatchain==0.3.0", "tokenkit==0.19.1"],
        "rank": ["numlib==2.1.3"],
    }
    assert told["unneeded"] == ["audiolib 1.0"]


def test_without_an_index_it_says_what_is_not_known(
    root: Path, migrate: Migrate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(root.parent / "empty"))
    told = migrate("--offline")
    assert all(one["reason"] for one in told["projects"])
    assert told["unneeded"] is None
    assert "numlib==2.1.3" in (root.parent / "out/rank/requirements.txt.new").read_text()
    assert not os.path.lexists(root.parent / "out/rank/constraints.installed.txt.new")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--venv", "nowhere"], "there is no `nowhere`"),
        (["--venv", "chat"], "no package is installed"),
        (["--freeze", "chat/app.py"], "no package is installed"),
    ],
)
def test_what_is_no_environment_is_refused(
    arguments: list[str], words: str, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["migrate", *arguments]) == 2
    assert words in capsys.readouterr().err
    assert not (root / "migration").exists()


def test_a_folder_that_stands_is_not_written_to(root: Path, venv: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["migrate", "--venv", str(venv), "--output", "chat"]) == 2
    assert "writes over nothing" in capsys.readouterr().err


def test_a_terminal_is_told_what_to_do_next(root: Path, venv: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["migrate", "--venv", str(venv), "--output", "../out"]) == 0
    out = capsys.readouterr().out
    assert "hub  2 packages, 1 not as installed; 1 to check by hand" in out
    assert "needed by no project: audiolib" in out
    assert "git apply ../out/changes.diff" in out


def test_of_several_environments_each_project_goes_with_what_fits_it(
    root: Path, venv: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "voice").mkdir()
    (root / "voice" / "requirements.txt").write_text("audiolib\nformers\n", encoding="utf-8")
    freeze = tmp_path / "freeze.txt"
    freeze.write_text("audiolib==1.9.2\nformers==4.44.2\nnumlib==1.26.4\ntokenkit==0.19.1\nplotkit==3.5.1\n")
    arguments = ["--venv", str(venv), "--freeze", str(freeze), "--output", "../out", "--format", "json"]
    assert cli.run(["migrate", *arguments]) == 0
    told = json.loads(capsys.readouterr().out)
    wanted = {one["name"]: [each["requirement"] for each in one["requirements"]] for one in told["projects"]}
    assert wanted["voice"] == ["audiolib==1.9.2", "formers==4.44.2"]
    assert wanted["chat"] == ["chatchain==0.3.0", "tokenkit==0.19.1"]
    assert all(one["moved"] == [] for one in told["projects"] if one["name"] in {"voice", "chat"})
    assert {one.partition(" in ")[0].partition(" ")[0] for one in told["unneeded"]} == {"audiolib", "plotkit"}
    assert f"plotkit 3.5.1 in {freeze.as_posix()}" in told["unneeded"]


def test_a_freeze_without_files_knows_modules_by_name(root: Path, tmp_path: Path, migrate: Migrate) -> None:
    links = root / "chat" / "links"
    links.mkdir()
    make_wheel(links, "pyyaml", "6.0.3")
    (root / "chat/requirements.txt").write_text("--find-links links\n", encoding="utf-8")
    (root / "chat/app.py").write_text("import numlib\nimport yaml\n", encoding="utf-8")
    (tmp_path / "freeze.txt").write_text("PyYAML==6.0.3\nnumlib==1.26.4\naudiolib==1.9.2\n", encoding="utf-8")
    told = migrate("chat", source=("--freeze", str(tmp_path / "freeze.txt")))
    (chat,) = told["projects"]
    assert [one["requirement"] for one in chat["requirements"]] == ["numlib==1.26.4", "pyyaml==6.0.3"]
    assert told["unneeded"] == ["audiolib 1.9.2"]


def test_a_freeze_of_a_conda_environment_says_what_it_does_not_tell(
    root: Path, tmp_path: Path, migrate: Migrate
) -> None:
    (tmp_path / "freeze.txt").write_text("numlib @ file:///croot/numlib_1707/work\n", encoding="utf-8")
    (rank,) = [
        one for one in migrate(source=("--freeze", str(tmp_path / "freeze.txt")))["projects"] if one["name"] == "rank"
    ]
    assert any("`pip list --format freeze` may tell" in remark for remark in rank["remarks"])


@pytest.fixture
def conda(venv: Path, tmp_path: Path) -> Path:
    """The shared environment as conda lays one down: its installer's name, its builders' folders, its records."""
    prefix = tmp_path / "miniconda3" / "envs" / "ml"
    (packages,) = (venv / "lib").glob("python*/site-packages")
    place = prefix / "lib" / "python3.11" / "site-packages"
    shutil.copytree(packages, place)
    (prefix / "conda-meta").mkdir()
    (prefix / "conda-meta" / "history").write_text("==> 2026-01-31 08:00:00 <==\n", encoding="utf-8")

    def record(name: str, version: str, files: list[str], asked: str) -> None:
        stated = {"name": name, "version": version, "build": "0", "files": files, "requested_spec": asked}
        (prefix / "conda-meta" / f"{name}-{version}-0.json").write_text(json.dumps(stated), encoding="utf-8")

    for folder in place.glob("*.dist-info"):
        (folder / "INSTALLER").write_text("conda\n", encoding="utf-8")
        built = {"dir_info": {}, "url": f"file:///home/conda/feedstock_root/build_artifacts/{folder.name}/work"}
        (folder / "direct_url.json").write_text(json.dumps(built), encoding="utf-8")
        name, version = folder.name.removesuffix(".dist-info").split("-")
        record(name, version, [f"{folder.relative_to(prefix).as_posix()}/METADATA"], name)
    record("python", "3.11.9", ["bin/python3.11"], "python=3.11")
    record("ffmpeg", "6.1.1", ["bin/ffmpeg"], "conda-forge::ffmpeg")
    record("cudatoolkit", "11.8.0", ["lib/libcudart.so.11.8.89"], "cudatoolkit=11.8")
    record("libgcc-ng", "13.2.0", ["lib/libgcc_s.so.1"], "None")
    (prefix / "conda-meta" / "broken-1-0.json").write_text("{", encoding="utf-8")
    return prefix


def test_a_conda_environment_is_as_good(
    root: Path, venv: Path, conda: Path, migrate: Migrate, capsys: pytest.CaptureFixture[str]
) -> None:
    told = migrate(source=("--venv", str(conda)))
    shutil.rmtree(root.parent / "out")
    plain = migrate()
    assert told["tools"] == ["cudatoolkit 11.8.0", "ffmpeg 6.1.1"]
    assert plain["tools"] == []
    assert told["projects"] == plain["projects"]
    assert told["unneeded"] == plain["unneeded"]
    assert cli.run(["migrate", "--venv", str(conda), "--output", "../other"]) == 0
    assert "no Python package: cudatoolkit 11.8.0, ffmpeg 6.1.1" in capsys.readouterr().out
    assert "- ffmpeg 6.1.1" in (root.parent / "other" / "report.md").read_text()


def test_nothing_is_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["migrate"]) == 2
    assert "--venv DIR" in capsys.readouterr().err


def test_a_library_that_the_image_lacks_is_told(root: Path, tmp_path: Path, migrate: Migrate) -> None:
    (root / "boost" / "links").mkdir(parents=True)
    make_wheel(root / "boost" / "links", "lightgbm", "4.6.0")
    (root / "boost" / "requirements.txt").write_text("--find-links links\nlightgbm\n", encoding="utf-8")
    (tmp_path / "freeze.txt").write_text("lightgbm==4.6.0\n", encoding="utf-8")
    told = migrate("boost", source=("--freeze", str(tmp_path / "freeze.txt")))
    (remark,) = told["projects"][0]["remarks"]
    assert remark.startswith("lightgbm needs `libgomp.so.1` of the operating system at import")
    assert 'system-packages = ["libgomp1"]' in remark
