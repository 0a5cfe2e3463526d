"""Images and what is installed into them that no longer belong together: someone, or a bot, moved one of them alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from packaging.version import Version

from depdoctor.diagnose.base import own_images
from depdoctor.diagnose.installation import Installation, exact_version
from depdoctor.diagnose.own_demand import VARIABLE, own_demands
from depdoctor.diagnose.rule import Context, Rule
from depdoctor.diagnose.words import listed
from depdoctor.model.expression import expression
from depdoctor.model.finding import Cause, Evidence, Finding, Kind, Severity
from depdoctor.model.inventory import Entry
from depdoctor.model.noun import dataclass
from depdoctor.model.project import DEFAULT_GROUP, BaseImage, DeclaredRequirement, Location, Manifest
from depdoctor.model.target import numbered
from depdoctor.rules import Base
from depdoctor.rules.lookup import cuda_of_variant, variant_of

_CUDA = expression(r"\d+(?:\.\d+)*")
_INDEX_TAIL = expression(r"/(cu\d{2,3})(?:/|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A CUDA version that some file of a project tells: in which words, by which package ("" for none), and where.

    `is_exact` where the version itself names the build, which then comes from no index of another.
    """

    cuda: Version
    words: str
    package: str = ""
    is_exact: bool = False
    causes: tuple[Cause, ...]
    evidence: tuple[Evidence, ...] = ()


def check(context: Context) -> Iterator[Finding]:
    """The images of every project against its packages, its indexes and its Python; its lock against its indexes."""
    alone = defaultdict(list)
    for one in context.installations:
        if not one.shared and one.environment.platform.system == "linux":
            alone[one.name].append(one)
    for entry in context.inventory.entries:
        installations = alone[entry.project.name]
        packages = [told for one in installations[:1] for told in _of_packages(context, one)]
        indexes = _of_indexes(entry)
        stated = [*packages, *indexes, *_of_manifests(entry)]
        for image in dict.fromkeys(own_images(entry)):
            base = context.known_base(image.reference)
            replaced = [finding for one in installations[:1] for finding in _framework(entry, image, base, one)]
            # a framework that is not the image's own is told once, whatever CUDA each is built for
            others = [told for told in stated if not replaced or told.package != base.brings]
            yield from _cuda(entry, image, base, others)
            yield from _floor(context, entry, image, base)
            yield from _python(entry, image, base)
            yield from replaced
        yield from _twice(entry)
        yield from _index(entry, packages, indexes)


def _of_packages(context: Context, installation: Installation) -> Iterator[Told]:
    """Frameworks that bring the CUDA they were built for; those that load what is there are judged elsewhere."""
    for use in context.uses(installation):
        labelled = use.package.version is not None and variant_of(use.package.version)
        brings = use.binding.role == "framework" and (use.binding.libraries in {"wheels", "inside"} or labelled)
        if brings and use.cuda is not None:
            yield Told(
                cuda=use.cuda,
                words=f"{use.package} is built for CUDA {use.cuda}",
                package=use.name,
                is_exact=bool(labelled),
                causes=installation.causes(use.name),
                evidence=use.evidence,
            )


def _of_indexes(entry: Entry) -> list[Told]:
    """The CUDA of the indexes that end in one; nothing where there are several."""
    found: dict[str, Manifest] = {}
    for manifest in entry.reading.manifests:
        options = manifest.indexes
        declared = (one.index for one in manifest.requirements)
        for address in (options.index_url or "", *options.extra_index_urls, *options.find_links, *declared):
            if match := _INDEX_TAIL.search(address):
                found.setdefault(match.group(1), manifest)
    if len(found) != 1:
        return []
    variant, manifest = next(iter(found.items()))
    cuda = cuda_of_variant(variant)
    place = Cause(project=entry.project.name, location=Location(path=manifest.path), requirement=f"index /{variant}")
    return [Told(cuda=cuda, words=f"{manifest.path} takes builds from /{variant}", causes=(place,))] if cuda else []


def _of_manifests(entry: Entry) -> Iterator[Told]:
    for manifest in entry.reading.manifests:
        if manifest.cuda and _CUDA.fullmatch(manifest.cuda):
            place = Cause(
                project=entry.project.name, location=Location(path=manifest.path), requirement=f"cuda {manifest.cuda}"
            )
            yield Told(
                cuda=Version(manifest.cuda), words=f"{manifest.path} asks for CUDA {manifest.cuda}", causes=(place,)
            )


def _cuda(entry: Entry, image: BaseImage, base: Base, stated: list[Told]) -> Iterator[Finding]:
    wrong = [told for told in stated if base.cuda is not None and told.cuda.major != base.cuda.major]
    if not wrong:
        return
    wanted = wrong[0].cuda
    yield Finding(
        kind=Kind.IMAGE_DRIFT,
        severity=Severity.WARNING,
        subject=image.reference,
        message=(
            f"{image.reference} is of CUDA {base.cuda}, but {listed(told.words for told in wrong)}: one was moved "
            "without the other"
        ),
        hint=f"take an image of CUDA {wanted.major}, or builds for CUDA {base.cuda}; wheels that bring CUDA need none "
        "in the image",
        packages=tuple(sorted({image.reference, *(told.package for told in wrong if told.package)})),
        projects=(entry.project.name,),
        causes=_causes(entry, image, *wrong),
        evidence=(*_of_base(base), *(fact for told in wrong for fact in told.evidence)),
    )


def _floor(context: Context, entry: Entry, image: BaseImage, base: Base) -> Iterator[Finding]:
    """A demand on drivers that stayed behind the CUDA of the image: drivers that cannot run it are let in."""
    major = context.rules.major(base.cuda.major) if base.cuda else None
    floor = major.linux_floor if major else None
    for demand in own_demands(entry):
        cuda, driver = demand.least("cuda"), demand.least("driver")
        if base.cuda is None or major is None or floor is None or not (cuda or driver):
            continue
        if (cuda and cuda.major >= base.cuda.major) or (driver and driver.major >= floor.major):
            continue
        admitted = f"drivers of CUDA {cuda}" if cuda else f"driver {driver}"
        yield Finding(
            kind=Kind.IMAGE_DRIFT,
            severity=Severity.WARNING,
            subject=image.reference,
            message=(
                f"{image.reference} is of CUDA {base.cuda}, but {demand.manifest.path} lets {admitted} start it by "
                f"{VARIABLE}: its programs need driver {numbered(floor)} or newer"
            ),
            hint=f"demand `cuda>={base.cuda.major}.0`, or take an image of the CUDA that is demanded",
            packages=(image.reference, VARIABLE),
            projects=(entry.project.name,),
            causes=tuple(sorted({_line(entry, image), demand.cause(entry)})),
            evidence=(*_of_base(base), major.provenance.evidence(f"CUDA {base.cuda.major} needs driver {floor}")),
        )


def _python(entry: Entry, image: BaseImage, base: Base) -> Iterator[Finding]:
    if not base.python:
        return
    for manifest in entry.reading.manifests:
        wanted = manifest.requires_python
        if wanted is None or wanted.contains(f"{base.python}.99", prereleases=True):
            continue
        place = Cause(
            project=entry.project.name, location=Location(path=manifest.path), requirement=f"requires-python {wanted}"
        )
        yield Finding(
            kind=Kind.IMAGE_DRIFT,
            severity=Severity.ERROR,
            subject=image.reference,
            message=(
                f"{image.reference} has Python {base.python}, but {manifest.path} asks for {wanted}: "
                "`requires a different Python`"
            ),
            hint=f"take an image with a Python that {manifest.path} allows",
            packages=(image.reference,),
            projects=(entry.project.name,),
            causes=tuple(sorted({_line(entry, image), place})),
            evidence=_of_base(base),
        )
        return
    asked = entry.reading.python
    if asked and asked != base.python and not any(manifest.python == asked for manifest in _images(entry)):
        yield Finding(
            kind=Kind.IMAGE_DRIFT,
            severity=Severity.WARNING,
            subject=image.reference,
            message=f"{image.reference} has Python {base.python}, but the project is made for Python {asked}",
            hint=f"take an image with Python {asked}, or name {base.python} where {asked} is named",
            packages=(image.reference,),
            projects=(entry.project.name,),
            causes=(_line(entry, image),),
            evidence=_of_base(base),
        )


def _images(entry: Entry) -> Iterator[Manifest]:
    return (manifest for manifest in entry.reading.manifests if manifest.base_images)


def _framework(entry: Entry, image: BaseImage, base: Base, installation: Installation) -> Iterator[Finding]:
    """An image that is chosen for its framework, and requirements that replace that framework."""
    package = installation.packages.get(base.brings) if base.brings else None
    if package is None or package.version is None or base.version is None:
        return
    if package.version.release[: len(base.version.release)] == base.version.release:
        return
    yield Finding(
        kind=Kind.IMAGE_DRIFT,
        severity=Severity.WARNING,
        subject=image.reference,
        message=(
            f"{image.reference} brings {base.brings} {base.version}, but {package} is installed over it: the image "
            "carries both, and what else it brings was built for the first"
        ),
        hint=f"take the image of {package}, or ask for {base.brings} {base.version}",
        packages=tuple(sorted((image.reference, package.name))),
        projects=(entry.project.name,),
        causes=tuple(sorted({_line(entry, image), *installation.causes(package.name)})),
        evidence=_of_base(base),
    )


def _twice(entry: Entry) -> Iterator[Finding]:
    """What a Dockerfile installs by itself, and in another version by a file that it draws in."""
    lines = [one for one in entry.requirements() if one.group == DEFAULT_GROUP]
    for manifest in _images(entry):
        if not any(one.role in {"requirements", "project"} for one in manifest.includes):
            continue
        for own in manifest.requirements:
            other = next((one for one in lines if one.name == own.name and _contradict(own, one)), None)
            if own.group == DEFAULT_GROUP or other is None:
                continue
            yield Finding(
                kind=Kind.IMAGE_DRIFT,
                severity=Severity.WARNING,
                subject=own.name,
                message=(
                    f"{manifest.path} installs `{own.text}` by itself and `{other.text}` with what it draws in: one "
                    "replaces the other, which stays in a layer"
                ),
                hint=f"name {own.name} in one of them only",
                packages=(own.name,),
                projects=(entry.project.name,),
                causes=tuple(sorted(_cause(entry, one) for one in (own, other))),
            )


def _contradict(one: DeclaredRequirement, other: DeclaredRequirement) -> bool:
    """Whether they name versions, and neither admits that of the other."""
    if one.requirement.marker or other.requirement.marker or one.requirement.url or other.requirement.url:
        return False
    admitted = [
        there.requirement.specifier.contains(version, prereleases=True)
        for version, there in ((exact_version(one.requirement), other), (exact_version(other.requirement), one))
        if version is not None
    ]
    return bool(admitted) and not any(admitted)


def _cause(entry: Entry, line: DeclaredRequirement) -> Cause:
    return Cause(project=entry.project.name, location=line.location, requirement=line.text)


def _index(entry: Entry, packages: list[Told], indexes: list[Told]) -> Iterator[Finding]:
    """A lockfile, or exact pins, with builds of another CUDA than that of the only index that names one."""
    is_locked = any(lock.origin for lock in entry.locks)
    wrong = [
        told
        for told in packages
        for index in indexes
        if (told.is_exact and told.cuda.release[:2] != index.cuda.release[:2] and len(index.cuda.release) > 1)
        or (is_locked and told.cuda.major != index.cuda.major)
    ]
    if not wrong:
        return
    place, hint = ("", "name a build of that index, or the index of that build")
    if is_locked:
        place, hint = " in the lock", "lock again, or put the index back"
    yield Finding(
        kind=Kind.IMAGE_DRIFT,
        severity=Severity.WARNING,
        subject=wrong[0].package,
        message=f"{listed(told.words for told in wrong)}{place}, but {indexes[0].words}: one was moved without "
        "the other",
        hint=hint,
        packages=tuple(sorted({told.package for told in wrong})),
        projects=(entry.project.name,),
        causes=tuple(sorted({cause for told in (*wrong, *indexes) for cause in told.causes})),
        evidence=tuple(fact for told in wrong for fact in told.evidence),
    )


def _line(entry: Entry, image: BaseImage) -> Cause:
    return Cause(project=entry.project.name, location=image.location, requirement=f"FROM {image.reference}")


def _causes(entry: Entry, image: BaseImage, *told: Told) -> tuple[Cause, ...]:
    return tuple(sorted({_line(entry, image), *(cause for one in told for cause in one.causes)}))


def _of_base(base: Base) -> tuple[Evidence, ...]:
    brings = [
        *((f"CUDA {base.cuda}",) if base.cuda else ()),
        *((f"Python {base.python}",) if base.python else ()),
        *((f"{base.brings} {base.version}",) if base.brings and base.version else ()),
    ]
    return (base.provenance.evidence(f"{base.reference} brings {listed(brings)}"),) if base.provenance else ()


RULE = Rule(
    kind=Kind.IMAGE_DRIFT,
    title="An image and what is installed into it no longer belong together",
    text="""\
The FROM line of a Dockerfile, the pin of a framework, the address of an index, the lock and the Python are facts about
one image that stand in several files. A bot that raises one of them alone leaves an image of CUDA 13 with wheels for
CUDA 11, an index that ends in /cu118 beside a lock for CUDA 12, a PyTorch image whose torch is replaced by an older
one, an NVIDIA_REQUIRE_CUDA that lets in drivers of the CUDA before, a Python that the project refuses, or a package
that the Dockerfile installs in one version and the requirements in another. Some of it fails in the build, some only
doubles the image, and some fails on the first machine whose driver is older.

Raise them together, or drop CUDA from the image: wheels of torch, tensorflow and jax bring their own.""",
    check=check,
)
