"""`verify`: the images of a plan are run, and judged by what is found inside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from depdoctor import verify
from depdoctor.adapters import docker_measure, venv_measure
from depdoctor.adapters.docker import DockerEngine
from depdoctor.adapters.registry import OciRegistry
from depdoctor.errors import EngineError, RegistryError
from depdoctor.model.finding import Diagnosis, Finding, worst_first
from depdoctor.model.measurement import Measurement
from depdoctor.model.noun import dataclass
from depdoctor.model.plan import Plan
from depdoctor.model.seams import Progress
from depdoctor.pipeline import references
from depdoctor.pipeline.scanning import configured
from depdoctor.pipeline.standing import Settings, standing_plan, wanted_images


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was found inside images, what they cost to run, and what the same services cost in a shared environment."""

    diagnosis: Diagnosis
    measured: tuple[Measurement, ...] = ()
    shared: tuple[Measurement, ...] = ()


def verify_images(
    settings: Settings,
    progress: Progress,
    wanted: Sequence[str],
    source: str = "",
    *,
    measures: bool = False,
    venv: Path | None = None,
) -> Verified:
    """Run images of the plan without network: what is installed is what was locked, and what is imported imports.

    `wanted` names images of the plan, or images anywhere whose last part is such a name; none means all of them.
    With a `source` (REGISTRY/PREFIX) they are pulled from there by the digest that they have now; an image anywhere is
    pulled where the engine does not hold it. Where one `measures`, each is run to see what it costs, and once more from
    a virtual environment (`venv`) if there is one.
    """
    source = references.prefix(source, "--from") if source else ""
    standing = standing_plan(settings, progress)
    engine = DockerEngine()
    _, facts = configured(settings)
    found: list[Finding] = []
    codes: set[str] = set()
    measured: list[Measurement] = []
    shared: list[Measurement] = []
    names = {references.name_in(one): one for one in wanted} or {image.name: "" for image in standing.images}
    for image in wanted_images(standing, tuple(names)):
        task = f"verifying {image.name}"
        progress.start(task)
        given = names[image.name]
        reference = _reference(standing, given, source, image.name)
        if "/" not in given or not engine.has(reference):
            reference = located(engine, reference, settings)
        if measures:
            folder = settings.root / image.code
            measured.append(docker_measure.measure(engine, image, reference, folder))
            if venv:
                shared.append(venv_measure.measure(venv, image, folder))
        elif not engine.has(reference):
            engine.pull(reference)
        diagnosis = verify.verify(standing, image, engine.inspect(reference, image.imports), facts)
        found += diagnosis.findings
        codes.update(diagnosis.rules_run)
        progress.finish(task)
    diagnosis = Diagnosis(findings=worst_first(tuple(found)), rules_run=tuple(sorted(codes)))
    return Verified(diagnosis=diagnosis, measured=tuple(measured), shared=tuple(shared))


def _reference(standing: Plan, given: str, source: str, name: str) -> str:
    """What was given where that is a whole reference, else the image's name where it should be."""
    repository = given if "/" in given else f"{source or references.LOCAL_PREFIX}/{given or name}"
    return repository if references.is_exact(repository) else f"{repository}:{references.tag(standing)}"


def located(engine: DockerEngine, reference: str, settings: Settings) -> str:
    """A reference by the digest that it has in its registry now, which may have to be pulled.

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
    return references.by_digest(reference, digest)
