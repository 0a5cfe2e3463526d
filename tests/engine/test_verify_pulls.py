"""What `verify` brings into the engine: no name of our own making, nothing offline, and always what is newest."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from depdoctor import cli
from depdoctor.adapters.docker import DockerEngine

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def fleet(tmp_path: Path, base: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    root = tmp_path / "fleet"
    (root / f"app-{tmp_path.name}").mkdir(parents=True)
    (root / f"app-{tmp_path.name}" / "requirements.txt").touch()
    (root / f"app-{tmp_path.name}" / "helper.py").touch()
    (root / f"app-{tmp_path.name}" / "app.py").write_text("import helper\n")
    (root / "depdoctor.toml").write_text(f'[image]\nbase = "{base}"\n')
    assert cli.run(["plan", str(root), "--quiet"]) == 0
    return root


@pytest.fixture
def run(fleet: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    def run(command: str, *arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        status = cli.run([command, str(fleet), *arguments])
        return status, *capfd.readouterr()

    return run


def test_what_was_never_loaded_is_asked_of_no_registry(engine: DockerEngine, run: Run) -> None:
    assert engine.client.ping()
    for offline in ([], ["--offline"]):
        status, _, said = run("verify", *offline)
        assert status == 3
        assert "the engine holds no image `depdoctor/app-" in said
        assert "build --load" in said


def test_what_was_loaded_is_named_and_verified(engine: DockerEngine, run: Run) -> None:
    status, out, _ = run("build", "--load", "--format", "json")
    (image,) = json.loads(out)["images"]
    assert status == 0
    assert image["layout"] is None
    try:
        assert engine.has(image["reference"])
        assert run("verify", "--offline")[0] == 0
    finally:
        engine.remove(image["reference"])


def test_what_the_registry_has_now_is_verified_and_not_what_was_pulled_once(
    engine: DockerEngine, run: Run, fleet: Path, registry: str, prefix: str
) -> None:
    source = f"{registry}/{prefix}/fresh"
    status, out, _ = run("build", "--push", source, "--format", "json")
    assert status == 0
    (image,) = json.loads(out)["images"]
    status, _, said = run("verify", "--offline", "--from", source)
    assert status == 3
    assert "--offline" in said
    engine.pull(image["reference"])
    assert run("verify", "--from", source)[0] == 0
    assert run("verify", "--offline", "--from", source)[0] == 0
    (project,) = (path for path in fleet.iterdir() if path.is_dir())
    (project / "helper.py").write_text("CHANGED = True\n")
    status, out, _ = run("build", "--push", source, "--format", "json")
    (newer,) = json.loads(out)["images"]
    assert newer["digest"] != image["digest"]
    pinned = f"{newer['reference'].rpartition(':')[0]}@{newer['digest']}"
    assert not engine.has(pinned)
    assert run("verify", "--from", source)[0] == 0
    assert engine.has(pinned)
