"""`--dry-run`: what a build or a push would fetch, make and send. Nothing is fetched but what tells that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from depdoctor.adapters import registry_names
from depdoctor.adapters.cores import usable_cores
from depdoctor.adapters.fetch import WheelFetcher
from depdoctor.adapters.git import Repository
from depdoctor.adapters.registry import OciRegistry
from depdoctor.adapters.store import BlobStore
from depdoctor.build.oci import OciBuilder
from depdoctor.build.oci.owners import made_keys, recalled, title_of
from depdoctor.model.image import BuiltImage
from depdoctor.model.intent import Intent
from depdoctor.model.plan import Image, Plan
from depdoctor.model.seams import Progress
from depdoctor.pipeline.sources import source_of
from depdoctor.pipeline.standing import Settings


def rehearse(
    standing: Plan, images: Sequence[Image], settings: Settings, progress: Progress, destination: str = ""
) -> tuple[Intent, ...]:
    """What building images natively would do, and pushing them to a REGISTRY/PREFIX. Raises `RegistryError`."""
    store = BlobStore(settings.cache / "store")
    registry = OciRegistry(offline=settings.offline)
    known: set[str] = set()
    intents = [_made(standing, image, store, known) for image in images]
    if not destination:
        return tuple(intents)
    whole = [image for image, intent in zip(images, intents, strict=True) if not intent.make]
    fetcher = WheelFetcher(store, root=settings.root, offline=True)
    builder = OciBuilder(
        store=store,
        fetcher=fetcher,
        registry=registry,
        root=settings.root,
        source=source_of(Repository(settings.root), settings.root, store),
        cores=usable_cores(),
    )
    built = {one.name: one for one in builder.build(standing, whole, progress)} if whole else {}
    sent: set[str] = set()
    rehearsed = []
    for image, intent in zip(images, intents, strict=True):
        repository = f"{destination}/{image.name}"
        one = built.get(image.name)
        if one and registry.digest(f"{repository}@{one.manifest.digest}") == one.manifest.digest:
            rehearsed.append(replace(intent, push_bytes=0, stands=True))
        elif one:
            rehearsed.append(replace(intent, push_bytes=_lacking(one, repository, registry, sent)))
        else:
            estimate = _estimated(standing, image, repository, registry, store, sent)
            rehearsed.append(replace(intent, push_bytes=estimate, is_estimate=True))
    return tuple(rehearsed)


def _made(standing: Plan, image: Image, store: BlobStore, known: set[str]) -> Intent:
    """What making an image takes, but for the keys of layers that are `known`, to which its own are added."""
    pins = standing.by_hash()
    missing = [
        one
        for one in standing.layers(image)
        if (keys := made_keys(one, image.packing))[0] not in known and not all(recalled(store, key) for key in keys)
    ]
    known.update(made_keys(layer, image.packing)[0] for layer in missing)
    files = [pins[sha256].file for layer in missing for sha256 in layer.wheels]
    return Intent(
        name=image.name,
        builder="oci",
        fetch=tuple(file for file in files if file and not store.has(f"sha256:{file.sha256}")),
        make=tuple(title_of(layer, pins) for layer in missing),
    )


def _lacking(one: BuiltImage, repository: str, registry: OciRegistry, sent: set[str]) -> int:
    """The bytes that a registry lacks of an image and that none sends before it; a base is mounted where it can be."""
    lacking = 0
    base = registry_names.parse(one.base_reference).host if one.base_reference else ""
    mounted = one.base_layers if base == registry_names.parse(repository).host else 0
    for blob in (*one.layers[mounted:], one.config):
        if blob.digest not in sent and not registry.has_blob(repository, blob.digest):
            lacking += blob.size_bytes
        sent.add(blob.digest)
    return lacking


def _estimated(
    standing: Plan, image: Image, repository: str, registry: OciRegistry, store: BlobStore, sent: set[str]
) -> int:
    """About the bytes of an image's layers of packages that a registry lacks."""
    pins = standing.by_hash()
    lacking = 0
    for layer in standing.layers(image):
        for piece in made_keys(layer, image.packing):
            blob = recalled(store, piece)
            if piece not in sent and not (blob and registry.has_blob(repository, blob.digest)):
                whole = sum(pins[sha256].download_bytes for sha256 in layer.wheels)
                lacking += blob.size_bytes if blob else whole // layer.parts
            sent.add(piece)
    return lacking
