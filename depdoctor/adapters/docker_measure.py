"""Measures what an image costs to run on an engine of this machine."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from depdoctor.adapters.docker import DockerEngine, speaking
from depdoctor.errors import EngineError
from depdoctor.model.image import APP_ROOT
from depdoctor.model.measurement import Measurement, NotMeasured
from depdoctor.model.plan import Image
from depdoctor.model.weights import Keep

if TYPE_CHECKING:
    from docker.models.containers import Container

POLL_S = 0.02
ANSWER_S = 2
HEALTHY_S = 300

STARTED = "print('up', flush=True)"

IMPORTS = """
import importlib, json, sys, time
began = time.perf_counter()
for name in sys.argv[1:]:
    importlib.import_module(name)
seconds = time.perf_counter() - began
status = open("/proc/self/status").read()
resident = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))) * 1024
print("\\n" + json.dumps([seconds, resident]))
"""


def measure(
    engine: DockerEngine, image: Image, reference: str, folder: Path, *, healthy_s: float = HEALTHY_S
) -> Measurement:
    """Run an image three times: to start, to import, and to serve. Raises `EngineError` if it does not start.

    Weights that are no part of it are mounted from the `folder` of its project.
    """
    pull_s = _pulled(engine, reference)
    start_s = _started(engine, reference)
    import_s, resident_bytes = _imported(engine, reference, image.imports)
    answer_s, service_bytes = _served(engine, image, reference, folder, healthy_s)
    size_bytes, unique_bytes = _sizes(engine, reference)
    return Measurement(
        name=image.name,
        pull_s=pull_s,
        start_s=start_s,
        import_s=import_s,
        resident_bytes=resident_bytes,
        healthy_s=answer_s,
        service_bytes=service_bytes,
        size_bytes=size_bytes,
        unique_bytes=unique_bytes,
    )


def _pulled(engine: DockerEngine, reference: str) -> float | NotMeasured:
    if engine.has(reference):
        return NotMeasured(reason="the engine held the image already")
    began = time.perf_counter()
    engine.pull(reference)
    return time.perf_counter() - began


def _started(engine: DockerEngine, reference: str) -> float:
    began = time.perf_counter()
    with engine.container(reference, entrypoint=["python", "-I", "-c", STARTED], command=None) as container:
        if b"up" in next(iter(container.logs(stream=True)), b""):
            return time.perf_counter() - began
    raise EngineError(f"{reference} does not start an interpreter")


def _imported(
    engine: DockerEngine, reference: str, imports: Sequence[str]
) -> tuple[float | NotMeasured, int | NotMeasured]:
    if not imports:
        why = NotMeasured(reason="nothing is known to be imported")
        return why, why
    try:
        output = engine.run(reference, imports, entrypoint=["python", "-c", IMPORTS])
    except EngineError as error:
        why = NotMeasured(reason=error.message.splitlines()[-1])
        return why, why
    seconds, resident = json.loads(output.rstrip().splitlines()[-1])
    return seconds, resident


def _served(
    engine: DockerEngine, image: Image, reference: str, folder: Path, limit_s: float
) -> tuple[float | NotMeasured, int | NotMeasured]:
    """Seconds to the first healthy answer, and the memory of the service then."""
    if not image.port or not image.health:
        why = NotMeasured(reason="the project names no port and health path")
        return why, why
    mounted = image.weights if image.keep is not Keep.LAYER else ()
    if absent := next((one.path for one in mounted if not (folder / one.path).is_file()), ""):
        why = NotMeasured(reason=f"the project's folder has no {absent}")
        return why, why
    port = f"{image.port}/tcp"
    mounts = [_mount(folder / one.path, one.path) for one in mounted]
    options = {"network_mode": "bridge", "ports": {port: ("127.0.0.1", None)}, "mounts": mounts}
    began = time.perf_counter()
    with engine.container(reference, command=list(image.command) or None, **options) as container:
        container.reload()
        address = _address(container, port, image.health)
        while time.perf_counter() - began < limit_s:
            if answers(address):
                return time.perf_counter() - began, _memory(engine, container)
            container.reload()
            if container.status == "exited":
                lines = container.logs(tail=1).decode("utf-8", "replace").strip()
                why = NotMeasured(reason=f"the service ended before it was healthy: {lines}")
                return why, why
            time.sleep(POLL_S)
    why = NotMeasured(reason=f"no healthy answer within {limit_s:g} s")
    return why, why


def _mount(file: Path, path: str) -> dict[str, object]:
    """A file for reading where the code looks for it (Docker API, `Mount`)."""
    return {"Type": "bind", "Source": str(file.absolute()), "Target": f"{APP_ROOT}/{path}", "ReadOnly": True}


def _address(container: Container, port: str, path: str) -> str:
    """Where the engine publishes a port; "" once the container has ended."""
    published = container.ports.get(port)
    return f"http://127.0.0.1:{published[0]['HostPort']}{path}" if published else ""


def answers(address: str) -> bool:
    """Whether a service gives a healthy answer."""
    import requests

    try:
        return requests.get(address, timeout=ANSWER_S).ok
    except requests.RequestException:
        return False


def _memory(engine: DockerEngine, container: Container) -> int | NotMeasured:
    """What cgroups count, less the page cache that can go, as `docker stats` shows it."""
    memory = engine.api.stats(container.id, stream=False).get("memory_stats", {})
    if "usage" not in memory:
        return NotMeasured(reason="the engine does not count memory")
    details = memory.get("stats", {})
    return int(memory["usage"] - details.get("inactive_file", details.get("total_inactive_file", 0)))


def _sizes(engine: DockerEngine, reference: str) -> tuple[int, int | NotMeasured]:
    with speaking(f"look at {reference}"):
        known = engine.api.inspect_image(reference)
        rows = {row["Id"]: row for row in engine.api.df()["Images"] or ()}
    row = rows.get(known["Id"], {"Size": known["Size"], "SharedSize": -1})
    if row["SharedSize"] < 0 or engine.stores_blobs():
        return int(row["Size"]), NotMeasured(reason="the engine does not tell what is shared")
    return int(row["Size"]), int(row["Size"] - row["SharedSize"])
