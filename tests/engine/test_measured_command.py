"""`verify --measure`, `images` and `build --builder buildx` as commands."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ports import free_ports

from depdoctor import cli
from depdoctor.adapters.docker import DockerEngine

Run = Callable[..., tuple[int, dict[str, Any]]]

SERVICE = """\
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments): ...

HTTPServer(("", int(sys.argv[1])), Handler).serve_forever()
"""


@pytest.fixture
def fleet(tmp_path: Path, base: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One project whose name no other fleet has, so that nothing else on this engine is of it."""
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    port = free_ports()
    root, name = tmp_path / "fleet", f"measured-{os.getpid()}"
    (root / name).mkdir(parents=True)
    (root / name / "requirements.txt").touch()
    (root / name / "app.py").write_text(SERVICE)
    (root / "depdoctor.toml").write_text(
        f'[image]\nbase = "{base}"\n[[project]]\npath = "{name}"\ncommand = ["python", "app.py", "{port}"]\n'
        f'port = {port}\nhealth = "/"\n'
    )
    assert cli.run(["plan", str(root), "--quiet"]) == 0
    return root


@pytest.fixture
def run(fleet: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> tuple[int, dict[str, Any]]:
        capfd.readouterr()
        status = cli.run([*arguments, "--format", "json"])
        return status, json.loads(capfd.readouterr().out)

    return run


def test_what_a_container_costs_beside_a_shared_environment(
    engine: DockerEngine, run: Run, fleet: Path, tmp_path: Path
) -> None:
    venv = tmp_path / "shared"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    status, built = run("build", str(fleet), "--load")
    (image,) = built["images"]
    try:
        status, found = run("verify", str(fleet), "--measure", "--venv", str(venv))
        assert status == 0
        for one in (*found["measured"], *found["in_virtual_environment"]):
            assert one["start_s"] > 0
            assert one["healthy_s"] > 0
            assert one["service_bytes"] > 1_000_000
            assert one["not_measured"]["import_s"] == "nothing is known to be imported"
        with socket.socket() as probe:
            port = int((fleet / "depdoctor.toml").read_text().partition("port = ")[2].split()[0])
            assert probe.connect_ex(("127.0.0.1", port)) != 0, "the service still runs"
        assert cli.run(["verify", str(fleet), "--measure", "--venv", str(venv), "--quiet"]) == 0
    finally:
        engine.remove(image["reference"])


def test_superseded_images_are_pruned_and_others_are_not(
    engine: DockerEngine, run: Run, fleet: Path, images: dict[str, str]
) -> None:
    project = next(path.name for path in fleet.iterdir() if path.is_dir())

    def of_project(found: dict[str, Any], key: str = "images") -> list[tuple[str, str]]:
        rows = found[key]
        assert isinstance(rows, list)
        return [(row["state"], row["references"][0]) for row in rows if row["project"] == project]

    _, built = run("build", str(fleet), "--load")
    old = built["images"][0]["reference"]
    assert of_project(run("images", "list", str(fleet))[1]) == [("current", old)]
    configuration = (fleet / "depdoctor.toml").read_text()
    (fleet / "depdoctor.toml").write_text(configuration.replace('health = "/"', 'health = "/healthz"'))
    assert cli.run(["plan", str(fleet), "--quiet"]) == 0
    _, built = run("build", str(fleet), "--load")
    new = built["images"][0]["reference"]
    try:
        assert sorted(of_project(run("images", "list", str(fleet))[1])) == [("current", new), ("superseded", old)]
        with engine.container(old, command=["python", "-c", "input()"], stdin_open=True):
            found = run("images", "prune", str(fleet))[1]
            assert of_project(found, "kept") == [("superseded", old)]
        assert engine.has(old)
        assert of_project(run("images", "prune", str(fleet), "--dry-run")[1], "removed") == [("superseded", old)]
        assert engine.has(old)
        assert of_project(run("images", "prune", str(fleet))[1], "removed") == [("superseded", old)]
        assert not engine.has(old)
        assert engine.has(new)
        assert all(engine.has(reference) for reference in images.values())
    finally:
        engine.remove(new)


def test_prune_without_a_plan_removes_nothing(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (fleet / "depdoctor.plan.json").unlink()
    assert cli.run(["images", "prune", str(fleet)]) == 2
    assert "depdoctor plan" in capsys.readouterr().err


def test_builders_push_what_they_make(
    engine: DockerEngine, run: Run, fleet: Path, registry: str, prefix: str, capfd: pytest.CaptureFixture[str]
) -> None:
    destination = f"{registry}/{prefix}/buildx"
    status, built = run("build", str(fleet), "--builder", "buildx", "--push", destination)
    assert status == 0
    (image,) = built["images"]
    assert image["reference"].startswith(f"{destination}/measured-")
    assert image["reference"].endswith(f"@{image['digest']}")
    assert run("verify", str(fleet), "--from", destination)[0] == 0
    assert cli.run(["build", str(fleet), "--builder", "buildx", "--load"]) == 2
    assert "--push" in capfd.readouterr().err
    assert cli.run(["build", str(fleet), "--docker-context", "a", "--load"]) == 2
    assert "--builder buildx" in capfd.readouterr().err
    assert engine.client.ping()
