"""`generate`, `build`, `push` and `verify`: from a plan to files and images."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import uv

from depdoctor import planfile, push, verify
from depdoctor.adapters import buildx, files, git
from depdoctor.adapters.docker import DockerEngine
from depdoctor.adapters.fetch import WheelFetcher
from depdoctor.adapters.registry import OciRegistry
from depdoctor.adapters.store import BlobStore
from depdoctor.build.docker import DockerBuilder
from depdoctor.build.oci import OciBuilder
from depdoctor.errors import UsageError
from depdoctor.generate import generate
from depdoctor.model.finding import Diagnosis, Finding, worst_first
from depdoctor.model.image import BuiltImage, PushedImage
from depdoctor.model.plan import Image, Plan
from depdoctor.model.seams import Progress
from depdoctor.pipeline import bases
from depdoctor.pipeline.planning import standing_plan, wanted_images
from depdoctor.pipeline.scanning import Settings, configured

LOCAL_PREFIX = "depdoctor"
"""What images are called in an engine on this machine: depdoctor/NAME:TAG."""

TAG_LENGTH = 12
"""How much of a digest or a revision makes a tag."""


def generate_files(settings: Settings, progress: Progress, kinds: Sequence[str], output: Path) -> tuple[Path, ...]:
    """Write what people build and deploy with, from the committed plan or else one made now."""
    bundle = generate(standing_plan(settings, progress), only=kinds)
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
    """Build the images of the plan, natively or through the engine, and bring them where they are wanted."""
    standing = standing_plan(settings, progress)
    images = wanted_images(standing, wish.images)
    if _builder(standing, images, wish.builder) == "docker":
        return _build_with_docker(standing, images, settings, progress, wish)
    return _build_natively(standing, images, settings, progress, wish)


def push_images(settings: Settings, progress: Progress, destination: str, images: Sequence[str]) -> Built:
    """Push images to REGISTRY/PREFIX, by default the configured one; what is not built yet is built."""
    prefix = destination or configured(settings)[0].image.registry
    if not prefix:
        raise UsageError("no registry to push to", hint="give --to REGISTRY/PREFIX, or `registry` under [image]")
    return build(settings, progress, BuildWish(push=prefix, images=tuple(images)))


def verify_images(settings: Settings, progress: Progress, references: Sequence[str], source: str = "") -> Diagnosis:
    """Run images of the plan without network: what is installed is what was locked, and what is imported imports.

    `references` name images of the plan, or images anywhere whose last part is such a name; none means all of them.
    """
    standing = standing_plan(settings, progress)
    engine = DockerEngine()
    _, facts = configured(settings)
    found: list[Finding] = []
    codes: set[str] = set()
    names = {_name(reference): reference for reference in references} or {image.name: "" for image in standing.images}
    for image in wanted_images(standing, tuple(names)):
        task = f"verifying {image.name}"
        progress.start(task)
        repository = names[image.name] if "/" in names[image.name] else f"{source or LOCAL_PREFIX}/{image.name}"
        exact = "@" in repository or ":" in repository.rpartition("/")[2]
        reference = repository if exact else f"{repository}:{_tag(standing)}"
        diagnosis = verify.verify(standing, image, engine.inspect(reference, image.imports), facts)
        found += diagnosis.findings
        codes.update(diagnosis.rules_run)
        progress.finish(task)
    return Diagnosis(findings=worst_first(tuple(found)), rules_run=tuple(sorted(codes)))


def _builder(standing: Plan, images: Sequence[Image], wish: str) -> str:
    if wish != "auto":
        return wish
    wheels_only = all(pin.file and pin.file.is_wheel for image in images for pin in standing.pins(image))
    return "oci" if wheels_only else "docker"


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
            engine = DockerEngine()
            for one in made:
                if one.layout:
                    engine.load(one.layout, f"{LOCAL_PREFIX}/{one.name}:{_tag(standing)}")
    if not wish.push:
        return Built(images=made)
    tags = tuple(filter(None, (_tag(standing), git.revision(settings.root)[:TAG_LENGTH])))
    return Built(images=made, pushed=push.push_all(made, wish.push, registry, store, tags, progress))


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
        registry=wish.push or LOCAL_PREFIX,
        tag=_tag(standing),
    )
    engine = DockerEngine(buildx=baker)
    builder = DockerBuilder(engine=engine, bundle=generate(standing), context=settings.root)
    made = builder.build(standing, images, progress)
    if not wish.push:
        return Built(images=made)
    registry = OciRegistry(offline=settings.offline)
    return Built(images=made, pushed=tuple(engine.publish(one.name, one.reference, registry) for one in made))


def _tag(standing: Plan) -> str:
    return planfile.digest(standing).removeprefix("sha256:")[:TAG_LENGTH]


def _name(reference: str) -> str:
    return reference.split("@", maxsplit=1)[0].rsplit("/", 1)[-1].split(":", maxsplit=1)[0]
