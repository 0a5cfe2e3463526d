"""`generate`: from a plan to what people build and deploy with."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from packaging.version import Version

from depdoctor import discover
from depdoctor.adapters import files
from depdoctor.adapters.registry import OciRegistry
from depdoctor.diagnose.needs import gpu_need
from depdoctor.diagnose.offer import capability
from depdoctor.errors import RegistryError, UsageError
from depdoctor.generate import KINDS, generate
from depdoctor.model.config import Config
from depdoctor.model.deployment import Deployment, Running
from depdoctor.model.image import Bundle
from depdoctor.model.inventory import Inventory
from depdoctor.model.plan import Image, Plan
from depdoctor.model.seams import Progress
from depdoctor.model.target import Gpu, Target
from depdoctor.model.toolchain import Toolchain
from depdoctor.pipeline import index_names, references
from depdoctor.pipeline.documenting import document
from depdoctor.pipeline.ignoring import ignored_by_projects
from depdoctor.pipeline.scanning import configured
from depdoctor.pipeline.standing import Settings, standing_plan, wanted_images
from depdoctor.rules import Rules

DOCUMENTS = "docs"
BILLS = "sbom"
ALL_KINDS = (*KINDS, DOCUMENTS, BILLS)

DEPLOYING = frozenset({"compose", "kubernetes", "helm", DOCUMENTS})
"""Kinds of files for which more has to be known than the plan says."""

BY_DIGEST = frozenset({"kubernetes", "helm"})


def generate_files(
    settings: Settings, progress: Progress, kinds: Sequence[str], output: Path, registry: str = ""
) -> tuple[Path, ...]:
    """Write what people build and deploy with, from the committed plan or else one made now; the paths.

    `registry` is REGISTRY/PREFIX where the images were pushed; what names images by digest asks it for them,
    and Compose takes them from there.
    """
    if not kinds:
        raise UsageError("`--only` names nothing to generate", hint=f"one of {', '.join(ALL_KINDS)}")
    if unknown := [kind for kind in kinds if kind not in ALL_KINDS]:
        raise UsageError(f"cannot generate `{unknown[0]}`", hint=f"one of {', '.join(ALL_KINDS)}")
    standing = standing_plan(settings, progress)
    wanted_images(standing, ())
    deployment = None
    pages: dict[str, str] = {}
    if DEPLOYING & set(kinds):
        config, facts = configured(settings)
        place = registry or config.image.registry
        if BY_DIGEST & set(kinds) and not place:
            raise UsageError(
                "Kubernetes takes images by digest, and nothing says where they are",
                hint="give --registry REGISTRY/PREFIX, or `registry` under [image], and `depdoctor push` first",
            )
        place = references.prefix(place, "--registry" if registry else "registry =") if place else ""
        asked = place if BY_DIGEST & set(kinds) else ""
        deployment = _deployment(standing, settings, config, facts, asked)
        if registry:  # what is loaded into an engine bears no name of a registry that is merely configured
            deployment = replace(deployment, registry=place)
        if DOCUMENTS in kinds:
            pages = document(standing, settings, config, deployment, place)
    if BILLS in kinds:
        from depdoctor.adapters.index import RemoteWheels
        from depdoctor.adapters.store import BlobStore
        from depdoctor.pipeline.attesting import bills

        named = index_names.of_plan(standing, settings.root)
        wheels = RemoteWheels(settings.cache, offline=settings.offline, named=named)
        pages |= bills(standing, BlobStore(settings.cache / "store"), wheels)
    bundle = generate(
        standing,
        only=[kind for kind in kinds if kind in KINDS],
        projects=Path(os.path.relpath(settings.root, output)).as_posix(),
        tag=references.tag(standing),
        deployment=deployment,
        ignored=ignored_by_projects(standing, settings.root),
        toolchain=_toolchain(configured(settings)[0]),
    )
    return files.write(Bundle(files={**bundle.files, **pages}), output)


def _toolchain(config: Config) -> Toolchain:
    """What Dockerfiles are built with, by the indexes of the configuration: a user's own are in no file."""
    indexes = (config.indexes.index_url or "", *config.indexes.extra_index_urls)
    return replace(config.image.toolchain, indexes=indexes)


def _deployment(standing: Plan, settings: Settings, config: Config, facts: Rules, place: str) -> Deployment:
    weights = {
        project.root: sum(_size(settings.root / path) for path in project.weights)
        for project in discover.discover(settings.root, config.exclude)
    }
    sizes = {pin.file.sha256: pin.unpacked_bytes or 0 for pin in standing.packages if pin.file}
    registry = OciRegistry(offline=settings.offline)
    now = Inventory(root="", entries=(), targets=(), index_date=datetime.now(UTC))

    def running(image: Image) -> Running:
        wheels = (wheel for layer in standing.layers(image) for wheel in layer.wheels)
        return Running(
            reference=_pushed(registry, f"{place}/{image.name}", references.tag(standing))
            if place and image.command
            else "",
            gpu=gpu_need(standing, image, facts, now),
            weights_bytes=weights.get(image.code, 0),
            unpacked_bytes=sum(sizes.get(wheel, 0) for wheel in wheels),
            replicas=config.project(image.code).replicas,
            metrics=config.project(image.code).metrics,
        )

    return Deployment(
        images={image.name: running(image) for image in standing.images},
        targets=tuple(_known(target, facts) for target in config.targets),
    )


def _pushed(registry: OciRegistry, repository: str, tag: str) -> str:
    """The reference of a pushed image by its digest. Raises `RegistryError`."""
    digest = registry.digest(f"{repository}:{tag}")
    if not digest:
        raise RegistryError(
            f"{repository}:{tag} is not in its registry, and Kubernetes takes images by digest",
            hint=f"run `depdoctor push --to {repository.rpartition('/')[0]}` first",
        )
    return f"{repository}@{digest}"


def _known(target: Target, facts: Rules) -> Target:
    """A target with the compute capabilities of its GPUs by their names, and the driver branch of its CUDA version."""
    gpus = tuple(
        Gpu(name=gpu.name, capability=(found.major, found.minor) if (found := capability(gpu, facts)) else None)
        for gpu in target.gpus
    )
    driver = target.driver
    if driver is None and target.driver_cuda is not None:
        fitting = [row.branch for row in facts.driver_branches if row.cuda == target.driver_cuda]
        driver = Version(str(max(fitting))) if fitting else None
    return replace(target, gpus=gpus, driver=driver)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
