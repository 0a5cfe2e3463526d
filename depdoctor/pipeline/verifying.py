"""`verify`: the images of a plan are run, and judged by what is found inside."""

from __future__ import annotations

from collections.abc import Sequence

from depdoctor import verify
from depdoctor.adapters.docker import DockerEngine
from depdoctor.adapters.registry import OciRegistry
from depdoctor.errors import EngineError, RegistryError
from depdoctor.model.finding import Diagnosis, Finding, worst_first
from depdoctor.model.plan import Plan
from depdoctor.model.seams import Progress
from depdoctor.pipeline import references
from depdoctor.pipeline.scanning import configured
from depdoctor.pipeline.standing import Settings, standing_plan, wanted_images


def verify_images(settings: Settings, progress: Progress, wanted: Sequence[str], source: str = "") -> Diagnosis:
    """Run images of the plan without network: what is installed is what was locked, and what is imported imports.

    `wanted` names images of the plan, or images anywhere whose last part is such a name; none means all of them.
    With a `source` (REGISTRY/PREFIX) they are pulled from there by the digest that they have now; an image anywhere is
    pulled where the engine does not hold it.
    """
    source = references.prefix(source, "--from") if source else ""
    standing = standing_plan(settings, progress)
    engine = DockerEngine()
    _, facts = configured(settings)
    found: list[Finding] = []
    codes: set[str] = set()
    names = {references.name_in(one): one for one in wanted} or {image.name: "" for image in standing.images}
    for image in wanted_images(standing, tuple(names)):
        task = f"verifying {image.name}"
        progress.start(task)
        given = names[image.name]
        reference = _reference(standing, given, source, image.name)
        if "/" not in given or not engine.has(reference):
            reference = brought(engine, reference, settings)
        diagnosis = verify.verify(standing, image, engine.inspect(reference, image.imports), facts)
        found += diagnosis.findings
        codes.update(diagnosis.rules_run)
        progress.finish(task)
    return Diagnosis(findings=worst_first(tuple(found)), rules_run=tuple(sorted(codes)))


def _reference(standing: Plan, given: str, source: str, name: str) -> str:
    """What was given where that is a whole reference, else the image's name where it should be."""
    repository = given if "/" in given else f"{source or references.LOCAL_PREFIX}/{given or name}"
    return repository if references.is_exact(repository) else f"{repository}:{references.tag(standing)}"


def brought(engine: DockerEngine, reference: str, settings: Settings) -> str:
    """A reference that the engine holds: by the digest that it has in its registry now, pulled if need be.

    A name that depdoctor gives to what it loads is no name in a registry, and is never asked for there. Offline, what
    the engine holds under the name is taken. Raises `EngineError` for what is not there, `RegistryError`.
    """
    made_here = reference.startswith(f"{references.LOCAL_PREFIX}/")
    if made_here or settings.offline:
        if engine.has(reference):
            return reference
        hint = "run `depdoctor build --load` first, or name a registry: `--from REGISTRY/PREFIX`"
        raise EngineError(
            f"the engine holds no image `{reference}`",
            hint=hint if made_here else "run without `--offline`, which forbids to pull it",
        )
    digest = reference.partition("@")[2] or OciRegistry().digest(reference)
    if not digest:
        raise RegistryError(
            f"there is no image {reference}", hint="push it first: `depdoctor push --to REGISTRY/PREFIX`"
        )
    pinned = references.by_digest(reference, digest)
    if not engine.has(pinned):
        engine.pull(pinned)
    return pinned
