"""What the configuration says by now that a plan does not have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from depdoctor.model.config import Config
from depdoctor.model.plan import Base, Image, Plan
from depdoctor.plan.bases import base_reference

SAID = {
    "packing": "`compile`, `compression` or `clobber` is another",
    "command": "`command` is another",
    "port": "`port` is another",
    "health": "`health` is another",
    "system_packages": "`system-packages` are others",
    "keep": "`weights` is another",
}
"""What is said where a field of an image differs."""


def outdated(plan: Plan, config: Config) -> Iterator[str]:
    """What differs, a phrase each. What only a scan would tell, such as another date for the index, is left out."""
    pairs = [(image, _as_configured(image, config)) for image in plan.images]
    bases = {(wanted.base.reference, image.base.reference) for image, wanted in pairs}
    others = sorted((wanted, had) for wanted, had in bases if wanted != had)
    yield from (f"`base` is {wanted}, and {had} in the plan" for wanted, had in others)
    if (
        pairs and not others and set(plan.targets) != set(config.targets)
    ):  # the base tells the C library of targets that do not
        yield "the targets are others"
    for name, said in SAID.items():
        differing = [image.name for image, wanted in pairs if getattr(image, name) != getattr(wanted, name)]
        if differing:
            yield f"{said} for {', '.join(differing)}"


def _as_configured(image: Image, config: Config) -> Image:
    """An image as the configuration alone would have it; what it does not state stays."""
    stated = config.project(image.code)
    base = image.base
    if not image.provided:
        base = Base(reference=base_reference(config.image.base, image.environment.python))
    return replace(
        image,
        base=base,
        packing=config.image.packing,
        command=stated.command or image.command,
        port=stated.port or image.port,
        health=stated.health or image.health,
        system_packages=tuple(sorted(set(stated.system_packages))),
        keep=(stated.weights or config.image.weights) if image.weights else image.keep,
    )
