"""`images`: what depdoctor built and an engine or a registry still holds, and what of it no plan wants any more."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from depdoctor.adapters.docker import DockerEngine
from depdoctor.adapters.registry import OciRegistry
from depdoctor.build.oci.spread import REPOSITORY
from depdoctor.errors import EngineError, RegistryError, UsageError
from depdoctor.model.image import StoredImage
from depdoctor.model.label import (
    MODEL_VERSION,
    PROJECT,
    REVISION,
    SECTION,
    WEIGHTS,
    base_of,
    section_digest,
    weights_of,
)
from depdoctor.model.noun import dataclass
from depdoctor.model.plan import Plan
from depdoctor.pipeline import references
from depdoctor.pipeline.standing import Settings, committed_plan
from depdoctor.planfile import PLAN_NAME

CONNECTIONS = 8

CURRENT, SUPERSEDED, FOREIGN = "current", "superseded", "of no project here"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An image of the engine or of a registry that depdoctor built, and what the plan says of it.

    `state` is "current" for what the plan would build now, "superseded" for an earlier image of one of its projects,
    "of no project here" for all others, and "" where there is no plan. `base` says what became of its base.
    """

    image: StoredImage
    state: str
    base: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What was removed, or would be; and what had to stay, with the reason."""

    removed: tuple[Held, ...]
    kept: tuple[tuple[Held, str], ...]


def held(settings: Settings, *, registry: str = "", bases: bool = False) -> tuple[Held, ...]:
    """What depdoctor built and the engine, or else REGISTRY/PREFIX, holds; told by labels alone.

    `bases` asks whether the tags of bases mean another image by now. Raises `EngineError`, `RegistryError`.
    """
    standing = committed_plan(settings)
    if registry:
        place = references.prefix(registry, "--registry")
        images = in_registry(OciRegistry(), place, [one.name for one in standing.images] if standing else ())
    else:
        images = DockerEngine().images()
    states = _base_states(images) if bases else {}
    return tuple(Held(image=image, state=_state(image, standing), base=states.get(image.base, "")) for image in images)


def in_registry(registry: OciRegistry, place: str, names: Iterable[str]) -> tuple[StoredImage, ...]:
    """What depdoctor built and REGISTRY/PREFIX holds under any tag, by project.

    Repositories are those of `names`, and all others that the registry tells of. Raises `RegistryError`.
    """
    repositories = {f"{place}/{name}" for name in names}
    repositories |= {one for one in registry.repositories(place) if not one.endswith(f"/{REPOSITORY}")}
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        tagged = pool.map(lambda repository: _tagged(registry, repository), sorted(repositories))
        found = [one for several in tagged for one in several]
        read = [one for one in pool.map(lambda one: _read(registry, *one), found) if one]
    holders = Counter(blob for blobs in ({*each.blobs} for each in read) for blob in blobs)
    return tuple(sorted((_stored(one, holders) for one in read), key=lambda one: (one.project, one.references)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """An image of a registry: its names, the labels of its configuration, and its layers with their sizes."""

    digest: str
    references: tuple[str, ...]
    labels: Mapping[str, str]
    blobs: Mapping[str, int]


def _tagged(registry: OciRegistry, repository: str) -> list[tuple[str, str, tuple[str, ...]]]:
    """Every digest of a repository that has a tag; those of documents about images are left out."""
    names: defaultdict[str, list[str]] = defaultdict(list)
    for tag in registry.tags(repository):
        if not tag.startswith("sha256-"):
            names[registry.digest(f"{repository}:{tag}")].append(f"{repository}:{tag}")
    return [(repository, digest, tuple(tags)) for digest, tags in names.items() if digest]


def _read(registry: OciRegistry, repository: str, digest: str, tags: tuple[str, ...]) -> _Read | None:
    """An image as the registry has it, None for what depdoctor did not build."""
    try:
        manifest = json.loads(registry.manifest(f"{repository}@{digest}")[1])
        config = json.loads(b"".join(registry.blob(repository, manifest["config"]["digest"])))
        labels = config["config"]["Labels"]
        blobs = {str(layer["digest"]): int(layer["size"]) for layer in manifest["layers"]}
        ours = SECTION in labels
    except (ValueError, KeyError, TypeError):
        return None  # an index of several, a chart, or whatever else stands there
    return _Read(digest=digest, references=tags, labels=labels, blobs=blobs) if ours else None


def _stored(one: _Read, holders: Mapping[str, int]) -> StoredImage:
    return StoredImage(
        identity=one.digest,
        references=tuple(sorted(one.references)),
        project=one.labels.get(PROJECT, ""),
        section=one.labels[SECTION],
        revision=one.labels.get(REVISION, ""),
        since=None,
        size_bytes=sum(one.blobs.values()),
        shared_bytes=sum(size for blob, size in one.blobs.items() if holders[blob] > 1),
        containers=0,
        base=base_of(one.labels),
        weights=weights_of(one.labels.get(WEIGHTS, "")),
        model_version=one.labels.get(MODEL_VERSION, ""),
    )


def _base_states(images: Iterable[StoredImage]) -> dict[str, str]:
    """What became of each base, by NAME@DIGEST: nothing is said of one whose tag is as it was."""
    registry = OciRegistry()
    states = {}
    for base in sorted({image.base for image in images} - {""}):
        name, _, digest = base.partition("@")
        try:
            now = registry.digest(name)
        except RegistryError:
            states[base] = "its base is not to be asked for"
            continue
        if now != digest:
            states[base] = "its base has moved on" if now else "its base is gone"
    return states


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
