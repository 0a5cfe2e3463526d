"""`rebase`: images that stand in a registry are put on the patched successor of their base, by manifest alone."""

from __future__ import annotations

import json
from collections.abc import Sequence

from depdoctor import planfile, push, sbom
from depdoctor.adapters.git import Repository
from depdoctor.adapters.registry import OciRegistry
from depdoctor.adapters.store import BlobStore
from depdoctor.build.choice import needs_engine
from depdoctor.build.oci.attach import attachment
from depdoctor.build.oci.base import BaseImage, look_at
from depdoctor.build.oci.libc import libc_of
from depdoctor.build.oci.owners import naming
from depdoctor.build.oci.rebase import objection, rebased
from depdoctor.errors import BuildError, RegistryError, UsageError
from depdoctor.model.image import Attachment, BuiltImage
from depdoctor.model.noun import dataclass
from depdoctor.model.plan import SCRATCH, Base, Image, Plan
from depdoctor.model.seams import Progress
from depdoctor.model.target import Environment
from depdoctor.pipeline import references
from depdoctor.pipeline.native import Built
from depdoctor.pipeline.standing import Settings, committed_plan, wanted_images
from depdoctor.plan.onto import onto


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """What a rebase has at hand: the plan that stands, and the one it goes to."""

    store: BlobStore
    registry: OciRegistry
    before: Plan
    after: Plan


def rebase(
    settings: Settings,
    progress: Progress,
    *,
    source: str,
    base: str = "",
    names: Sequence[str] = (),
    dry: bool = False,
) -> Built:
    """Put images at REGISTRY/PREFIX on another `base`, by default what the name of theirs stands for now.

    Pushes them under the tags of the new plan, and then writes that. `dry` only checks. Raises `UsageError`,
    `BuildError` for a base that cannot take the other's place or an image that is not as planned, `RegistryError`.
    """
    prefix = references.prefix(source, "--from")
    standing = committed_plan(settings)
    if standing is None:
        raise UsageError(
            f"there is no {planfile.PLAN_NAME}, and `rebase` moves the images of one",
            hint="run `depdoctor plan` and `depdoctor build --push` first",
        )
    store, registry = BlobStore(settings.cache / "store"), OciRegistry(offline=settings.offline)
    chosen = _images(standing, names)
    successors = {old: _successor(old, base, registry) for old in {image.base for image in chosen}}
    moving = [image for image in chosen if successors[image.base] != image.base]
    if not moving:
        progress.say("every base is the newest that its name stands for")
        return Built(images=())
    pairs: dict[tuple[Base, Environment], tuple[BaseImage, BaseImage]] = {}
    for image in moving:
        if (image.base, image.environment) not in pairs:
            with naming(image):
                pair = _compared(image, successors[image.base], registry, store)
            pairs[image.base, image.environment] = pair
    after = onto(standing, {image.name: successors[image.base] for image in moving})
    work = _Work(store=store, registry=registry, before=standing, after=after)
    made = [_made(work, image, pairs[image.base, image.environment], prefix) for image in moving]
    if dry:
        return Built(images=tuple(made))
    digests = {image.name: digest for image, (_, digest) in zip(moving, _standing(work, moving, prefix), strict=True)}

    def attachments(built: BuiltImage, repository: str) -> Sequence[Attachment]:
        return _documents(work, built, repository, digests[built.name])

    pushed = push.push_all(
        made, prefix, registry, store, references.tags(after, Repository(settings.root)), progress, attachments
    )
    planfile.write(after, settings.root / planfile.PLAN_NAME)
    if base:
        progress.say(f"{planfile.PLAN_NAME} stands on {base} now: write it to `base` under [image] too")
    return Built(images=tuple(made), pushed=pushed)


def _images(standing: Plan, names: Sequence[str]) -> list[Image]:
    """The images to move; those without a base, or that an engine builds, only where they are named, as an error."""
    chosen = []
    for image in wanted_images(standing, tuple(names)):
        why = "has no base" if image.base.reference == SCRATCH else needs_engine(standing, image)
        if not why and not image.base.digest:
            why = "stands on a base whose digest was never known"
        if not why:
            chosen.append(image)
        elif names:
            raise UsageError(f"image `{image.name}` cannot be rebased: it {why}", hint="build it again")
    if not chosen:
        raise UsageError(
            "no image of the plan can be rebased", hint="only those of the native builder on a pinned base"
        )
    return chosen


def _successor(old: Base, wanted: str, registry: OciRegistry) -> Base:
    reference = wanted or old.reference
    digest = registry.digest(reference)
    if not digest:
        raise RegistryError(
            f"there is no base image {reference}", hint="check its name and tag, and your `docker login`"
        )
    return Base(reference=reference, digest=digest)


def _compared(image: Image, successor: Base, registry: OciRegistry, store: BlobStore) -> tuple[BaseImage, BaseImage]:
    """The old base and the new one. Raises `BuildError` if one cannot take the other's place."""
    old = look_at(image.base, image.environment, registry, store)
    new = look_at(successor, image.environment, registry, store)
    old_libc, new_libc = (libc_of(one.layers, one.repository, registry, store) for one in (old, new))
    if why := objection(old, new, old_libc, new_libc):
        raise BuildError(
            f"{successor.reference} cannot take the place of {image.base.pinned}: it {why}",
            hint="plan for it instead: `depdoctor plan --relock --base IMAGE`, then build",
        )
    return old, new


def _standing(work: _Work, images: Sequence[Image], prefix: str) -> list[tuple[str, str]]:
    """The repository and the digest of each image as it stands for the old plan. Raises `RegistryError`."""
    found = []
    for image in images:
        reference = f"{prefix}/{image.name}:{references.tag(work.before)}"
        digest = work.registry.digest(reference)
        if not digest:
            raise RegistryError(
                f"there is no image {reference}", hint="push the plan that stands first: `depdoctor push`"
            )
        found.append((f"{prefix}/{image.name}", digest))
    return found


def _made(work: _Work, image: Image, pair: tuple[BaseImage, BaseImage], prefix: str) -> BuiltImage:
    with naming(image):
        ((repository, digest),) = _standing(work, [image], prefix)
        blob, content = work.registry.manifest(f"{repository}@{digest}")
        try:
            named = json.loads(content)["config"]["digest"]
        except (ValueError, KeyError, TypeError) as error:
            raise RegistryError("this is not the manifest of one image", where=f"{repository}@{digest}") from error
        configuration = b"".join(work.registry.blob(repository, str(named)))
        return rebased((work.before, work.after), image, pair, (blob, content, configuration), work.store)


def _documents(work: _Work, built: BuiltImage, repository: str, before: str) -> tuple[Attachment, ...]:
    """The provenance of an image, and its bill of materials from the one that stood beside the old one, if any did."""
    image = next(one for one in work.after.images if one.name == built.name)
    plan_digest = planfile.digest(work.after)
    statement = sbom.provenance(work.after, image, built.manifest.digest, repository, plan_digest)
    documents = [attachment(statement, sbom.IN_TOTO_TYPE, built.manifest, work.store)]
    content = work.registry.attached(repository, before, sbom.CYCLONEDX_TYPE)
    if content:
        try:
            bill = sbom.onto(json.loads(content), work.after, image)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RegistryError(f"the bill of materials of {before} makes no sense", where=repository) from error
        documents.append(attachment(bill, sbom.CYCLONEDX_TYPE, built.manifest, work.store))
    return tuple(documents)
