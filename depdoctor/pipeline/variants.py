"""Builds without CUDA for targets that name no GPU and take no image with it: locks of their own, answers of uv's.

Versions stay those of the project's other lock wherever they can, so that all that is not CUDA is the same layers.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from depdoctor import lock
from depdoctor.model.inventory import Entry, Inventory
from depdoctor.model.lock import DeclaredOnly, Lock, Question, Resolved, Unresolvable
from depdoctor.model.noun import dataclass
from depdoctor.model.plan import Plan
from depdoctor.model.project import in_groups
from depdoctor.model.seams import Progress, Resolver
from depdoctor.model.weights import Keep, WeightFile
from depdoctor.pipeline.aligning import LEAST_S, Judge, locking_with
from depdoctor.pipeline.foundations import contents_of
from depdoctor.pipeline.scanning import Scan, asking
from depdoctor.pipeline.standing import Settings
from depdoctor.rules import Rules
from depdoctor.rules.cpu_builds import CpuBuild

CPU = "cpu"

Builds = Mapping[NormalizedName, CpuBuild]


@dataclass(frozen=True, slots=True, kw_only=True)
class Others:
    """Further locks of projects, by name. They are `settled` if another time would bring the same."""

    locks: Mapping[str, tuple[Lock, ...]] = field(default_factory=dict)
    settled: bool = True


def without_cuda(
    result: Scan,
    weights: Mapping[str, Sequence[WeightFile]],
    settings: Settings,
    progress: Progress,
    *,
    committed: Plan | None,
    end: float,
) -> Others:
    """Locks without CUDA by project, where a target without a GPU is too small for the one with it.

    What comes from a lockfile stays as it is and gets none, and neither does what nothing known builds without CUDA.
    `committed` pins are kept where they still stand; `end` (monotonic, in s) is when time is up.
    """
    builds = {row.package: row for row in result.rules.cpu_builds}
    wanted = [
        (entry, own)
        for entry in result.inventory.entries
        for own in _unserving(entry, result, _inside(entry, result, weights), committed)
        if builds.keys() & own.by_name.keys() or not own.pins
    ]
    if not wanted:
        return Others()
    end = max(end, time.monotonic() + LEAST_S)
    judge = Judge(_undeclared(result.inventory), result.rules)
    found: dict[str, tuple[Lock, ...]] = {}
    all_told = True
    task = "looking for builds without CUDA"
    progress.start(task, len(wanted))
    with asking(settings, lambda: end - time.monotonic()) as resolver:
        locking = locking_with(resolver, result, settings, progress)
        for entry, own in wanted:
            earlier = _earlier(committed, own)
            question = _question(entry, own, result, settings)
            for asked in _ways(question, own, builds, result.config.cpu_index_urls):
                made = _resolved(replace(asked, preferences=_preferences(earlier or own)), own, earlier, resolver)
                if made is None:
                    continue
                (told,), _, known = locking.with_facts([replace(entry, outcomes=(made,))], ())
                all_told = all_told and known
                smaller = not own.pins or _bytes(told.locks[0]) < _bytes(own)
                if smaller and not _has_cuda(told.locks[0], result.rules) and not judge.worse(own, told.locks[0]):
                    found[entry.project.name] = (*found.get(entry.project.name, ()), told.locks[0])
                    break
            progress.advance(task)
        all_told = all_told and resolver.settled and time.monotonic() < end
    progress.finish(task)
    return Others(locks=found, settled=all_told)


def _unserving(entry: Entry, result: Scan, weights_bytes: int, committed: Plan | None) -> Iterator[Lock]:
    """The locks of a project that are too large for a target without a GPU, and an empty one where there is none."""
    for outcome in entry.outcomes:
        targets = [
            target
            for target in result.config.targets
            if target.platform == outcome.environment.platform and target.platform.system == "linux"
            if not target.names_gpu
        ]
        none = Lock(project=outcome.project, environment=outcome.environment, pins=())
        known = isinstance(outcome, DeclaredOnly) and _earlier(committed, none)
        alone = contents_of(entry.reading, result.config, result.rules) is None
        if targets and alone and (isinstance(outcome, Unresolvable) or known):
            yield none
        if not isinstance(outcome, Lock) or outcome.origin or outcome.missing or outcome.base:
            continue
        size = _bytes(outcome) + weights_bytes
        if any(target.max_image_bytes is not None and size > target.max_image_bytes for target in targets):
            yield outcome


def _undeclared(inventory: Inventory) -> Inventory:
    """An inventory that is judged by what is locked alone, since other builds go by other names than are declared.

    Only targets without a GPU count, and how large an image is does not: that is for the plan to weigh.
    """
    targets = tuple(replace(one, max_image_bytes=None) for one in inventory.targets if not one.names_gpu)
    entries = tuple(
        replace(entry, reading=replace(entry.reading, manifests=(), unreadable=())) for entry in inventory.entries
    )
    return replace(inventory, entries=entries, targets=targets)


def _has_cuda(own: Lock, rules: Rules) -> bool:
    """Whether libraries of CUDA are among the packages."""
    rows = (rules.cuda_package(pin.name) for pin in own.pins)
    return any(row is not None and row[0].role == "component" for row in rows)


def _bytes(own: Lock) -> int:
    return sum(pin.unpacked_bytes or pin.download_bytes for pin in own.pins)


def _inside(entry: Entry, result: Scan, weights: Mapping[str, Sequence[WeightFile]]) -> int:
    """The bytes of weights that the image of a project holds."""
    keep = result.config.project(entry.project.root).weights or result.config.image.weights
    return sum(one.size_bytes for one in weights.get(entry.project.name, ())) if keep is Keep.LAYER else 0


def _question(entry: Entry, own: Lock, result: Scan, settings: Settings) -> Question:
    groups = result.config.project(entry.project.root).groups
    return lock.question(
        entry.reading,
        own.environment,
        indexes=result.config.indexes,
        exclude_newer=result.inventory.index_date,
        builds_allowed=settings.builds_allowed,
        groups=tuple(group for group in groups if in_groups(group, groups)),
        anew=settings.relock,
        provided=own.provided,
        held=own.held,
        addresses=any(pin.source for pin in own.pins),
    )


def _ways(question: Question, own: Lock, builds: Builds, indexes: Sequence[str]) -> Iterator[Question]:
    """The question with builds without CUDA, the furthest first: other names, labels of versions, fewer extras."""
    labels = tuple(
        f"{pin.name}=={pin.version.public}+{builds[pin.name].label}"
        for pin in own.pins
        if indexes and pin.name in builds and builds[pin.name].label
    )
    asked = {question}
    for renamed, labelled in ((True, True), (False, True), (True, False), (False, False)):
        way = replace(
            question,
            requirements=tuple(sorted(_without(text, builds, renamed=renamed) for text in question.requirements)),
            constraints=tuple(sorted(_without(text, builds, renamed=renamed) for text in question.constraints)),
        )
        if labelled and labels:
            served = replace(question.indexes, extra_index_urls=(*indexes, *question.indexes.extra_index_urls))
            way = replace(way, constraints=tuple(sorted((*way.constraints, *labels))), indexes=served)
        if way not in asked:
            asked.add(way)
            yield way


def _without(text: str, builds: Builds, *, renamed: bool) -> str:
    """A requirement without the extras that bring CUDA, and under the name of the build without it."""
    requirement = Requirement(text)
    row = builds.get(canonicalize_name(requirement.name))
    if row is None:
        return text
    requirement.extras -= set(row.without_extras)
    if renamed and row.instead:
        requirement.name = row.instead
    return str(requirement)


def _earlier(committed: Plan | None, own: Lock) -> Lock | None:
    """The lock without CUDA that a committed plan has for the same project and environment."""
    for image in committed.images if committed else ():
        if (image.project, image.environment, image.variant) == (own.project, own.environment, CPU):
            return replace(own, variant=CPU, pins=committed.pins(image) if committed else (), overlaps=())
    return None


def _preferences(one: Lock) -> tuple[str, ...]:
    return tuple(sorted(f"{pin.name}=={pin.version}" for pin in one.pins))


def _resolved(question: Question, own: Lock, earlier: Lock | None, resolver: Resolver) -> Lock | None:
    """What uv answers; the earlier lock where it cannot tell."""
    answer = resolver.resolve(question)
    if isinstance(answer, Resolved):
        known = {pin.file.sha256: pin for pin in own.pins if pin.file}
        pins = tuple(known.get(pin.file.sha256, pin) if pin.file else pin for pin in answer.pins)
        return replace(own, variant=CPU, pins=pins, warnings=answer.warnings, dated=answer.dated, overlaps=())
    return earlier
