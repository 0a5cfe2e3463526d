"""Back to an earlier plan, as the documentation says it: nothing is built, and what runs is what ran."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from ports import free_ports
from repositories import commit, git

from depdoctor import cli
from depdoctor.adapters.docker import DockerEngine

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="there is no git here")

SERVICE = """\
import os
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"numlib {version('numlib')}, code CODE".encode())

HTTPServer(("", PORT), Handler).serve_forever()
"""


def settings(root: Path, base: str, port: int, version: str) -> None:
    (root / "svc").mkdir(exist_ok=True)
    (root / "depdoctor.toml").write_text(
        f'[image]\nbase = "{base}"\n[[target]]\nname = "pool"\n'
        f'[[project]]\npath = "svc"\ncommand = ["python", "app.py"]\nport = {port}\nhealth = "/healthz"\n'
    )
    (root / "svc" / "requirements.txt").write_text(f"numlib=={version}\n")


def write_code(root: Path, port: int, word: str) -> None:
    (root / "svc" / "app.py").write_text(SERVICE.replace("PORT", str(port)).replace("CODE", word))


@pytest.fixture
def served(engine: DockerEngine, prefix: str) -> Iterator[str]:
    """The name of a Compose project, which is taken down afterwards."""
    assert engine.client.ping()
    name = f"{prefix}-back"
    yield name
    down = ["docker", "compose", "--project-name", name, "down", "--timeout", "1"]
    subprocess.run(down, cwd="/", check=True, capture_output=True)


def test_an_earlier_plan_runs_again_and_nothing_is_built(
    served: str,
    base: str,
    registry: str,
    prefix: str,
    package_server: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", package_server)
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    root, output, destination = tmp_path / "fleet", tmp_path / "deploy", f"{registry}/{prefix}/back"
    root.mkdir()
    git(root, "init", "--quiet")
    port = free_ports(1)

    def pushed(message: str) -> tuple[str, str]:
        """The revision and the digest of what was planned, committed and pushed."""
        assert cli.run(["plan", str(root), "--quiet"]) == 0
        revision = commit(root, message)
        capsys.readouterr()
        assert cli.run(["build", str(root), "--push", destination, "--quiet", "--format", "json"]) == 0
        (image,) = json.loads(capsys.readouterr().out)["images"]
        return revision, image["digest"]

    def generated() -> str:
        """The image in the overlay, once everything has been generated again."""
        kinds = ["--only", "compose,kubernetes", "--registry", destination]
        assert cli.run(["generate", str(root), "--output", str(output), "--quiet", *kinds]) == 0
        kubectl = shutil.which("kubectl", path=str(Path(sys.executable).parent)) or "kubectl"
        command = [kubectl, "kustomize", str(output / "kubernetes" / "overlays" / "pool")]
        printed = subprocess.run(command, check=True, capture_output=True).stdout
        (deployment,) = (one for one in yaml.safe_load_all(printed) if one["kind"] == "Deployment")
        return str(deployment["spec"]["template"]["spec"]["containers"][0]["image"])

    def answer(tag: str = "") -> str:
        """What the service says, once Compose has what it wants."""
        environment = {**os.environ, "REGISTRY": destination} | ({"TAG": tag} if tag else {})
        up = ["docker", "compose", "--file", str(output / "compose.yaml"), "--project-name", served, "up"]
        up += ["--detach", "--pull", "always"]
        subprocess.run(up, env=environment, check=True, capture_output=True)
        found = re.search(r":(\d+):\d+$", (output / "compose.yaml").read_text(), re.MULTILINE)
        assert found
        for _ in range(120):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{found.group(1)}/healthz", timeout=10) as said:
                    return str(said.read().decode())
            except OSError:
                time.sleep(0.5)
        pytest.fail("it did not answer within 60 s")

    settings(root, base, port, "1.26.4")
    write_code(root, port, "one")
    first, old = pushed("one")
    settings(root, base, port, "1.24.4")
    write_code(root, port, "two")
    _, new = pushed("two")
    assert generated() == f"{destination}/svc@{new}"
    assert answer() == "numlib 1.24.4, code two"
    git(root, "checkout", "--quiet", first, "--", "depdoctor.plan.json")
    assert generated() == f"{destination}/svc@{old}"
    assert answer() == "numlib 1.26.4, code one"
    git(root, "checkout", "--quiet", "HEAD", "--", "depdoctor.plan.json")
    generated()
    assert answer() == "numlib 1.24.4, code two"
    assert answer(tag=first[:12]) == "numlib 1.26.4, code one"
