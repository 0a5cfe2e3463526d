"""`generate`, `build` and `push`: from a plan to files and images."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import uv

from depdoctor import push
from depdoctor.adapters import buildx, files
from depdoctor.adapters.docker import DockerEngine
from depdoctor.adapters.fetch import WheelFetcher
from depdoctor.adapters.registry import OciRegistry
from depdoctor.adapters.store import BlobStore
from depdoctor.build.choice import needs_engine
from depdoctor.build.docker import DockerBuilder
from depdoctor.build.oci import OciBuilder
from depdoctor.errors import UsageError
from depdoctor.generate import generate
from depdoctor.model.image import BuiltImage, PushedImage
from depdoctor.model.plan import Image, Plan
from depdoctor.model.seams import Progress
from depdoctor.pipeline import bases, references
from depdoctor.pipeline.planning import standing_plan, wanted_images
from depdoctor.pipeline.scanning import Settings, configured


def generate_files(settings: Settings, progress: Progress, kinds: Sequence[str], output: Path) -> tuple[Path, ...]:
    """Write what people build and deploy with, from the committed plan or else one made now."""
    standing = standing_plan(settings, progress)
    wanted_images(standing, ())
    bundle = generate(standing, only=kinds, projects=Path(os.path.relpath(settings.root, output)).as_posix())
    return files.write(bundle, output)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildWish:
    """What to do with the images: write layouts to `output`, `push` to REGISTRY/PREFIX, `load` into the engine."""

    output: Path | None = None
    push: str = ""
    load: bool = False
    builder: str = "auto"
    images: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What a build made."""

    images: tuple[BuiltImage, ...]
    pushed: tuple[PushedImage, ...] = ()


def build(settings: Settings, progress: Progress, wish: BuildWish) -> Built:
    """Build the images of the plan, natively or through the engine, and bring them where they are wanted.

    Left to choose, what consists of wheels alone is built natively, and the rest through the engine, which is said.
    """
    if wish.push:
        wish = replace(wish, push=references.prefix(wish.push, "--push"))
    standing = standing_plan(settings, progress)
    images = wanted_images(standing, wish.images)
    natively, through_engine = _divided(standing, images, wish, progress)
    made = [
        work(standing, part, settings, progress, wish)
        for work, part in ((_build_natively, natively), (_build_with_docker, through_engine))
        if part
    ]
    order = [image.name for image in images]
    return Built(
        images=tuple(sorted((one for each in made for one in each.images), key=lambda one: order.index(one.name))),
        pushed=tuple(sorted((one for each in made for one in each.pushed), key=lambda one: order.index(one.name))),
    )


def push_images(settings: Settings, progress: Progress, destination: str, images: Sequence[str]) -> Built:
    """Push images to REGISTRY/PREFIX, by default the configured one; what is not built yet is built."""
    prefix = destination or configured(settings)[0].image.registry
    if not prefix:
        raise UsageError("no registry to push to", hint="give --to REGISTRY/PREFIX, or `registry` under [image]")
    prefix = references.prefix(prefix, "--to" if destination else "registry =")
    return build(settings, progress, BuildWish(push=prefix, images=tuple(images)))


def _divided(
    standing: Plan, images: Sequence[Image], wish: BuildWish, progress: Progress
) -> tuple[tuple[Image, ...], tuple[Image, ...]]:
    """The images that are built natively, and those that the engine builds. Raises `UsageError`."""
    if wish.builder == "docker":
        return (), tuple(images)
    reasons = {image.name: why for image in images if (why := needs_engine(standing, image))}
    if not reasons:
        return tuple(images), ()
    told = "; ".join(f"`{name}` {why}" for name, why in reasons.items())
    if wish.builder == "oci":
        raise UsageError(
            f"the native builder runs no commands, and {told}",
            hint="use `--builder docker`, or a `base` that has them and no `system-packages`",
        )
    natively = tuple(image for image in images if image.name not in reasons)
    if wish.output:
        if wish.images or not natively:
            raise UsageError(
                f"{told}: only an engine can build that, and it writes no layouts",
                hint="give --load or --push REGISTRY/PREFIX",
            )
        for name, why in reasons.items():
            progress.say(f"no layout for {name}, since it {why}: an engine builds it, with --load or --push")
        return natively, ()
    for name, why in reasons.items():
        progress.say(f"{name} is built with docker, since it {why}")
    if natively:
        progress.say(f"the rest is built natively: {', '.join(image.name for image in natively)}")
    return natively, tuple(image for image in images if image.name in reasons)


def _build_natively(
    standing: Plan, images: Sequence[Image], settings: Settings, progress: Progress, wish: BuildWish
) -> Built:
    store = BlobStore(settings.cache / "store")
    registry = OciRegistry(offline=settings.offline)
    if not wish.push and not wish.load:
        images = bases.or_layers_alone(images, settings, progress)
    with tempfile.TemporaryDirectory(prefix="depdoctor-") as scratch:
        builder = OciBuilder(
            store=store,
            fetcher=WheelFetcher(store, root=settings.root, offline=settings.offline),
            registry=registry,
            root=settings.root,
            output=wish.output or (Path(scratch) if wish.load else None),
        )
        made = builder.build(standing, images, progress)
        if wish.load:
            made = _loaded(made, references.tag(standing), keeps_layouts=wish.output is not None)
    if not wish.push:
        return Built(images=made)
    tags = references.tags(standing, settings)
    return Built(images=made, pushed=push.push_all(made, wish.push, registry, store, tags, progress))


def _loaded(made: Sequence[BuiltImage], tag: str, *, keeps_layouts: bool) -> tuple[BuiltImage, ...]:
    """Bring layouts into the engine: the images with the names that they have there."""
    engine = DockerEngine()
    loaded = []
    for one in made:
        reference = f"{references.LOCAL_PREFIX}/{one.name}:{tag}"
        if one.layout:
            engine.load(one.layout, reference)
        loaded.append(replace(one, reference=reference, layout=one.layout if keeps_layouts else None))
    return tuple(loaded)


def _build_with_docker(
    standing: Plan, images: Sequence[Image], settings: Settings, progress: Progress, wish: BuildWish
) -> Built:
    if wish.output:
        raise UsageError("the docker builder writes no layouts", hint="give --load or --push REGISTRY/PREFIX")
    config, _ = configured(settings)
    ca_bundle = settings.root / config.image.ca_bundle if config.image.ca_bundle else None
    baker = buildx.Buildx(
        uv=Path(os.fsdecode(uv.find_uv_bin())),
        secrets=buildx.secrets(os.environ, ca_bundle),
        registry=wish.push or references.LOCAL_PREFIX,
        tag=references.tag(standing),
    )
    engine = DockerEngine(buildx=baker)
    builder = DockerBuilder(engine=engine, bundle=generate(standing), context=settings.root)
    made = builder.build(standing, images, progress)
    if not wish.push:
        return Built(images=made)
    registry = OciRegistry(offline=settings.offline)
    pushed = tuple(engine.publish(one.name, one.reference, registry) for one in made)
    for one in pushed:
        manifest, content = registry.manifest(references.by_digest(one.reference, one.digest))
        for tag in references.tags(standing, settings)[1:]:
            registry.put_manifest(f"{wish.push}/{one.name}:{tag}", manifest, content)
    return Built(images=made, pushed=pushed)
