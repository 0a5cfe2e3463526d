"""Building natively: from a plan to layouts, a registry or an engine.

What a build that finds nothing changed has no use for is imported where it is used: the whole command then takes less
time than the imports would.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from depdoctor import push
from depdoctor.adapters.cores import usable_cores
from depdoctor.adapters.fetch import WheelFetcher
from depdoctor.adapters.git import Repository
from depdoctor.adapters.registry import OciRegistry
from depdoctor.adapters.store import BlobStore
from depdoctor.build.oci import OciBuilder
from depdoctor.errors import UsageError
from depdoctor.model.image import Attachment, BuiltImage, PushedImage
from depdoctor.model.noun import dataclass
from depdoctor.model.packing import Compression
from depdoctor.model.plan import Image, Plan
from depdoctor.model.seams import Compiler, Progress, Store, WheelMaker
from depdoctor.pipeline import bases, index_names, references
from depdoctor.pipeline.sources import source_of
from depdoctor.pipeline.standing import Settings

if TYPE_CHECKING:
    from depdoctor.build.oci.spread import Spread


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildWish:
    """What to do with the images: write layouts to `output`, `push` to REGISTRY/PREFIX, `load` into the engine.

    They are `compiled` to byte-code and have this `compression` besides what the plan says.
    `contexts` (of docker) and `builders` (of buildx) are where the buildx builder builds, all at once.
    """

    output: Path | None = None
    push: str = ""
    load: bool = False
    builder: str = "auto"
    images: tuple[str, ...] = ()
    compiled: bool = False
    compression: str = ""
    contexts: tuple[str, ...] = ()
    builders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What a build made."""

    images: tuple[BuiltImage, ...]
    pushed: tuple[PushedImage, ...] = ()


def build_natively(
    standing: Plan, images: Sequence[Image], settings: Settings, progress: Progress, wish: BuildWish
) -> Built:
    """Build images with no daemon, and bring them where they are wanted."""
    store = BlobStore(settings.cache / "store")
    registry = OciRegistry(offline=settings.offline)
    repository = Repository(settings.root)
    fetcher = WheelFetcher(
        store,
        root=settings.root,
        offline=settings.offline,
        named=lambda: index_names.of_plan(standing, settings.root),
    )
    if any(image.packing.compression is Compression.ZSTD for image in images):
        progress.say("layers of zstd cannot be read by engines before Docker 23, containerd 1.5 and Podman 4")
    if not wish.push and not wish.load:
        images = bases.or_layers_alone(images, settings, progress)
    with ExitStack() as stack:
        output = wish.output
        if wish.load and not output:
            output = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="depdoctor-")))
        ahead = stack.enter_context(push.Ahead(wish.push, registry, store)) if wish.push else None
        builder = OciBuilder(
            store=store,
            fetcher=fetcher,
            registry=registry,
            root=settings.root,
            output=output,
            compiler=compiler_for,
            wheels=_wheels(settings, store) if settings.builds_allowed else None,
            source=source_of(repository, settings.root, store),
            cores=usable_cores(),
            repository=_shared_repository(settings, wish) if settings.executor else "",
            spread=stack.enter_context(_spread(standing, settings)) if settings.executor else None,
            made=ahead.send if ahead else lambda *_: None,
        )
        made = builder.build(standing, images, progress)
        if wish.load:
            made = _loaded(made, references.tag(standing), keeps_layouts=wish.output is not None)
    if not wish.push:
        return Built(images=made)
    tags = references.tags(standing, repository)

    def attachments(built: BuiltImage, destination: str) -> Sequence[Attachment]:
        from depdoctor.pipeline.attesting import attest

        planned = next(image for image in images if image.name == built.name)
        return attest(standing, planned, built, destination, store, fetcher, progress)

    pushed = push.push_all(made, wish.push, registry, store, tags, progress, attachments, ahead)
    return Built(images=made, pushed=pushed)


def _wheels(settings: Settings, store: Store) -> WheelMaker:
    from depdoctor.adapters.sdist_wheels import SdistWheels
    from depdoctor.pipeline.scanning import configured

    return SdistWheels(store, indexes=configured(settings)[0].indexes, offline=settings.offline)


def compiler_for(python: str) -> Compiler:
    """What compiles for a Python minor version. Raises `BuildError`."""
    from depdoctor.adapters.compiler import compiler

    return compiler(python)


@contextmanager
def _spread(standing: Plan, settings: Settings) -> Iterator[Spread]:
    """Workers that make layers."""
    from depdoctor.adapters.executor import executor
    from depdoctor.pipeline.spreading import spread_on

    with executor(settings.executor) as found:
        yield spread_on(found, index_names.of_plan(standing, settings.root), offline=settings.offline)


def _shared_repository(settings: Settings, wish: BuildWish) -> str:
    """Where workers leave layers: beside the images, in a repository of their own. Raises `UsageError`."""
    from depdoctor.build.oci.spread import REPOSITORY
    from depdoctor.pipeline.scanning import configured

    prefix = wish.push or configured(settings)[0].image.registry
    if not prefix:
        raise UsageError(
            "workers need a registry to leave layers in",
            hint="give --push REGISTRY/PREFIX, or `registry` under [image]",
        )
    return f"{references.prefix(prefix, '--push')}/{REPOSITORY}"


def _loaded(made: Sequence[BuiltImage], tag: str, *, keeps_layouts: bool) -> tuple[BuiltImage, ...]:
    """Bring layouts into the engine: the images with the names that they have there."""
    from depdoctor.adapters.docker import DockerEngine

    engine = DockerEngine()
    loaded = []
    for one in made:
        reference = f"{references.LOCAL_PREFIX}/{one.name}:{tag}"
        if one.layout:
            engine.load(one.layout, reference)
        loaded.append(replace(one, reference=reference, layout=one.layout if keeps_layouts else None))
    return tuple(loaded)
