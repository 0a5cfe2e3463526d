"""`build` as a whole: the same plan gives the same images, whoever builds it and wherever; what is left out is told."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import depdoctor
from depdoctor import cli

NOBODY = 65534


def images(folder: Path) -> dict[str, str]:
    """The digest of each image of a folder of layouts."""
    return {
        layout.name: json.loads((layout / "index.json").read_bytes())["manifests"][0]["digest"]
        for layout in folder.iterdir()
    }


def as_nobody() -> list[str]:
    """What runs a command as another user, who may still read our interpreter; nothing where we are not root."""
    if os.geteuid() or not shutil.which("setpriv"):
        return []
    reading = ["--inh-caps", "-all,+dac_read_search", "--ambient-caps", "-all,+dac_read_search"]
    return ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups", *reading]


def interpreters() -> list[str]:
    """This Python, and those of the environments that tox made beside its own before: they hold all that is needed."""
    beside = sorted(Path(sys.prefix).parent.glob("py3*/bin/python"))
    return [sys.executable, *(str(path) for path in beside if path.parent.parent != Path(sys.prefix))]


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder on another file system, which lists its files in another order, where there is one."""
    memory = Path("/dev/shm")
    where = memory if memory.is_dir() and os.access(memory, os.W_OK) else tmp_path
    with tempfile.TemporaryDirectory(dir=where) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def copied_backwards(source: Path, target: Path) -> None:
    """Copy a folder so that its files come into being in the opposite order."""
    target.mkdir(parents=True)
    for path in sorted(source.iterdir(), reverse=True):
        if path.is_dir():
            copied_backwards(path, target / path.name)
        else:
            shutil.copy(path, target / path.name)


def test_digests_depend_on_nothing_but_the_plan(
    package_server: str, tmp_path: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here", elsewhere / "there" / "deeper"
    for name, requirement in {"one": "numlib", "two": "tokenkit"}.items():
        (here / name).mkdir(parents=True)
        (here / name / "requirements.txt").write_text(f"{requirement}\n")
        (here / name / "app.py").write_text("print('ok')\n")
        for number in range(40):
            (here / name / f"part{number}.py").write_text(f"part = {number}\n")
        (here / name / "run.sh").write_text("#!/bin/sh\n")
        (here / name / "run.sh").chmod(0o755)
    (here / "depdoctor.toml").write_text('[image]\nbase = "scratch"\n')
    monkeypatch.setenv("UV_DEFAULT_INDEX", package_server)
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    assert cli.run(["build", str(here), "--quiet", "--output", str(tmp_path / "first")]) == 0
    copied_backwards(here, there)
    for path in (tmp_path, *tmp_path.parents):
        if path.owner() == Path.home().owner() and path != Path("/tmp"):
            path.chmod(path.stat().st_mode | 0o011)
        if path == Path("/tmp"):
            break
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o777)
    environment = dict(os.environ) | {
        "HOME": str(home),
        "TZ": "Pacific/Auckland",
        "LC_ALL": "C",
        "LANG": "tr_TR",
        "PYTHONHASHSEED": "7",
    }
    assert len(images(tmp_path / "first")) == 2
    for number, python in enumerate(interpreters()):
        output, cache = home / f"images{number}", home / f"cache{number}"
        own = python == sys.executable
        found = [path for path in sys.path if path] if own else [str(Path(depdoctor.__file__).parent.parent)]
        for _ in range(2):  # the second run takes what it can from the store
            done = subprocess.run(
                [*as_nobody(), python, "-m", "depdoctor", "build", str(there), "--output", str(output)],
                env={**environment, "DEPDOCTOR_CACHE_DIR": str(cache), "PYTHONPATH": os.pathsep.join(found)},
                umask=0o077,
                cwd=home,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            assert images(output) == images(tmp_path / "first"), python
            if as_nobody():
                assert output.stat().st_uid == NOBODY
            shutil.rmtree(output)


def test_project_left_out_of_a_build_is_told(
    package_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, requirement in {"one": "numlib", "two": "numlib==99"}.items():
        (tmp_path / "fleet" / name).mkdir(parents=True)
        (tmp_path / "fleet" / name / "requirements.txt").write_text(f"{requirement}\n")
    (tmp_path / "fleet" / "depdoctor.toml").write_text('[image]\nbase = "scratch"\n')
    monkeypatch.setenv("UV_DEFAULT_INDEX", package_server)
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    assert cli.run(["build", str(tmp_path / "fleet"), "--output", str(tmp_path / "images")]) == 0
    assert "no image for two: " in capsys.readouterr().err
    assert list(images(tmp_path / "images")) == ["one"]


def test_layouts_are_written_of_what_needs_no_engine(
    package_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, requirement in {"one": "numlib", "two": "fastkernels"}.items():
        (tmp_path / "fleet" / name).mkdir(parents=True)
        (tmp_path / "fleet" / name / "requirements.txt").write_text(f"{requirement}\n")
    (tmp_path / "fleet" / "depdoctor.toml").write_text('[image]\nbase = "scratch"\n')
    monkeypatch.setenv("UV_DEFAULT_INDEX", package_server)
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    build = ["build", str(tmp_path / "fleet"), "--output", str(tmp_path / "images")]
    assert cli.run(build) == 0
    told = capsys.readouterr().err.replace("\n", " ")
    assert "no layout for two, since it has source distributions to build: fastkernels==2.7.0" in told
    assert list(images(tmp_path / "images")) == ["one"]
    assert cli.run([*build, "--image", "two"]) == 2
    assert "--load or --push" in capsys.readouterr().err
