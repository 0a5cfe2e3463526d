"""`plan`: from a scan to images and layers."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from packaging.utils import NormalizedName

from depdoctor import planfile
from depdoctor.adapters.watch import Seen, watching
from depdoctor.errors import PlanFileError, ResolverError, UsageError
from depdoctor.model.alignment import Align
from depdoctor.model.cost import Costs, LayoutCost, PlanDiff
from depdoctor.model.finding import Diagnosis
from depdoctor.model.lock import DeclaredOnly
from depdoctor.model.memory import Need, need
from depdoctor.model.noun import dataclass
from depdoctor.model.plan import Plan
from depdoctor.model.seams import Progress
from depdoctor.pipeline import bases, outdated
from depdoctor.pipeline.aligning import Aligned, aligned
from depdoctor.pipeline.remembering import remembered
from depdoctor.pipeline.scanning import Scan, configured, judged, undiagnosed
from depdoctor.pipeline.standing import Settings, committed_plan
from depdoctor.pipeline.variants import without_cuda
from depdoctor.pipeline.weighing import weighed
from depdoctor.plan import base_references
from depdoctor.plan import plan as plan_images
from depdoctor.plan.cost import costs, planned
from depdoctor.plan.diff import diff


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan with what it costs, what changes against the committed one, and whether its file changes.

    `incomplete` is what the scan could not know. `afresh` is what the same images would cost in a plan made afresh,
    None where this is one. `needs` is the memory that models take, where their files tell. `seen` is what was
    read, None where another run might plan something else.
    """

    plan: Plan
    costs: Costs
    change: PlanDiff
    diagnosis: Diagnosis
    path: Path
    changed: bool
    aligned: Aligned
    afresh: LayoutCost | None = None
    needs: tuple[Need, ...] = ()
    incomplete: tuple[str, ...] = ()
    seen: Seen | None = None


def plan(
    settings: Settings,
    progress: Progress,
    *,
    fresh: bool = False,
    mode: Align = Align.SAFE,
    write: bool = True,
) -> Planned:
    """Plan an image for each project and write the plan file, unless told not to.

    What the committed plan holds stays where it is, unless the plan is to be `fresh`.
    """
    with watching(settings.root) as watch:
        made, lasts = _planned(settings, progress, fresh=fresh, mode=mode, write=write)
        return replace(made, seen=watch.seen() if lasts else None)


def _planned(settings: Settings, progress: Progress, *, fresh: bool, mode: Align, write: bool) -> tuple[Planned, bool]:
    """What was planned, and whether another run would plan the same as long as nothing changes."""
    end, began_ns = time.monotonic() + settings.budget_s, time.time_ns()
    committed = _committed(settings, progress, fresh=fresh)
    if settings.base and settings.base != configured(replace(settings, base=""))[0].image.base:
        progress.say(f'`--base` holds for this run: later runs agree once [image] says `base = "{settings.base}"`')
    result = undiagnosed(settings, progress, addresses=True)
    if not result.inventory.entries:
        raise UsageError(
            f"no projects found under `{settings.root}`",
            hint="a project is a folder with a requirements file, pyproject.toml or the like; "
            "`depdoctor scan --list` tells what is one, and `exclude` of the configuration leaves folders out",
        )
    kept = None if fresh or settings.relock else committed
    result = remembered(result, kept, progress)
    shared = aligned(result, settings, progress, mode=mode, committed=kept, end=end)
    result = replace(result, inventory=shared.inventory)
    weights = weighed(result.inventory, settings, progress)
    others = without_cuda(result, weights, settings, progress, committed=kept, end=end)
    references = base_references(result.inventory, result.config)
    found = bases.pinned(references, settings, progress, None if settings.relock or fresh else committed)

    def layers(previous: Plan | None) -> Plan:
        return plan_images(result.inventory, result.config, found.bases, previous, weights, others.locks, found.absent)

    made = replace(layers(None if fresh else committed), moves=shared.moves)
    result = replace(result, diagnosis=judged(result, made))
    if write and committed is not None:
        _refuse_loss(committed, made, result)
    path = settings.root / planfile.PLAN_NAME
    standing = committed is not None and not fresh

    def is_cuda(name: NormalizedName) -> bool:
        row = result.rules.cuda_package(name)
        return row is not None and row[0].role == "component"

    done = Planned(
        plan=made,
        costs=costs(made, is_cuda),
        afresh=planned(layers(None)) if standing else None,
        change=diff(committed or Plan(packages=(), nodes=(), images=()), made),
        diagnosis=result.diagnosis,
        path=path,
        incomplete=result.inventory.incomplete,
        aligned=shared,
        needs=tuple(
            one
            for entry in result.inventory.entries
            if (one := need(entry.project.name, entry.reading.weights, result.config.targets))
        ),
        changed=planfile.write(made, path) if write else planfile.differs(made, path),
    )
    if write:
        outdated.remember(made, result.inventory, result.config, result.rules, settings, began_ns)
    return done, result.lasts and shared.settled and others.settled and found.settled


def _committed(settings: Settings, progress: Progress, *, fresh: bool) -> Plan | None:
    """The committed plan; one that cannot be read is none where the plan is made `fresh`, and an error otherwise."""
    try:
        return committed_plan(settings)
    except PlanFileError as error:
        if not fresh:
            raise
        progress.say(f"{error.message}; planned afresh")
        return None


def _refuse_loss(committed: Plan, made: Plan, result: Scan) -> None:
    """Keep a committed plan from losing images only because their locks could not be had. Raises `ResolverError`."""
    unknown = {
        entry.project.name: outcome.reason.detail
        for entry in result.inventory.entries
        for outcome in entry.outcomes
        if isinstance(outcome, DeclaredOnly)
    }
    lost = sorted({image.project for image in committed.images} - {image.project for image in made.images})
    for project in lost:
        if project in unknown:
            raise ResolverError(
                f"the plan would lose the image of `{project}`, whose lock could not be had: {unknown[project]}",
                where=planfile.PLAN_NAME,
                hint="the plan file stands as it was; run again with the index in reach",
            )
