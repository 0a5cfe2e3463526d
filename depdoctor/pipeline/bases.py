"""Which bases images stand on: pinned by digest where a registry can be asked, remembered where it cannot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from depdoctor.adapters.scan_memory import this_hour
from depdoctor.adapters.store import BlobStore
from depdoctor.errors import RegistryError, UnreachableError
from depdoctor.model.noun import dataclass
from depdoctor.model.plan import SCRATCH, Base, Image, Plan
from depdoctor.model.seams import Progress
from depdoctor.pipeline.standing import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """Bases by reference, each with its digest; those that do not exist; whether all registries could be asked."""

    bases: Mapping[str, Base]
    absent: frozenset[str]
    settled: bool


def pinned(references: Sequence[str], settings: Settings, progress: Progress, previous: Plan | None = None) -> Pinned:
    """The bases, each with its digest: that of the previous plan, else the one that stands for it now.

    Where no registry can be asked, the digest is the last one seen, and a base never seen is left out, which is said.
    What the previous plan pins stays, so that its registry is asked but once an hour whether the base has moved on.
    Raises `RegistryError` where registries have, or show, none of the bases that are asked for.
    """
    kept = {image.base.reference: image.base for image in previous.images if image.base.digest} if previous else {}
    store = BlobStore(settings.cache / "store")
    bases: dict[str, Base] = {}
    absent: list[str] = []
    hour, settled = this_hour(), True
    for reference in references:
        if reference == SCRATCH:
            continue
        asked, _, told = (store.recall(_answer(reference)) or "").partition(" ")
        try:
            digest = told if reference in kept and asked == hour else _digest(reference, offline=settings.offline)
        except UnreachableError as error:
            digest = reference.partition("@")[2] or store.recall(_note(reference)) or ""
            settled = settled and reference in kept
            if not digest and reference not in kept:
                progress.say(f"the base image {reference} is not pinned: {error.message}")
                continue
        else:
            if not digest:
                absent.append(reference)
                continue
            if digest != told or asked != hour:
                store.remember(_note(reference), digest)
                store.remember(_answer(reference), f"{hour} {digest}")
        bases[reference] = kept.get(reference, Base(reference=reference, digest=digest))
        if digest and bases[reference].digest != digest:
            progress.say(f"the base image {reference} has moved on; the plan keeps what it has without --relock")
    if absent and len(absent) == len(references):
        raise RegistryError(
            f"there is no base image {absent[0]}",
            where="`base` under [image], or --base",
            hint=f"check its name and tag, and your `docker login`; `--base {SCRATCH}` plans the layers without a base",
        )
    return Pinned(bases=bases, absent=frozenset(absent), settled=settled)


def or_layers_alone(images: Sequence[Image], settings: Settings, progress: Progress) -> tuple[Image, ...]:
    """The images as planned, or without a base where theirs is neither stored nor within reach, which is said.

    Raises `BuildError` for a base that its registry does not have, `RegistryError` for one that it does not show.
    """
    from depdoctor.adapters.registry import OciRegistry
    from depdoctor.build.oci.base import is_stored, told_if_gone

    registry = OciRegistry(offline=settings.offline)
    store = BlobStore(settings.cache / "store")
    alone: set[Base] = set()
    for base, environment in dict.fromkeys((image.base, image.environment) for image in images):
        if base.reference == SCRATCH or base in alone or is_stored(base, environment, store):
            continue
        try:
            with told_if_gone(base):
                registry.manifest(base.pinned)
        except UnreachableError as error:
            alone.add(base)
            progress.say(
                f"the base image {base.reference} cannot be reached ({error.message}): "
                "the layers are built alone, and an image without its base does not run"
            )
    return tuple(replace(image, base=Base(reference=SCRATCH)) if image.base in alone else image for image in images)


def _digest(reference: str, *, offline: bool) -> str | None:
    from depdoctor.adapters.registry import OciRegistry  # a plan that asks nobody need not wait for it

    return OciRegistry(offline=offline).digest(reference)


def _note(reference: str) -> str:
    return f"base 1 {reference}"


def _answer(reference: str) -> str:
    return f"base asked 1 {reference}"
