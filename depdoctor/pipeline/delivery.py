"""`build` and `push`: from a plan to images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from depdoctor.build.choice import needs_engine
from depdoctor.errors import UsageError
from depdoctor.model.packing import Compression, Packing
from depdoctor.model.plan import Image, Plan
from depdoctor.model.seams import Progress
from depdoctor.pipeline import references
from depdoctor.pipeline.native import BuildWish, Built, build_natively
from depdoctor.pipeline.standing import Settings, standing_plan, wanted_images

if TYPE_CHECKING:
    from depdoctor.model.intent import Intent


def build(settings: Settings, progress: Progress, wish: BuildWish) -> Built:
    """Build the images of the plan, natively or through the engine, and bring them where they are wanted.

    Left to choose, what consists of wheels alone is built natively, and the rest through the engine, which is said.
    """
    if wish.push:
        wish = replace(wish, push=references.prefix(wish.push, "--push"))
    standing = _packed(standing_plan(settings, progress), wish)
    images = wanted_images(standing, wish.images)
    if wish.builder == "buildx":
        _say_what_is_native(images, progress)
        from depdoctor.pipeline.engines import build_with_buildx

        return build_with_buildx(standing, images, settings, progress, wish)
    if wish.contexts or wish.builders:
        raise UsageError("only `--builder buildx` builds in other places", hint="add `--builder buildx`")
    natively, through_engine = _divided(standing, images, settings, wish, progress)
    _say_what_is_native(through_engine, progress)
    made = [
        work(standing, part, settings, progress, wish)
        for work, part in ((build_natively, natively), (_through_engine, through_engine))
        if part
    ]
    order = [image.name for image in images]
    return Built(
        images=tuple(sorted((one for each in made for one in each.images), key=lambda one: order.index(one.name))),
        pushed=tuple(sorted((one for each in made for one in each.pushed), key=lambda one: order.index(one.name))),
    )


def rehearse(settings: Settings, progress: Progress, wish: BuildWish) -> tuple[Intent, ...]:
    """What `build` would do, in the order of the plan; what an engine builds is only named."""
    from depdoctor.model.intent import Intent
    from depdoctor.pipeline import rehearsing

    destination = references.prefix(wish.push, "--push") if wish.push else ""
    standing = _packed(standing_plan(settings, progress), wish)
    images = wanted_images(standing, wish.images)
    natively, through_engine = _divided(standing, images, settings, wish, progress)
    intents = {one.name: one for one in rehearsing.rehearse(standing, natively, settings, progress, destination)}
    intents |= {
        image.name: Intent(name=image.name, builder="buildx" if wish.builder == "buildx" else "docker")
        for image in through_engine
    }
    return tuple(intents[image.name] for image in images if image.name in intents)


def _packed(standing: Plan, wish: BuildWish) -> Plan:
    """The plan with the packing that is wished: another plan, with a digest of its own."""
    if not wish.compiled and not wish.compression:
        return standing

    def packed(packing: Packing) -> Packing:
        compression = Compression(wish.compression) if wish.compression else packing.compression
        return replace(packing, compiled=packing.compiled or wish.compiled, compression=compression)

    return replace(standing, images=tuple(replace(image, packing=packed(image.packing)) for image in standing.images))


def _say_what_is_native(images: Sequence[Image], progress: Progress) -> None:
    """Say what an engine does not do as the plan of these images has it."""
    if any(image.packing.compression is not Compression.COPY for image in images):
        progress.say("compression is chosen by BuildKit where an engine builds, whatever the plan says")


def push_wish(settings: Settings, destination: str, images: Sequence[str]) -> BuildWish:
    """The wish to push images to REGISTRY/PREFIX, by default the configured one. Raises `UsageError`."""
    prefix = destination or _registry(settings)
    if not prefix:
        raise UsageError("no registry to push to", hint="give --to REGISTRY/PREFIX, or `registry` under [image]")
    prefix = references.prefix(prefix, "--to" if destination else "registry =")
    return BuildWish(push=prefix, images=tuple(images))


def _registry(settings: Settings) -> str:
    from depdoctor.pipeline.scanning import configured

    return configured(settings)[0].image.registry


def _divided(
    standing: Plan, images: Sequence[Image], settings: Settings, wish: BuildWish, progress: Progress
) -> tuple[tuple[Image, ...], tuple[Image, ...]]:
    """The images that are built natively, and those that the engine builds. Raises `UsageError`."""
    if wish.builder in ("docker", "buildx"):
        return (), tuple(images)
    reasons = {
        image.name: why
        for image in images
        if (why := needs_engine(standing, image, builds_sdists=settings.builds_allowed))
    }
    if not reasons:
        return tuple(images), ()
    told = "; ".join(f"`{name}` {why}" for name, why in reasons.items())
    alone = [
        image for image in images if image.name in reasons and not needs_engine(standing, image, builds_sdists=True)
    ]
    here = "; or --build-sdists, which builds source distributions here" if alone else ""
    if wish.builder == "oci":
        raise UsageError(
            f"the native builder runs no commands, and {told}",
            hint=f"use --builder docker{here}",
        )
    natively = tuple(image for image in images if image.name not in reasons)
    if wish.output:
        if wish.images or not natively:
            raise UsageError(
                f"{told}: only an engine can build that, and it writes no layouts",
                hint=f"give --load or --push REGISTRY/PREFIX{here}",
            )
        for name, why in reasons.items():
            progress.say(f"no layout for {name}, since it {why}: an engine builds it, with --load or --push{here}")
        return natively, ()
    for name, why in reasons.items():
        progress.say(f"{name} is built with docker, since it {why}")
    if natively:
        progress.say(f"the rest is built natively: {', '.join(image.name for image in natively)}")
    return natively, tuple(image for image in images if image.name in reasons)


def _through_engine(
    standing: Plan, images: Sequence[Image], settings: Settings, progress: Progress, wish: BuildWish
) -> Built:
    from depdoctor.pipeline.engines import build_with_docker

    return build_with_docker(standing, images, settings, progress, wish)
