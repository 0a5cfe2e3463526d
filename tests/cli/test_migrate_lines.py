"""`migrate` loses nothing: lines of a requirements file that stands, and imports that no line declares."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from wheels import make_wheel, wheel_files

from depdoctor import cli

Migrate = Callable[..., dict[str, dict[str, Any]]]

RELEASES = {
    "cloudlib-auth": ("2.0", {"cloudlib/auth/__init__.py": b"", "cloudlib/auth/keys.py": b""}),
    "cloudlib-core": ("1.0", {"cloudlib/core.py": b""}),
    "cloudlib-store": ("3.0", {"cloudlib/store/v1/__init__.py": b""}),
    "drawer": ("1.5", {"drawer/__init__.py": b""}),
    "webkit": ("4.0", {"webkit/__init__.py": b""}),
}


def put(place: Path, files: Mapping[str, bytes]) -> None:
    for path, content in files.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_bytes(content)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    place = tmp_path / "venv" / "lib" / "python3.11" / "site-packages"
    (tmp_path / "fleet" / "wheels").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "fleet")
    (tmp_path / "fleet" / "depdoctor.toml").write_text('find-links = ["wheels"]\n', encoding="utf-8")
    for name, (version, files) in RELEASES.items():
        make_wheel(tmp_path / "fleet" / "wheels", name.replace("-", "_"), version, files)
        put(place, wheel_files(name.replace("-", "_"), version, files))
    return tmp_path / "fleet"


@pytest.fixture
def migrate(root: Path, capsys: pytest.CaptureFixture[str]) -> Migrate:
    def run(output: str = "../out") -> dict[str, dict[str, Any]]:
        arguments = ["migrate", "--venv", "../venv", "--output", output, "--offline", "--format", "json"]
        assert cli.run(arguments) == 0
        return {one["name"]: one for one in json.loads(capsys.readouterr().out)["projects"]}

    return run


def project(root: Path, name: str, code: str, requirements: str | None = None) -> Path:
    (root / name).mkdir(parents=True, exist_ok=True)
    (root / name / "app.py").write_text(code, encoding="utf-8")
    if requirements is not None:
        (root / name / "requirements.txt").write_bytes(requirements.encode())
    return root / name


def applied(root: Path, *arguments: str) -> None:
    subprocess.run(["git", "apply", *arguments, "../out/changes.diff"], cwd=root, check=True)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_is_no_requirement_stays(root: Path, migrate: Migrate, end: str) -> None:
    (root / "common").mkdir()
    (root / "common" / "base.txt").write_text("drawer\n", encoding="utf-8")
    (root / "common" / "limits.txt").write_text("webkit<4\n", encoding="utf-8")
    text = end.join(
        [
            "# ask Anna first",
            "--find-links ../wheels",
            "-r ../common/base.txt",
            "-c ../common/limits.txt",
            'winshell ; sys_platform == "win32"',
            "webkit>=3 \\",
            "    --hash=sha256:" + "0" * 64 + "  # serves",
            "webkit",
            "",
            "-e ../lib",
        ]
    )
    put(root / "lib", {"pyproject.toml": b'[project]\nname = "lib"\nversion = "1"\n', "lib/__init__.py": b""})
    there = project(root, "chat", "import webkit\n", text) / "requirements.txt"
    told = migrate()["chat"]
    assert told["packages"] == ["drawer==1.5", "webkit==4.0"]
    (remark,) = told["remarks"]
    assert "the constraint `webkit<4` excludes the installed 4.0, and is left out" in remark
    applied(root)
    assert there.read_bytes().decode().split(end) == [
        "# what chat itself needs, pinned as it was installed",
        "-c constraints.installed.txt",
        "# ask Anna first",
        "--find-links ../wheels",
        "-r ../common/base.txt",
        'winshell ; sys_platform == "win32"',
        "webkit==4.0  # serves",
        "",
        "-e ../lib",
        "drawer==1.5  # common/base.txt:1",
        "",
    ]
    applied(root, "-R")
    assert there.read_bytes().decode() == text


@pytest.mark.parametrize("lines", ["webkit\nwebkit[fast,slow]>=3\n", "webkit[slow]\nwebkit[fast]\n"])
def test_extras_of_all_lines_count(root: Path, migrate: Migrate, lines: str) -> None:
    project(root, "chat", "", lines)
    assert [one["requirement"] for one in migrate()["chat"]["requirements"]] == ["webkit[fast,slow]==4.0"]


def test_every_line_that_cannot_be_pinned_counts(root: Path, migrate: Migrate) -> None:
    project(root, "chat", "", "webkit<4\nwebkit!=3.1\n")
    assert [one["requirement"] for one in migrate()["chat"]["requirements"]] == ["webkit!=3.1,<4"]


def test_what_was_applied_is_changed_no_more(root: Path, migrate: Migrate) -> None:
    project(root, "chat", "import drawer\n", "webkit\n")
    project(root, "rank", "import cloudlib.auth\n")
    (root / "rank" / "Dockerfile").write_text("FROM python:3.11\n", encoding="utf-8")
    project(root, "locked", "", f"webkit==4.0 \\\n    --hash=sha256:{'0' * 64}\n")
    migrate()
    applied(root)
    assert f"webkit==4.0 \\\n    --hash=sha256:{'0' * 64}\n" in (root / "locked" / "requirements.txt").read_text()
    migrate("../again")
    assert (root.parent / "again" / "changes.diff").read_text() == ""


def test_imports_of_a_namespace_mean_the_part_that_they_name(root: Path, migrate: Migrate) -> None:
    project(root, "chat", "from cloudlib.auth import login\nfrom cloudlib.store import v1\n", "")
    project(root, "rank", "import cloudlib\n", "")
    told = migrate()
    assert [one["requirement"] for one in told["chat"]["requirements"]] == ["cloudlib-auth==2.0", "cloudlib-store==3.0"]
    assert told["chat"]["remarks"] == [
        "chat/app.py:1: `cloudlib.auth` is imported and was not declared",
        "chat/app.py:2: `cloudlib.store.v1` is imported and was not declared",
    ]
    assert "cloudlib-auth and cloudlib-core and cloudlib-store install it" in told["rank"]["remarks"][0]


def test_an_import_that_is_left_out_is_told(root: Path, migrate: Migrate) -> None:
    project(root, "chat", "def draw():\n    import drawer\ntry:\n    import webkit\nexcept ImportError: ...\n", "")
    project(root, "rank", "import nowhere, beside\nimport webkit\ndef serve():\n    import webkit\n", "")
    (root / "beside.py").write_text("", encoding="utf-8")  # an image has that, too
    notebook = {"cells": [{"cell_type": "code", "source": "import drawer"}], "metadata": {}, "nbformat": 4}
    project(root, "look", "", "webkit\n").joinpath("look.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    told = migrate()
    late = "is imported where it may fail, or late, and is left out"
    assert told["chat"]["remarks"] == [
        f"chat/app.py:2: `drawer` {late}: add `drawer==1.5` if it is needed",
        f"chat/app.py:4: `webkit` {late}: add `webkit==4.0` if it is needed",
    ]
    assert (
        "rank/app.py:1: `nowhere` is imported, and nothing that is installed is known to bring it"
        in (told["rank"]["remarks"])
    )
    assert not any(late in one or "`beside`" in one for one in told["rank"]["remarks"])
    assert told["look"]["remarks"] == [
        "look/look.ipynb: `drawer` is imported in a notebook, and is left out: add `drawer==1.5` if it is needed"
    ]


def test_what_is_installed_from_a_folder_is_no_name_on_an_index(root: Path, migrate: Migrate) -> None:
    put(root / "lib", {"pyproject.toml": b'[project]\nname = "acme-lib"\nversion = "1"\n'})
    put(root / "lib", {"src/sharedlib/__init__.py": b""})
    files = wheel_files("acme_lib", "1", {"__editable__.acme_lib-1.pth": b""})
    source = json.dumps({"url": (root / "lib").as_uri(), "dir_info": {"editable": True}}).encode()
    put(root.parent / "venv/lib/python3.11/site-packages", {**files, "acme_lib-1.dist-info/direct_url.json": source})
    project(root, "chat", "import sharedlib\n", "")
    project(root, "rank", "import sharedlib\n", "-e ../lib\n")
    told = migrate()
    assert told["chat"]["requirements"] == []
    (remark,) = told["chat"]["remarks"]
    assert "`sharedlib` is imported, and acme-lib is installed from file:///" in remark
    assert told["rank"]["remarks"] == []
    report = (root.parent / "out" / "report.md").read_text(encoding="utf-8")
    assert "- drawer 1.5" in report
    assert "- acme-lib" not in report


@pytest.mark.parametrize("kind", ["latin-1", "link"])
def test_a_file_that_no_patch_fits_stops_nobody(root: Path, migrate: Migrate, kind: str) -> None:
    there = project(root, "chat", "", "# für alle\nwebkit\n") / "requirements.txt"
    if kind == "link":
        there.rename(root / "all.txt")
        there.symlink_to("../all.txt")
    else:
        there.write_bytes("# für alle\nwebkit\n".encode("latin-1"))
    project(root, "rank", "", "drawer\n")
    told = migrate()
    assert any("take over `chat/requirements.txt.new` by hand" in remark for remark in told["chat"]["remarks"])
    assert "webkit==4.0" in (root.parent / "out/chat/requirements.txt.new").read_text(encoding="utf-8")
    applied(root)
    assert "drawer==1.5" in (root / "rank" / "requirements.txt").read_text(encoding="utf-8")
    assert b"webkit==" not in there.read_bytes()


@pytest.fixture
def newer(root: Path) -> None:
    (root.parent / "venv/lib/python3.11").rename(root.parent / "venv/lib/python3.12")
    (root.parent / "venv/pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.12.4\n", encoding="utf-8")


@pytest.mark.usefixtures("newer")
def test_the_python_of_the_environment_is_kept(root: Path, migrate: Migrate) -> None:
    project(root, "chat", "", "webkit\n")
    project(root, "rank", "", "webkit\n")
    (root / "rank" / "runtime.txt").write_text("python-3.11.4\n", encoding="utf-8")
    told = migrate()
    assert told["chat"]["remarks"] == [
        "no file of the project names a Python: the patch has `.python-version` say 3.12, as the environment has it"
    ]
    assert told["rank"]["remarks"] == [
        "the environment has Python 3.12, and the image gets 3.11, which the project asks for"
    ]
    applied(root)
    assert (root / "chat" / ".python-version").read_text(encoding="utf-8") == "3.12\n"
    assert not (root / "rank" / ".python-version").exists()
    assert migrate("../again")["chat"]["remarks"] == []
    assert (root.parent / "again" / "changes.diff").read_text(encoding="utf-8") == ""


@pytest.mark.usefixtures("newer")
def test_a_python_that_the_project_refuses_is_not_written(root: Path, migrate: Migrate) -> None:
    project(root, "chat", "")
    text = '[project]\nname = "chat"\nversion = "1"\nrequires-python = "<3.12"\n'
    (root / "chat" / "pyproject.toml").write_text(text, encoding="utf-8")
    assert migrate()["chat"]["remarks"] == [
        "the environment has Python 3.12, and the image gets 3.11, which the project asks for"
    ]


def test_packages_of_the_python_underneath_are_told_not_to_be_read(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = "home = /usr/bin\ninclude-system-site-packages = true\nversion = 3.11.9\n"
    (root.parent / "venv/pyvenv.cfg").write_text(settings, encoding="utf-8")
    project(root, "chat", "", "webkit\n")
    assert cli.run(["migrate", "--venv", "../venv", "--offline", "--output", "../out"]) == 0
    assert "has the packages of its own Python too (/usr/bin), and these were not read" in " ".join(
        capsys.readouterr().out.split()
    )
    assert "## What was not read" in (root.parent / "out/report.md").read_text(encoding="utf-8")


def test_of_one_folder_the_next_step_is_taken_there(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project(root, "a chat", "", "webkit\n")
    assert cli.run(["migrate", "--venv", "../venv", "--offline", "--output", "../out", "a chat"]) == 0
    said = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("next: "))
    subprocess.run(["sh", "-ec", said.removeprefix("next: ")], cwd=root, check=True)
    assert "webkit==4.0" in (root / "a chat" / "requirements.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("tool", [["git", "apply"], ["patch", "-p1", "-s", "-i"]])
@pytest.mark.parametrize("name", ["a chat", 'quo"te', "back\\slash", "two\nlines", "bad\udcff", "mod\u00e8le"])
def test_a_patch_fits_folders_of_any_name(root: Path, migrate: Migrate, name: str, tool: list[str]) -> None:
    if not shutil.which(tool[0]):
        pytest.skip(f"no {tool[0]} here")
    project(root, name, "", "webkit\n")
    migrate()
    subprocess.run([*tool, "../out/changes.diff"], cwd=root, check=True)
    assert "webkit==4.0" in (root / name / "requirements.txt").read_text(encoding="utf-8")
    assert sorted(one.name for one in root.iterdir()) == sorted({name, "depdoctor.toml", "wheels"})


def test_a_compiled_file_is_written_anew_unless_it_has_what_is_installed(root: Path, migrate: Migrate) -> None:
    compiled = (
        "# autogenerated by pip-compile\n--find-links ../wheels\nwebkit=={} \\\n    --hash=sha256:{}\n    # via me\n"
    )
    for name, version in (("chat", "3.0"), ("rank", "4.0")):
        there = project(root, name, "", compiled.format(version, "0" * 64))
        (there / "requirements.in").write_text("webkit\n", encoding="utf-8")
    migrate()
    applied(root)
    assert (root / "chat" / "requirements.txt").read_text(encoding="utf-8").splitlines() == [
        "# what chat itself needs, pinned as it was installed",
        "-c constraints.installed.txt",
        "--find-links ../wheels",
        "webkit==4.0  # chat/requirements.in:1",
    ]
    assert (root / "rank" / "requirements.txt").read_text(encoding="utf-8") == compiled.format("4.0", "0" * 64)
    migrate("../again")
    assert (root.parent / "again" / "changes.diff").read_text(encoding="utf-8") == ""


def test_a_lockfile_that_a_plan_would_take_is_told(root: Path, migrate: Migrate) -> None:
    project(root, "chat", "import drawer\n")
    text = '[project]\nname = "chat"\nversion = "1"\ndependencies = ["webkit"]\n'
    (root / "chat" / "pyproject.toml").write_text(text, encoding="utf-8")
    lock = ["version = 1", "[[package]]", 'name = "chat"', 'version = "1"', 'source = { virtual = "." }']
    lock += ['dependencies = [{ name = "webkit" }]', "[[package]]", 'name = "webkit"', 'version = "3.0"']
    lock += ['source = { registry = "https://index.example/simple" }']
    (root / "chat" / "uv.lock").write_text("\n".join(lock), encoding="utf-8")
    assert migrate()["chat"]["remarks"][-1] == (
        "chat/uv.lock is what a plan takes, and has webkit 3.0 (installed: 4.0), no drawer: lock anew, or remove it"
    )
