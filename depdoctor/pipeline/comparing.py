"""`verify --remote`: images in a registry are held against what the plan makes; nothing is pulled or run.

Images are reproducible, so what should stand in the registry can be made again here, mostly out of the cache.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from depdoctor import verify
from depdoctor.adapters.cores import usable_cores
from depdoctor.adapters.fetch import WheelFetcher
from depdoctor.adapters.git import Repository
from depdoctor.adapters.registry import OciRegistry
from depdoctor.adapters.store import BlobStore
from depdoctor.build.choice import needs_engine
from depdoctor.build.oci import OciBuilder
from depdoctor.build.oci.image import CREATED_BY
from depdoctor.errors import RegistryError, UsageError
from depdoctor.model.finding import Diagnosis, Finding, worst_first
from depdoctor.model.image import RemoteImage
from depdoctor.model.seams import Progress
from depdoctor.pipeline import references
from depdoctor.pipeline.native import compiler_for
from depdoctor.pipeline.sources import source_of
from depdoctor.pipeline.standing import Settings, standing_plan, wanted_images


def compare_images(settings: Settings, progress: Progress, names: Sequence[str], source: str) -> Diagnosis:
    """Compare images of the plan (none means all) with those at REGISTRY/PREFIX, or one with a whole reference.

    Raises `UsageError` for an image that only an engine builds, `RegistryError` for one that is not there.
    """
    whole = source if references.is_exact(source) else ""
    prefix = references.prefix(source.rpartition("/")[0] if whole else source, "--from")
    standing = standing_plan(settings, progress)
    images = wanted_images(standing, (references.name_in(whole),) if whole else tuple(names))
    for image in images:
        if why := needs_engine(standing, image):
            raise UsageError(
                f"image `{image.name}` cannot be compared with a registry: it {why}, which no two builds do alike",
                hint="leave `--remote` out, which runs the image, or name the others with --image",
            )
    store = BlobStore(settings.cache / "store")
    registry = OciRegistry(offline=settings.offline)
    fetcher = WheelFetcher(store, root=settings.root, offline=settings.offline)
    builder = OciBuilder(
        store=store,
        fetcher=fetcher,
        registry=registry,
        root=settings.root,
        compiler=compiler_for,
        source=source_of(Repository(settings.root), settings.root, store),
        cores=usable_cores(),
    )
    found: list[Finding] = []
    for image, built in zip(images, builder.build(standing, images, progress), strict=True):
        reference = whole or f"{prefix}/{image.name}:{references.tag(standing)}"
        own = json.loads(store.path(built.config.digest).read_bytes())
        remote = _remote(reference, registry)
        titles = _titles(own, len(built.layers) - built.base_layers)
        found += verify.compare(image, built, titles, own, remote)
    return Diagnosis(findings=worst_first(tuple(found)), rules_run=verify.COMPARED)


def _titles(own: Mapping[str, Any], count: int) -> tuple[str, ...]:
    """What each of the topmost layers holds, as the history of the configuration tells."""
    return tuple(step["created_by"].removeprefix(CREATED_BY) for step in own["history"][-count:])


def _remote(reference: str, registry: OciRegistry) -> RemoteImage:
    manifest, content = registry.manifest(reference)
    try:
        document = json.loads(content)
        config = document["config"]["digest"]
        layers = tuple(str(layer["digest"]) for layer in document["layers"])
        repository = references.by_digest(reference, manifest.digest).partition("@")[0]
        running = json.loads(b"".join(registry.blob(repository, config)))
        return RemoteImage(
            reference=reference, digest=manifest.digest, layers=layers, config=dict(running.get("config") or {})
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RegistryError(
            "this is not the manifest of one image", where=reference, hint="push the image again with `depdoctor push`"
        ) from error
