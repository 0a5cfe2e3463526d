"""Building through Docker: on the engine's own BuildKit, or on any number of builders that push what they make."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import uv

from depdoctor.adapters import buildx, uv_user
from depdoctor.adapters.docker import DockerEngine
from depdoctor.adapters.git import Repository
from depdoctor.adapters.index import RemoteWheels
from depdoctor.adapters.registry import OciRegistry
from depdoctor.adapters.store import BlobStore
from depdoctor.build.buildx import BuildxBuilder
from depdoctor.build.docker import DockerBuilder
from depdoctor.build.oci.weights import check
from depdoctor.errors import ConfigError, UsageError
from depdoctor.generate import generate
from depdoctor.model.git_source import GitSource
from depdoctor.model.image import Bundle
from depdoctor.model.plan import Image, Plan
from depdoctor.model.seams import Progress
from depdoctor.model.weights import Keep
from depdoctor.pipeline import index_names, references
from depdoctor.pipeline.attesting import attest_built
from depdoctor.pipeline.ignoring import ignored_by_projects
from depdoctor.pipeline.native import BuildWish, Built
from depdoctor.pipeline.scanning import configured
from depdoctor.pipeline.sources import source_of
from depdoctor.pipeline.standing import Settings
from depdoctor.push import attach


def build_with_docker(
    standing: Plan, images: Sequence[Image], settings: Settings, progress: Progress, wish: BuildWish
) -> Built:
    """Build images on the engine's own BuildKit, and push them from there."""
    if wish.output:
        raise UsageError("the docker builder writes no layouts", hint="give --load or --push REGISTRY/PREFIX")
    _check_repositories(standing, images)
    _check_weights(images, settings)
    engine = DockerEngine(buildx=_baker(standing, settings, wish.push or references.LOCAL_PREFIX))
    builder = DockerBuilder(
        engine=engine,
        bundle=_bundle(standing, images, settings),
        context=settings.root,
    )
    made = builder.build(standing, images, progress)
    if not wish.push:
        return Built(images=made)
    registry = OciRegistry(offline=settings.offline)
    pushed = tuple(engine.publish(one.name, one.reference, registry) for one in made)
    found = {one.name: references.by_digest(one.reference, one.digest) for one in pushed}
    _finish(registry, found, standing, settings, wish)
    return Built(images=made, pushed=pushed)


def build_with_buildx(
    standing: Plan, images: Sequence[Image], settings: Settings, progress: Progress, wish: BuildWish
) -> Built:
    """Build images on several builders or the engines of several docker contexts at once, each its share, and push."""
    if wish.output or wish.load or not wish.push:
        raise UsageError(
            "builders push what they make, and neither load it nor write layouts", hint="give --push REGISTRY/PREFIX"
        )
    _check_repositories(standing, images)
    _check_weights(images, settings)
    places = [{"docker_context": name} for name in wish.contexts] + [{"builder": name} for name in wish.builders]
    registry = OciRegistry(offline=settings.offline)
    builder = BuildxBuilder(
        builders=[_baker(standing, settings, wish.push, push=True, **place) for place in places or [{}]],
        registry=registry,
        bundle=_bundle(standing, images, settings),
        context=settings.root,
    )
    made = builder.build(standing, images, progress)
    _finish(registry, {one.name: one.reference for one in made}, standing, settings, wish)
    return Built(images=made)


def _check_repositories(standing: Plan, images: Sequence[Image]) -> None:
    """Refuse repositories that no build reaches: a key or a folder of this machine enters none. Raises `UsageError`."""
    for image in images:
        for pin in standing.pins(image):
            if pin.file and pin.file.is_repository and GitSource.of(pin.file.url).scheme in ("ssh", "file"):
                raise UsageError(
                    f"{pin} comes from {pin.file.url}, which a build in an engine cannot reach",
                    where=f"image {image.name}",
                    hint="use `--build-sdists`, which fetches and builds it here, or name it by https",
                )


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
    if ca_bundle and not ca_bundle.is_file():
        raise ConfigError(
            f"`image.ca-bundle` names {config.image.ca_bundle}, and there is no such file",
            where=config.source,
            hint="its path is relative to the folder that is scanned",
        )
    return buildx.Buildx(
        uv=Path(os.fsdecode(uv.find_uv_bin())),
        secrets=buildx.secrets(os.environ, ca_bundle),
        registry=registry,
        tag=references.tag(standing),
        push=push,
        builder=builder,
        docker_context=docker_context,
        cache=config.image.cache,
        accounts=uv_user.accounts(index_names.of_plan(standing, settings.root)),
    )


def _bundle(standing: Plan, images: Sequence[Image], settings: Settings) -> Bundle:
    config = configured(settings)[0]
    user = uv_user.user_setup()
    usual = config.indexes.index_url or (user.default.address if user.default else "")
    others = (*config.indexes.extra_index_urls, *(one.address for one in user.extra))
    toolchain = replace(config.image.toolchain, indexes=(usual, *others))
    told = source_of(Repository(settings.root), settings.root, BlobStore(settings.cache / "store"))
    return generate(
        standing,
        ignored=ignored_by_projects(standing, settings.root),
        toolchain=toolchain,
        sources={image.name: told(image) for image in images},
    )


def _finish(
    registry: OciRegistry, pushed: Mapping[str, str], standing: Plan, settings: Settings, wish: BuildWish
) -> None:
    """Give pushed images, by name, their bills of materials, their provenance, and tags beside that of the plan."""
    store = BlobStore(settings.cache / "store")
    wheels = RemoteWheels(settings.cache, offline=settings.offline, named=index_names.of_plan(standing, settings.root))
    builder = "buildx" if wish.builder == "buildx" else "docker"
    tags = references.tags(standing, Repository(settings.root))
    images = {image.name: image for image in standing.images}
    for name, reference in pushed.items():
        manifest, content = registry.manifest(reference)
        repository = f"{wish.push}/{name}"
        attachments = attest_built(standing, images[name], manifest, repository, store, wheels, builder)
        attach(repository, manifest, attachments, registry, store)
        for tag in tags[1:]:
            registry.put_manifest(f"{repository}:{tag}", manifest, content)
