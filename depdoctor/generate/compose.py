"""`compose.yaml`: every model that says how it is started, side by side on one host.

Health checks are the images' own. A container may write to /tmp alone, holds no privilege, and comes back when it
crashes. Ports are bound to loopback unless `BIND` says otherwise; where two models want the same, the later name gets
the next that is free. Memory is limited by the rule of `Running.memory_mib`. Models with CUDA in them reserve a GPU and
are of the profile `gpu` where some target has one, so that `up` on a host without leaves them out. Where not all images
can share layers, as those of two Pythons or processors, each cohort is a profile, so that a host may have one of them.
"""

from __future__ import annotations

from collections.abc import Iterable

from depdoctor.generate.affinity import offers_gpu
from depdoctor.model.cohort import cohorts
from depdoctor.model.deployment import Deployment, Running
from depdoctor.model.image import APP_ROOT, HOME
from depdoctor.model.plan import Image, Plan
from depdoctor.model.weights import Keep, WeightFile

COMMON = f"""\

x-service: &service
  init: true
  restart: unless-stopped
  read_only: true
  tmpfs: [/tmp]
  environment: {{HOME: {HOME}}}
  cap_drop: [ALL]
  security_opt: ["no-new-privileges:true"]
  logging:
    driver: json-file
    options: {{max-size: 10m, max-file: "3"}}
"""
"""What all services have in common. `init` hands signals on: Python as the first process would ignore them."""

GPU_PROFILE = "gpu"

FIRST_PORT, LAST_PORT = 1024, 65535
"""The ports that need no privilege."""


def compose_file(plan: Plan, deployment: Deployment, tag: str) -> str:
    """The Compose file of a plan (Compose specification)."""
    import yaml

    served = [image for image in plan.images if image.command]
    ports = host_ports(served)
    profiles = {name: cohort.name for cohort in cohorts(plan) for name in cohort.images if cohort.name}
    heading = ["# Made by `depdoctor generate`; make it again rather than edit it."]
    if served and profiles:
        names = ", ".join(sorted({profiles[image.name] for image in served}))
        heading.append(f"# Profiles: {names}. `--profile '*'` starts all.")
    heading += [
        f"# Not here: {image.name}, since nothing says how it is started (`command` under `[[project]]`)."
        for image in plan.images
        if not image.command
    ]
    graphical = any(map(offers_gpu, deployment.targets))
    lines = [*heading, COMMON, "services:" if served else "services: {}"]
    for image in served:
        running, profile = deployment.running(image.name), profiles.get(image.name, "")
        service = _service(
            image,
            ports.get(image.name),
            running,
            f"${{REGISTRY:-{deployment.registry}}}/{image.name}:${{TAG:-{tag}}}",
            profiles=_profiles(running, profile, graphical=graphical),
        )
        name, *text = yaml.safe_dump({image.name: service}, sort_keys=False, width=120, allow_unicode=True).splitlines()
        lines += [f"  {line}" for line in (name, "  <<: *service", *text)]
    return "\n".join([*lines, ""])


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


def _profiles(running: Running, cohort: str, *, graphical: bool) -> list[str]:
    """The profiles that start a service, any of them; none for one that always is."""
    if graphical and running.gpu:
        return [GPU_PROFILE, *([f"{cohort}-{GPU_PROFILE}"] if cohort else [])]
    return [cohort] if cohort else []


def _service(
    image: Image, host_port: int | None, running: Running, name: str, profiles: list[str]
) -> dict[str, object]:
    service: dict[str, object] = {"image": name}
    if profiles:
        service["profiles"] = profiles
    if host_port:
        service["ports"] = [f"${{BIND:-127.0.0.1}}:{host_port}:{image.port}"]
    if image.keep is Keep.VOLUME:
        service["volumes"] = [_mount(image, one) for one in image.weights]
    resources: dict[str, object] = {"limits": {"memory": f"{running.memory_mib}M"}}
    if GPU_PROFILE in profiles:
        resources["reservations"] = {"devices": [{"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}]}
    if running.gpu:
        service["shm_size"] = f"{running.shared_mib}m"
    return service | {"deploy": {"resources": resources}}


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
