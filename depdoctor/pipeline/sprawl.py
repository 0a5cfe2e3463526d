"""`images`: what depdoctor built and the engine still holds, and what of it no plan wants any more."""

from __future__ import annotations

from depdoctor.adapters.docker import DockerEngine
from depdoctor.errors import EngineError, UsageError
from depdoctor.model.image import StoredImage
from depdoctor.model.label import section_digest
from depdoctor.model.noun import dataclass
from depdoctor.model.plan import Plan
from depdoctor.pipeline.standing import Settings, committed_plan
from depdoctor.planfile import PLAN_NAME

CURRENT, SUPERSEDED, FOREIGN = "current", "superseded", "of no project here"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An image of the engine that depdoctor built, and what the plan says of it.

    `state` is "current" for what the plan would build now, "superseded" for an earlier image of one of its projects,
    "of no project here" for all others, and "" where there is no plan.
    """

    image: StoredImage
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What was removed, or would be; and what had to stay, with the reason."""

    removed: tuple[Held, ...]
    kept: tuple[tuple[Held, str], ...]


def held(settings: Settings) -> tuple[Held, ...]:
    """What depdoctor built and the engine holds, told by labels alone. Raises `EngineError`."""
    standing = committed_plan(settings)
    return tuple(Held(image=image, state=_state(image, standing)) for image in DockerEngine().images())


def prune(settings: Settings, *, foreign: bool, dry: bool) -> Pruned:
    """Remove images that the plan supersedes, and where `foreign` also those of no project in it.

    What depdoctor did not build is never looked at, and what a container is made from stays. Raises `UsageError`
    without a committed plan, since nothing would tell then what is wanted.
    """
    if committed_plan(settings) is None:
        raise UsageError(
            f"there is no {PLAN_NAME} that tells which images are wanted",
            where=str(settings.root),
            hint="name the folder of the plan, or run `depdoctor plan` first",
        )
    engine = DockerEngine()
    unwanted = {SUPERSEDED, FOREIGN} if foreign else {SUPERSEDED}
    removed: list[Held] = []
    kept: list[tuple[Held, str]] = []
    for one in held(settings):
        if one.state not in unwanted:
            continue
        if one.image.containers:
            kept.append((one, f"{one.image.containers} made from it"))
            continue
        try:
            if not dry:
                _remove(engine, one.image)
        except EngineError as error:
            kept.append((one, error.message))
        else:
            removed.append(one)
    return Pruned(removed=tuple(removed), kept=tuple(kept))


def _remove(engine: DockerEngine, image: StoredImage) -> None:
    for reference in image.references or (image.identity,):
        engine.remove(reference)


def _state(image: StoredImage, standing: Plan | None) -> str:
    if standing is None:
        return ""
    if any(image.section == section_digest(standing, one) for one in standing.images):
        return CURRENT
    return SUPERSEDED if any(one.project == image.project for one in standing.images) else FOREIGN
