from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from depdoctor.adapters.docker import DockerEngine
from depdoctor.adapters.docker_measure import measure
from depdoctor.model.image import Bundle
from depdoctor.model.measurement import NotMeasured
from depdoctor.model.plan import Base, Image
from depdoctor.model.target import Environment, Platform
from depdoctor.model.weights import Keep, WeightFile

BALLAST = 64 << 20

SERVICE = f"""
import http.server, time
kept = bytearray({BALLAST})
for place in range(0, len(kept), 4096):
    kept[place] = 1
time.sleep(1)

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/healthz" else 404)
        self.end_headers()

if __name__ == "__main__":
    http.server.HTTPServer(("", 8000), Handler).serve_forever()
"""


@pytest.fixture(scope="module")
def service(engine: DockerEngine, base: str, prefix: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("service")
    (root / "service.py").write_text(SERVICE)
    dockerfile = (
        f"FROM {base}\nRUN ln -s /usr/bin/python3 /usr/local/bin/python\nWORKDIR /app\nCOPY service.py .\nUSER 65532\n"
    )
    target = {"context": "${PROJECTS}", "dockerfile": "cwd://Dockerfile", "tags": [f"{prefix}/service:v1"]}
    bake = {"variable": {"PROJECTS": {"default": ""}}, "target": {"service": target}}
    bundle = Bundle(files={"Dockerfile": dockerfile, "docker-bake.json": json.dumps(bake)})
    return engine.build(bundle, root, ["service"])["service"]


NOWHERE = Path("/nowhere")

IMAGE = Image(
    name="service",
    project="service",
    environment=Environment(python="3.11", platform=Platform()),
    base=Base(reference="base"),
    node="",
    code="service",
    command=("python", "service.py"),
    port=8000,
    health="/healthz",
    imports=("service", "json"),
)


def test_a_service_is_measured_from_start_to_healthy(engine: DockerEngine, service: str) -> None:
    found = measure(engine, IMAGE, service, NOWHERE)
    assert found.pull_s == NotMeasured(reason="the engine held the image already")
    assert found.start_s > 0
    assert isinstance(found.import_s, float)
    assert found.import_s >= 1  # the module sleeps so long
    assert isinstance(found.healthy_s, float)
    assert found.healthy_s >= 1
    assert isinstance(found.resident_bytes, int)
    assert found.resident_bytes > BALLAST
    assert isinstance(found.service_bytes, int)
    assert BALLAST < found.service_bytes < 4 * BALLAST
    assert found.size_bytes > 100_000_000
    if isinstance(found.unique_bytes, int):
        assert 0 <= found.unique_bytes < 1_000_000


def test_weights_that_are_no_part_of_the_image_are_mounted(engine: DockerEngine, service: str, tmp_path: Path) -> None:
    weights = (WeightFile(path="weights/model.bin", size_bytes=4, sha256="0" * 64),)
    command = (
        "python",
        "-c",
        "open('weights/model.bin').read(); import runpy; runpy.run_path('service.py', run_name='__main__')",
    )
    image = replace(IMAGE, imports=(), command=command, weights=weights, keep=Keep.VOLUME)
    found = measure(engine, image, service, tmp_path)
    assert found.healthy_s == NotMeasured(reason="the project's folder has no weights/model.bin")
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "model.bin").write_text("1234")
    assert isinstance(measure(engine, image, service, tmp_path).healthy_s, float)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"port": None}, "the project names no port and health path"),
        ({"command": ("python", "-c", "print('bye')")}, "the service ended before it was healthy: bye"),
        ({"health": "/other"}, "no healthy answer within 5 s"),
    ],
)
def test_what_cannot_be_measured_says_why(
    engine: DockerEngine, service: str, change: dict[str, object], reason: str
) -> None:
    image = replace(IMAGE, imports=("absent",), **change)  # type: ignore[arg-type]
    found = measure(engine, image, service, NOWHERE, healthy_s=5)
    assert found.healthy_s == found.service_bytes == NotMeasured(reason=reason)
    assert found.import_s == NotMeasured(reason="ModuleNotFoundError: No module named 'absent'")


def test_a_pull_is_timed_where_there_is_one(engine: DockerEngine, service: str, registry: str, prefix: str) -> None:
    name = f"{registry}/{prefix}/measured:v1"
    engine.tag(service, name)
    engine.push(name)
    engine.remove(name)
    found = measure(engine, replace(IMAGE, port=None, imports=()), name, NOWHERE)
    assert isinstance(found.pull_s, float)
    assert found.import_s == NotMeasured(reason="nothing is known to be imported")
