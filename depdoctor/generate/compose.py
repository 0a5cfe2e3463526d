"""`compose.yaml`: every model that says how it is started, side by side on one host.

Health checks are the images' own. A container may write to /tmp alone, holds no privilege, and comes back when it
crashes. Ports are bound to loopback unless `BIND` says otherwise; where two models want the same, the later name gets
the next that is free. Memory is limited by the rule of `Running.memory_mib`. Models with CUDA in them reserve a GPU and
are of the profile `gpu` where some target has one, so that `up` on a host without leaves them out.
"""

from __future__ import annotations

from collections.abc import Iterable

from depdoctor.generate.affinity import offers_gpu
from depdoctor.model.deployment import Deployment, Running
from depdoctor.model.image import APP_ROOT
from depdoctor.model.plan import Image, Plan
from depdoctor.model.weights import Keep, WeightFile

LOG_SIZE = "10m"
LOG_FILES = "3"

GPU_PROFILE = "gpu"

FIRST_PORT, LAST_PORT = 1024, 65535
"""The ports that need no privilege."""


def compose_file(plan: Plan, deployment: Deployment, tag: str) -> str:
    """The Compose file of a plan (Compose specification)."""
    import yaml

    served = [image for image in plan.images if image.command]
    ports = host_ports(served)
    heading = ["# Made by `depdoctor generate`; make it again rather than edit it."]
    heading += [
        f"# Not here: {image.name}, since nothing says how it is started (`command` under `[[project]]`)."
        for image in plan.images
        if not image.command
    ]
    graphical = any(map(offers_gpu, deployment.targets))
    services = {
        image.name: _service(image, ports.get(image.name), deployment.running(image.name), tag, graphical=graphical)
        for image in served
    }
    return "\n".join([*heading, yaml.safe_dump({"services": services}, sort_keys=False, width=120)])


def host_ports(images: Iterable[Image]) -> dict[str, int]:
    """A port of the host for each image that has one, no two alike: its own, or the next that nobody wants or has."""
    listening = sorted((image.name, image.port) for image in images if image.port)
    wanted = {port for _, port in listening}
    taken: dict[int, str] = {}
    for name, port in listening:
        free = port
        while free in taken or (free != port and free in wanted):
            free = free + 1 if free < LAST_PORT else FIRST_PORT
        taken[free] = name
    return {name: port for port, name in taken.items()}


def _service(image: Image, host_port: int | None, running: Running, tag: str, *, graphical: bool) -> dict[str, object]:
    service: dict[str, object] = {"image": f"${{REGISTRY:-depdoctor}}/{image.name}:${{TAG:-{tag}}}"}
    if host_port:
        service["ports"] = [f"${{BIND:-127.0.0.1}}:{host_port}:{image.port}"]
    resources: dict[str, object] = {"limits": {"memory": f"{running.memory_mib}M"}}
    if graphical and running.gpu:
        service["profiles"] = [GPU_PROFILE]
        resources["reservations"] = {"devices": [{"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}]}
    if image.keep is Keep.VOLUME:
        service["volumes"] = [_mount(image, one) for one in image.weights]
    return service | {
        "deploy": {"resources": resources},
        "restart": "unless-stopped",
        "read_only": True,
        "tmpfs": ["/tmp"],  # noqa: S108 - a mount point inside the container
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "logging": {"driver": "json-file", "options": {"max-size": LOG_SIZE, "max-file": LOG_FILES}},
    }


def _mount(image: Image, one: WeightFile) -> dict[str, object]:
    """A file of weights where the code looks for it. `WEIGHTS` is the folder that was scanned, or a copy of it."""
    path = "" if image.code == "." else f"{image.code}/"
    source = f"{path}{one.path}".replace("$", "$$")
    return {
        "type": "bind",
        "source": f"${{WEIGHTS:?the folder that holds {source}}}/{source}",
        "target": f"{APP_ROOT}/{one.path}".replace("$", "$$"),
        "read_only": True,
    }
