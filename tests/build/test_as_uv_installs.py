"""An image's environment holds what uv installs, file by file, but for the files that tell of the installer."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import uv
from wheels import make_wheel, wheel_files

from depdoctor import cli
from depdoctor.model.image import ENVIRONMENT_ROOT

HERE = "{}.{}".format(*sys.version_info)

TELLING = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"}
"""The files of a `.dist-info` that tell who installed it, from where and why; RECORD lists them."""

ENTRY_POINTS = b"[console_scripts]\ntool = tool.cli:main\n\n[gui_scripts]\nwindow = tool.cli:main [extra]\n"
WHEELS = {
    "plain": {"plain/__init__.py": b"x = 1\n", "plain/data.bin": bytes(range(256)), "plain/sub/__init__.py": b""},
    "tool": {"tool/cli.py": b"def main(): ...\n", "tool-1.0.dist-info/entry_points.txt": ENTRY_POINTS},
    "spread": {
        "spread.py": b"x = 1\n",
        "spread-1.0.data/scripts/spread-run": b"#!python\nprint('run')\n",
        "spread-1.0.data/scripts/spread-window": b"#!pythonw\nprint('window')\n",
        "spread-1.0.data/scripts/spread-sh": b"#!/bin/sh\necho run\n",
        "spread-1.0.data/purelib/spread_pure/__init__.py": b"pure = True\n",
        "spread-1.0.data/platlib/spread_plat/__init__.py": b"plat = True\n",
        "spread-1.0.data/data/share/spread/notes.txt": b"notes\n",
        "spread-1.0.data/data/etc/spread.conf": b"[spread]\n",
        "spread-1.0.data/headers/spread.h": b"#define SPREAD 1\n",
    },
}


def uv_run(*arguments: str, cache: Path) -> None:
    """Run uv by itself, whatever this machine configures."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("UV_", "VIRTUAL_ENV"))}
    command = [uv.find_uv_bin(), *arguments, "--no-config", "--cache-dir", str(cache)]
    subprocess.run(command, env=environment, check=True, capture_output=True)


def installed(house: Path, venv: Path) -> dict[str, tuple[bytes, bool]]:
    """What uv adds to an empty environment: content, and whether it can be run, by path."""
    cache = venv.with_name("cache")
    uv_run("venv", "--python", sys.executable, str(venv), cache=cache)
    before = {path for path in venv.rglob("*") if not path.is_dir()}
    python = ("--python", str(venv / "bin" / "python"))
    uv_run("pip", "install", *python, "--no-index", "--find-links", str(house), *WHEELS, cache=cache)
    own, theirs = str(venv).encode(), ENVIRONMENT_ROOT.encode()
    return {
        path.relative_to(venv).as_posix(): (path.read_bytes().replace(own, theirs), os.access(path, os.X_OK))
        for path in venv.rglob("*")
        if not path.is_dir() and path not in before and path.name != ".lock"
    }


def held(layout: Path) -> dict[str, tuple[bytes, bool]]:
    """What the layers of an image hold in its environment, but for the empty environment."""
    found: dict[str, tuple[bytes, bool]] = {}
    for blob in (layout / "blobs" / "sha256").iterdir():
        if blob.read_bytes()[:2] != b"\x1f\x8b":
            continue
        with tarfile.open(blob) as layer:
            members = layer.getmembers()
            if any(member.name.endswith("pyvenv.cfg") for member in members):
                continue
            for member in members:
                name = f"/{member.name}".removeprefix(f"{ENVIRONMENT_ROOT}/")
                content = layer.extractfile(member)
                if content and not name.startswith("/"):
                    found[name] = content.read(), bool(member.mode & 0o100)
    return found


@pytest.mark.skipif(os.name != "posix", reason="scripts are other files on Windows")
def test_files_are_those_that_uv_installs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house, root = tmp_path / "house", tmp_path / "fleet"
    (root / "one").mkdir(parents=True)
    house.mkdir()
    for name, files in WHEELS.items():
        make_wheel(house, name, "1.0", whole=wheel_files(name, "1.0", files))
    (root / "one" / "requirements.txt").write_text("\n".join(WHEELS))
    (root / "depdoctor.toml").write_text(
        f'python = "{HERE}"\nindex-url = "{house.as_uri()}"\nfind-links = ["{house.as_uri()}"]\n'
        '[image]\nbase = "scratch"\n'
    )
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "depdoctor"))
    monkeypatch.setenv("UV_FIND_LINKS", str(house))
    assert cli.run(["plan", str(root), "--quiet"]) == 0
    assert cli.run(["build", str(root), "--output", str(tmp_path / "images"), "--quiet"]) == 0
    ours, theirs = held(tmp_path / "images" / "one"), installed(house, tmp_path / "venv")
    telling = {path for path in ours.keys() | theirs.keys() if Path(path).name in TELLING}
    assert ours.keys() - telling == theirs.keys() - telling
    assert len(ours.keys() - telling) > sum(map(len, WHEELS.values()))
    for path in sorted(ours.keys() - telling):
        assert ours[path] == theirs[path], path
