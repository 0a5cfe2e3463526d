"""`generate --only docs`: what is told of each image on its page."""

from __future__ import annotations

from collections.abc import Mapping

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from depdoctor import discover, lock, read
from depdoctor.adapters.index import RemoteWheels
from depdoctor.generate.affinity import offers_gpu, serves, ways_on
from depdoctor.model.config import Config
from depdoctor.model.deployment import Deployment
from depdoctor.model.distribution import WheelFacts
from depdoctor.model.explanation import Purpose
from depdoctor.model.finding import Cause
from depdoctor.model.lock import Lock, Unknown
from depdoctor.model.page import Machine, Owned, Page
from depdoctor.model.plan import Image, Plan
from depdoctor.model.project import in_groups
from depdoctor.model.reading import Reading
from depdoctor.model.target import Target, numbered
from depdoctor.pipeline import index_names, references
from depdoctor.pipeline.contents import purposes
from depdoctor.pipeline.standing import Settings
from depdoctor.report import documents


def document(plan: Plan, settings: Settings, config: Config, deployment: Deployment, place: str) -> dict[str, str]:
    """The pages of all images by their paths. `place` is REGISTRY/PREFIX, "" for the names in an engine.

    The lines are those of the projects as they are now; what the wheels ask for is read from the cache or the index.
    """
    folders = {image.code for image in plan.images}
    found = [one for one in discover.discover(settings.root, config.exclude) if one.root in folders]
    readings = {one.project.root: one for one in read.read_all(found, settings.root)}
    wheels = RemoteWheels(
        settings.cache, offline=settings.offline, named=index_names.of_readings(tuple(readings.values()))
    )
    facts = wheels.facts({pin.file for pin in plan.packages if pin.file})
    pages = [
        Page(
            image=image,
            packages=_owned(plan, image, readings.get(image.code), config, facts),
            machines=tuple(_machine(target, image, deployment) for target in deployment.targets),
            running=deployment.running(image.name),
            manifests=tuple(one.path for one in readings[image.code].manifests) if image.code in readings else (),
        )
        for image in sorted(plan.images, key=lambda one: one.name)
    ]
    return documents.files(plan, pages, place, references.tag(plan))


def _owned(
    plan: Plan, image: Image, reading: Reading | None, config: Config, facts: Mapping[str, WheelFacts | Unknown]
) -> tuple[Owned, ...]:
    own = lock.enrich(Lock(project=image.project, environment=image.environment, pins=plan.pins(image)), facts)
    groups = config.project(image.code).groups
    lines = [line for manifest in reading.manifests for line in manifest.requirements] if reading else []
    found = purposes(plan, image, own, [line for line in lines if in_groups(line.group, groups)])
    return tuple(Owned(purpose=one, owner=_owner(plan, image, one, reading)) for one in found)


def _owner(plan: Plan, image: Image, one: Purpose, reading: Reading | None) -> str:
    """Who decides on a version: a lockfile, a pin, what another package asks for, sharing, or nobody but the day."""
    for manifest in reading.manifests if reading else ():
        for held in manifest.packages:
            if held.name == one.package and held.version == one.version:
                return f"`{manifest.path}{f':{held.line}' if held.line else ''}` locks it"
    pinning = next((cause for cause in one.causes if _bound(cause) == "=="), None)
    if pinning:
        return f"{_who(pinning)} pins it"
    for move in plan.moves:
        if move.package == one.package and image.project in move.projects and move.after == str(one.version):
            alone = f"alone it would be {move.before}" if move.before else "alone it would not be there"
            return f"chosen so that images share it ({move.reason}); {alone}"
    bounded = [cause for cause in one.causes if _bound(cause) == "<"]
    if bounded:
        return f"the newest below what {', '.join(dict.fromkeys(map(_who, bounded[:2])))} admits"
    return (
        "nobody holds it: the newest that fits when it was locked" if one.causes else "a lockfile or the plan holds it"
    )


def _bound(cause: Cause) -> str:
    """How the last requirement of a chain bounds its package: "==" for a pin, "<" for an upper end, "" for none."""
    try:
        operators = {one.operator for one in Requirement((cause.chain or (cause.requirement,))[-1]).specifier}
    except InvalidRequirement:
        return ""
    if operators & {"==", "==="}:
        return "=="
    return "<" if operators & {"<", "<=", "~="} else ""


def _who(cause: Cause) -> str:
    """The line that asks, or the package that does and what it asks for."""
    if len(cause.chain) < 2:
        return f"`{cause.location}`"
    return f"{canonicalize_name(Requirement(cause.chain[-2]).name)} (`{cause.chain[-1]}`)"


def _machine(target: Target, image: Image, deployment: Deployment) -> Machine:
    need = deployment.running(image.name).gpu
    runs, why = _verdict(target, image, deployment)
    has = [
        f"driver {numbered(target.driver)}" if target.driver else "",
        *(gpu.name or str(gpu.capability) for gpu in target.gpus),
    ]
    plain = "no claim about GPUs" if need else "a machine without a GPU will do"
    return Machine(
        name=target.name,
        has=", ".join([target.platform.system, target.platform.machine, *filter(None, has)]),
        runs=runs,
        why=why or plain,
    )


def _verdict(target: Target, image: Image, deployment: Deployment) -> tuple[bool | None, str]:
    need = deployment.running(image.name).gpu
    known = target.driver is not None and bool(target.gpus)
    verdict: tuple[bool | None, str]
    if not serves(target, image):
        verdict = False, f"the image is for Linux on {image.environment.platform.machine}"
    elif need is None:
        verdict = True, ""
    elif not offers_gpu(target):
        verdict = None, "nothing says whether it has a GPU"
    elif not need.ways:
        verdict = None, f"what CUDA {need.cuda} needs is not known"
    elif not ways_on(need, target):
        verdict = False, f"CUDA {need.cuda} needs another driver or GPU"
    else:
        enough = f"its driver and its GPUs are enough for CUDA {need.cuda}"
        verdict = (True, enough) if known else (None, "its driver or its GPUs are not stated")
    return verdict
