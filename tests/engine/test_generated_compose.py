"""The Compose file on a real engine: all models answer side by side, and one that crashes comes back."""

from __future__ import annotations

import os
import re
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fleets import fleet
from ports import free_ports

from depdoctor.adapters.buildx import Buildx
from depdoctor.adapters.docker import DockerEngine
from depdoctor.build.docker import DockerBuilder
from depdoctor.generate import generate
from depdoctor.model.config import Config, ImageConfig, ProjectConfig
from depdoctor.model.seams import NoProgress
from depdoctor.plan import plan

SERVICE = """\
import os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/crash":
            os._exit(1)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(sys.argv[1].encode())

HTTPServer(("", int(sys.argv[2])), Handler).serve_forever()
"""


@dataclass(frozen=True)
class Composed:
    """A Compose project that runs, and the host's port of each service."""

    command: list[str]
    environment: dict[str, str]
    ports: dict[str, int]

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            [*self.command, *arguments], env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def ask(self, name: str, path: str = "/") -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[name]}{path}", timeout=10) as answer:
            return str(answer.read().decode())


@pytest.fixture(scope="module")
def composed(
    engine: DockerEngine, base: str, prefix: str, uv_binary: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Composed]:
    root = tmp_path_factory.mktemp("served")
    port = free_ports(2)
    for name in ("alpha", "beta"):
        (root / name).mkdir()
        (root / name / "app.py").write_text(SERVICE)
    settings = tuple(
        ProjectConfig(path=name, command=("python", "app.py", name, str(port)), port=port, health="/healthz")
        for name in ("alpha", "beta")
    )
    made = plan(fleet({"alpha": [], "beta": []}), Config(projects=settings, image=ImageConfig(base=base)), {})
    own = DockerEngine(buildx=Buildx(uv=uv_binary, registry=prefix, tag="composed"))
    DockerBuilder(engine=own, bundle=generate(made), context=root).build(made, made.images, NoProgress())
    text = generate(made, only=["compose"]).files["compose.yaml"]
    (root / "compose.yaml").write_text(text)
    published = dict(zip(("alpha", "beta"), map(int, re.findall(rf":(\d+):{port}$", text, re.MULTILINE)), strict=True))
    running = Composed(
        command=["docker", "compose", "--file", str(root / "compose.yaml"), "--project-name", prefix],
        environment={**os.environ, "REGISTRY": prefix, "TAG": "composed"},
        ports=published,
    )
    try:
        running.run("up", "--detach", "--wait", "--wait-timeout", "120", "--pull", "never")
        yield running
    finally:  # by the project's name alone, so that a folder that is gone by then keeps no container up
        down = ["docker", "compose", "--project-name", prefix, "down", "--timeout", "1"]
        subprocess.run(down, cwd="/", check=True, capture_output=True)


def test_every_service_is_healthy_and_answers_on_its_own_port(composed: Composed) -> None:
    assert len(set(composed.ports.values())) == 2
    assert {name: composed.ask(name) for name in composed.ports} == {"alpha": "alpha", "beta": "beta"}
    states = composed.run("ps", "--format", "{{.Name}} {{.Health}}").splitlines()
    assert [state.split()[1] for state in states] == ["healthy", "healthy"]


def test_service_that_crashes_comes_back(composed: Composed) -> None:
    with pytest.raises((urllib.error.URLError, ConnectionError)):
        composed.ask("alpha", "/crash")
    for _ in range(60):
        try:
            assert composed.ask("alpha") == "alpha"
        except OSError:
            time.sleep(0.5)
        else:
            break
    else:
        pytest.fail("it did not come back within 30 s")
    assert composed.ask("beta") == "beta"


def test_container_writes_to_tmp_alone(composed: Composed) -> None:
    program = "import os; open('/tmp/x', 'w').close(); print(os.access('/app', os.W_OK), os.getuid())"
    assert composed.run("exec", "-T", "alpha", "python", "-c", program).split() == ["False", "65532"]
