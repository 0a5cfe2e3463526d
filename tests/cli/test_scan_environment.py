"""`scan` of a virtual environment: what is wrong in it already."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import uv
from jsonschema import Draft202012Validator
from wheels import make_wheel, wheel_files

from depdoctor import cli

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "scan-schema.json").read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))


def run(*arguments: str | Path) -> None:
    command = [uv.find_uv_bin(), *map(str, arguments), "--offline", "--no-config", "--no-cache"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


def wheel_requiring(folder: Path, name: str, version: str, *requires: str) -> Path:
    info = f"{name}-{version}.dist-info/METADATA"
    headers = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {one}" for one in requires)]
    metadata = "\n".join(["Metadata-Version: 2.1", *headers, ""]).encode()
    files = {f"{name}/__init__.py": b"", info: metadata}
    return make_wheel(folder, name, version, whole=wheel_files(name, version, files))


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """Two installations on top of one another: the second moved `numlib`, and nobody installed `absent`."""
    run("venv", "--python", sys.executable, tmp_path / "shared")
    for wheel in (
        wheel_requiring(tmp_path, "scorer", "1.0", "numlib<2", "absent>=3"),
        wheel_requiring(tmp_path, "numlib", "2.0"),
    ):
        run("pip", "install", "--python", tmp_path / "shared", "--no-deps", wheel)
    (next((tmp_path / "shared").glob("lib/python*/site-packages")) / "sitecustomize.py").write_text(
        f"open({str(tmp_path / 'mark')!r}, 'w')\n"
    )
    return tmp_path / "shared"


def scanned(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    status = cli.run(["scan", *arguments, "--offline", "--format", "json"])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    Draft202012Validator(SCHEMA).validate(found)
    return status, found


def test_an_environment_is_scanned_by_its_folder(broken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, found = scanned(capsys, str(broken))
    assert status == 1
    assert [(one["code"], one["subject"]) for one in found["findings"]] == [
        ("DD102", "numlib"),
        ("DD604", "absent"),
        ("DD303", str(broken)),
    ]
    assert found["projects"] == []
    (environment,) = found["environments"]
    assert environment["packages"] == 2
    assert environment["python"] == ".".join(map(str, sys.version_info[:3]))
    assert not (broken.parent / "mark").exists()


def test_an_environment_beside_projects(broken: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = tmp_path / "work" / "app"
    project.mkdir(parents=True)
    (project / "requirements.txt").touch()
    assert scanned(capsys, str(project.parent))[1]["environments"] == []
    status, found = scanned(capsys, str(project.parent), "--venv", str(broken))
    assert [one["name"] for one in found["projects"]] == ["app"]
    assert [one["path"] for one in found["environments"]] == [str(broken)]
    assert status == 1
    assert cli.run(["scan", str(project.parent), "--venv", str(tmp_path / "none"), "--offline"]) == 2


def test_the_console_names_the_environment(broken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["scan", str(broken), "--offline"]) == 1
    out = capsys.readouterr().out
    assert "numlib 2.0 is installed, but scorer==1.0 requires `numlib<2`" in " ".join(out.split())
    assert "environment with Python" in out
    assert "no project under" not in out


def test_weights_stand_in_the_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    header = b'{"w":{"dtype":"F16","shape":[2,3],"data_offsets":[0,12]}}'
    content = len(header).to_bytes(8, "little") + header + b"\0" * 12
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "requirements.txt").touch()
        (tmp_path / name / "model.safetensors").write_bytes(content)
    _, found = scanned(capsys, str(tmp_path))
    (weights,) = found["weights"]
    assert weights["dtypes"] == {"F16": 6}
    assert (weights["tensors"], weights["parameters"], weights["size_bytes"]) == (1, 6, len(content))
    assert [file["path"] for file in weights["files"]] == ["a/model.safetensors", "b/model.safetensors"]
