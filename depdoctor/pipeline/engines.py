"""Building through Docker: on the engine's own BuildKit, or on any number of builders that push what they make."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import uv

from depdoctor.adapters import buildx
from depdoctor.adapters.docker import DockerEngine
from depdoctor.adapters.registry import OciRegistry
from depdoctor.adapters.store import BlobStore
from depdoctor.build.buildx import BuildxBuilder
from depdoctor.build.docker import DockerBuilder
from depdoctor.build.oci.weights import check
from depdoctor.errors import UsageError
from depdoctor.generate import generate
from depdoctor.model.plan import Image, Plan
from depdoctor.model.seams import Progress
from depdoctor.model.weights import Keep
from depdoctor.pipeline import references
from depdoctor.pipeline.ignoring import ignored_by_projects
from depdoctor.pipeline.native import BuildWish, Built
from depdoctor.pipeline.scanning import configured
from depdoctor.pipeline.standing import Settings


def build_with_docker(
    standing: Plan, images: Sequence[Image], settings: Settings, progress: Progress, wish: BuildWish
) -> Built:
    """Build images on the engine's own BuildKit, and push them from there."""
    if wish.output:
        raise UsageError("the docker builder writes no layouts", hint="give --load or --push REGISTRY/PREFIX")
    _check_weights(images, settings)
    engine = DockerEngine(buildx=_baker(standing, settings, wish.push or references.LOCAL_PREFIX))
    builder = DockerBuilder(
        engine=engine,
        bundle=generate(standing, ignored=ignored_by_projects(standing, settings.root)),
        context=settings.root,
    )
    made = builder.build(standing, images, progress)
    if not wish.push:
        return Built(images=made)
    registry = OciRegistry(offline=settings.offline)
    pushed = tuple(engine.publish(one.name, one.reference, registry) for one in made)
    for one in pushed:
        _tag(registry, references.by_digest(one.reference, one.digest), one.name, standing, settings, wish)
    return Built(images=made, pushed=pushed)


def build_with_buildx(
    standing: Plan, images: Sequence[Image], settings: Settings, progress: Progress, wish: BuildWish
) -> Built:
    """Build images on several builders or the engines of several docker contexts at once, each its share, and push."""
    if wish.output or wish.load or not wish.push:
        raise UsageError(
            "builders push what they make, and neither load it nor write layouts", hint="give --push REGISTRY/PREFIX"
        )
    _check_weights(images, settings)
    places = [{"docker_context": name} for name in wish.contexts] + [{"builder": name} for name in wish.builders]
    registry = OciRegistry(offline=settings.offline)
    builder = BuildxBuilder(
        builders=[_baker(standing, settings, wish.push, push=True, **place) for place in places or [{}]],
        registry=registry,
        bundle=generate(standing, ignored=ignored_by_projects(standing, settings.root)),
        context=settings.root,
    )
    made = builder.build(standing, images, progress)
    for one in made:
        _tag(registry, one.reference, one.name, standing, settings, wish)
    return Built(images=made)


def _check_weights(images: Sequence[Image], settings: Settings) -> None:
    """Refuse weights that changed after the plan, before anything is sent to an engine. Raises `BuildError`."""
    store = BlobStore(settings.cache / "store")
    for image in images:
        if image.keep is Keep.LAYER:
            check(settings.root / image.code, image.weights, store)


def _baker(
    standing: Plan,
    settings: Settings,
    registry: str,
    *,
    push: bool = False,
    builder: str = "",
    docker_context: str = "",
) -> buildx.Buildx:
    config, _ = configured(settings)
    ca_bundle = settings.root / config.image.ca_bundle if config.image.ca_bundle else None
    return buildx.Buildx(
        uv=Path(os.fsdecode(uv.find_uv_bin())),
        secrets=buildx.secrets(os.environ, ca_bundle),
        registry=registry,
        tag=references.tag(standing),
        push=push,
        builder=builder,
        docker_context=docker_context,
    )


def _tag(registry: OciRegistry, reference: str, name: str, standing: Plan, settings: Settings, wish: BuildWish) -> None:
    """Give a pushed image its other tags, beside that of the plan."""
    others = references.tags(standing, settings)[1:]
    if others:
        manifest, content = registry.manifest(reference)
        for tag in others:
            registry.put_manifest(f"{wish.push}/{name}:{tag}", manifest, content)
