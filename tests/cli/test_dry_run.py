"""`build --dry-run` and `push --dry-run` tell what would be done, and do nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from registry_server import serving

from depdoctor import cli


@pytest.fixture
def root(package_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("one", "two"):
        folder = tmp_path / "root" / name
        folder.mkdir(parents=True)
        (folder / "requirements.txt").write_text("numlib\n" if name == "one" else "numlib\ntokenkit\n")
        (folder / "app.py").write_text(f"print('{name}')\n")
    (tmp_path / "root" / "depdoctor.toml").write_text('[image]\nbase = "scratch"\n')
    monkeypatch.setenv("UV_DEFAULT_INDEX", package_server)
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert cli.run(["plan", str(tmp_path / "root"), "--quiet"]) == 0
    return tmp_path / "root"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert cli.run([*arguments, "--format", "json", "--quiet"]) == 0
    images: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["images"]
    return images


def test_a_dry_run_tells_what_a_run_then_does(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = root.parent / "cache" / "store" / "blobs"
    with serving() as fake:
        push = ("push", str(root), "--to", f"{fake.host}/team")
        before = run(capsys, *push, "--dry-run")
        assert not store.exists()
        assert {method for method, _ in fake.requests} <= {"HEAD"}
        assert {one["name"] for one in before} == {"one", "two"}
        assert sum(len(one["fetch"]) for one in before) >= 2, "each wheel is named once"
        names = [file["filename"] for one in before for file in one["fetch"]]
        assert len(names) == len(set(names))
        assert all(one["is_estimate"] and one["push_bytes"] for one in before)
        assert run(capsys, "build", str(root), "--output", str(root.parent / "images"))
        built = run(capsys, *push, "--dry-run")
        assert not any(one["fetch"] or one["make"] or one["is_estimate"] or one["stands"] for one in built)
        pushed = run(capsys, *push)
        assert sum(one["push_bytes"] for one in built) == sum(one["uploaded_bytes"] for one in pushed)
        after = run(capsys, *push, "--dry-run")
        assert all(one["stands"] and not one["push_bytes"] for one in after)


def test_people_are_told_in_words(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert cli.run(["build", str(root), "--dry-run", "--image", "one", "--quiet"]) == 0
    told = capsys.readouterr().out
    assert "fetch numlib" in told
    assert "make  numlib" in told
    assert told.endswith("nothing was done\n")
    assert "push" not in told
