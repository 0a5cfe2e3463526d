"""`scan`: from a folder to a diagnosis."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from depdoctor import config as configuration
from depdoctor import discover, lock, read, rules
from depdoctor.adapters import uv_user
from depdoctor.adapters.index_known import KnownWheels
from depdoctor.adapters.oracle import MemoOracle
from depdoctor.adapters.oracle_cache import VerdictCache
from depdoctor.adapters.scan_memory import this_hour
from depdoctor.adapters.uv import UvResolver
from depdoctor.adapters.watch import Seen, watching
from depdoctor.conflict import finder
from depdoctor.diagnose import diagnose
from depdoctor.errors import PlanFileError
from depdoctor.lock.declared import unread
from depdoctor.model.config import Config
from depdoctor.model.conflict import Conflicts
from depdoctor.model.distribution import DistributionFile, WheelFacts
from depdoctor.model.finding import Diagnosis
from depdoctor.model.installed import InstalledEnvironment
from depdoctor.model.inventory import Entry, Inventory
from depdoctor.model.lock import DeclaredOnly, Lock, LockOutcome, Unresolvable
from depdoctor.model.noun import dataclass
from depdoctor.model.plan import Plan
from depdoctor.model.project import Location, Problem, Survey
from depdoctor.model.reading import Reading
from depdoctor.model.seams import Progress, Resolver
from depdoctor.pipeline import index_names
from depdoctor.pipeline.inspecting import asking_bases, inspected
from depdoctor.pipeline.locking import PARALLEL_ELSEWHERE, PARALLEL_LOCKS, Locking, shared_of
from depdoctor.pipeline.recalling import is_whole, projects
from depdoctor.pipeline.standing import Settings, committed_plan
from depdoctor.pipeline.unmatched import unmatched
from depdoctor.rules import Rules

if TYPE_CHECKING:
    from depdoctor.adapters.index_sdists import RemoteSdists

SPARE = 1 / 3
"""The share of the budget that edits may take for projects that fail nowhere, and only could not share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What a scan found."""

    config: Config
    rules: Rules
    inventory: Inventory
    diagnosis: Diagnosis
    conflicts: Conflicts
    plan: Plan | None = None
    """The committed plan, None where there is none that can be read."""
    lasts: bool = False
    """Whether another scan of the same would tell the same."""
    seen: Seen | None = None
    """What was read, None where another scan might tell something else."""
    dated: bool = False
    """Whether the date as of which the index was asked was given."""


def listed(settings: Settings) -> tuple[Survey, tuple[Reading, ...]]:
    """Find and read the projects under the root, and judge nothing. Raises `ConfigError` and `RulesError`."""
    found = discover.survey(settings.root, configured(settings)[0].exclude)
    return found, read.read_all(found.projects, settings.root, outside_allowed=settings.outside_allowed)


def judged(result: Scan, plan: Plan | None) -> Diagnosis:
    """What is wrong with a scanned inventory, which may have moved since, where this plan stands."""
    inventory = _beside(result.inventory, plan)
    return _without(diagnose(inventory, result.conflicts, result.rules, plan), result.config.ignored_rules)


def _beside(inventory: Inventory, plan: Plan | None) -> Inventory:
    """An inventory without what does not resolve where a plan serves all targets with other builds."""
    served = {
        (image.project, image.environment): set(image.targets)
        for image in (plan.images if plan else ())
        if image.variant
    }
    if not served:
        return inventory

    def stands(outcome: LockOutcome) -> bool:
        platform = outcome.environment.platform
        names = {target.name for target in inventory.targets if target.platform == platform}
        own = served.get((outcome.project, outcome.environment), set())
        return not isinstance(outcome, Unresolvable) or not names <= own

    entries = tuple(
        replace(entry, outcomes=tuple(filter(stands, entry.outcomes))) if any(map(stands, entry.outcomes)) else entry
        for entry in inventory.entries
    )
    return replace(inventory, entries=entries)


def scan(settings: Settings, progress: Progress) -> Scan:
    """Find, read, lock and diagnose the projects under the root.

    Raises `ConfigError` and `RulesError`, and `ResolverError` if uv cannot be run at all.
    """
    with watching(settings.root) as watch:
        result = undiagnosed(settings, progress)
        diagnosis = judged(result, result.plan)
        return replace(result, diagnosis=diagnosis, seen=watch.seen() if result.lasts else None)


def undiagnosed(settings: Settings, progress: Progress, *, addresses: bool = False) -> Scan:
    """A scan that has judged nothing yet, for who goes on to change what there is to judge. Raises as `scan` does.

    What comes from `addresses` is fetched on request.
    """
    with surveying(settings, progress, addresses=addresses) as fleet:
        conflicts = fleet.conflicts()
    dated = bool(settings.exclude_newer or fleet.config.exclude_newer)
    unknown = (*_unknown(fleet.inventory, past=dated), *unmatched(fleet.inventory, fleet.config, fleet.rules))
    incomplete = (*fleet.inventory.incomplete, *unknown, *conflicts.incomplete)
    inventory = replace(fleet.inventory, incomplete=incomplete)
    committed: Plan | None = None
    try:
        committed = committed_plan(settings)
    except PlanFileError as error:
        inventory = replace(inventory, plan_problem=_as_problem(error))
    elsewhere = settings.builds_allowed or settings.environments or settings.outside_allowed
    return Scan(
        config=fleet.config,
        rules=fleet.rules,
        inventory=inventory,
        diagnosis=Diagnosis(findings=(), rules_run=()),
        conflicts=conflicts,
        plan=committed,
        lasts=fleet.settled and _is_whole(fleet) and not elsewhere,
        dated=dated,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedFleet:
    """The projects as they are locked, and whom to ask more about them.

    `facts_known` says whether all wheels could be looked into that could be at all; `locking` locks others alike;
    `spare_s` is how long edits may be tried that nothing needs to run.
    """

    config: Config
    rules: Rules
    inventory: Inventory
    oracle: MemoOracle
    out_of_time: Callable[[], bool]
    builds_allowed: bool
    facts_known: bool
    locking: Locking
    spare_s: float

    def conflicts(self, inventory: Inventory | None = None) -> Conflicts:
        """What cannot stand together there, in the fleet if nothing else is named, with edits that were tried."""
        inventory = inventory or self.inventory
        manifests = {entry.project.name: entry.reading.manifests for entry in inventory.entries}
        found = finder.find(
            inventory,
            self.oracle,
            deadline=self.out_of_time,
            indexes=self.config.indexes,
            builds_allowed=self.builds_allowed,
            pythons=lambda names: lock.admitted(
                [manifest for name in names for manifest in manifests[name]], self.config.python
            ),
        )
        end = time.monotonic() + self.spare_s
        return finder.with_fixes(
            found,
            inventory,
            self.oracle,
            deadline=self.out_of_time,
            spare=lambda: time.monotonic() >= end,
            indexes=self.config.indexes,
            builds_allowed=self.builds_allowed,
        )

    @property
    def settled(self) -> bool:
        """Whether nothing was missing that may be there another time."""
        return self.facts_known and self.oracle.settled and not self.out_of_time()


@contextmanager
def surveying(settings: Settings, progress: Progress, *, addresses: bool = False) -> Iterator[LockedFleet]:
    """Find, read and lock the projects under the root. The resolver may be asked as long as the context is open.

    Raises `ConfigError` and `RulesError`, and `ResolverError` if uv cannot be run at all.
    """
    end = time.monotonic() + settings.budget_s

    def remaining_s() -> float:
        return end - time.monotonic()

    def out_of_time() -> bool:
        return remaining_s() <= 0

    config, facts = configured(settings)
    found = projects(settings, config, facts.stdlib_by_name)
    readings = found.readings
    # As of the last full hour: a scan of the same projects within the hour asks nothing that an earlier one was told.
    moment = settings.exclude_newer or config.exclude_newer or datetime.fromisoformat(this_hour())
    bases = asking_bases(
        readings,
        config,
        facts,
        settings.cache,
        offline=settings.offline,
        everything=settings.inspect,
        hour="" if settings.relock else this_hour(),
    )
    with asking(settings, remaining_s) as oracle:
        locking = Locking(
            config=config,
            resolver=oracle,
            moment=moment,
            wheels=KnownWheels(
                settings.cache, offline=settings.offline, named=index_names.of_readings(readings), root=settings.root
            ),
            progress=progress,
            builds_allowed=settings.builds_allowed,
            anew=settings.relock,
            addresses=addresses,
            rules=facts,
            parallel=PARALLEL_ELSEWHERE if settings.executor else PARALLEL_LOCKS,
        )
        entries = locking.locked(readings, known=found.outcomes)
        shared = locking.together(shared_of(config, entries), entries)
        told, shared, facts_known = locking.with_facts(
            [entry for entry in entries if entry.project.name not in found.outcomes], shared
        )
        by_name = {entry.project.name: entry for entry in told}
        entries = tuple(by_name.get(entry.project.name, entry) for entry in entries)
        found.keep(entries, settled=facts_known and oracle.settled)
        closed: tuple[str, ...] = ()
        if settings.inspect:
            entries, shared, closed = inspected(
                entries, shared, facts, settings.cache, progress, offline=settings.offline
            )
        configs, untold = bases(remaining_s())
        inventory = Inventory(
            root=str(settings.root),
            entries=entries,
            targets=config.targets,
            shared=shared,
            index_date=moment,
            base=config.image.base,
            base_configs=configs,
            incomplete=(*(f"{one.path}: {one.reason}" for one in found.survey.passed_over if one.unlisted), *closed),
            installed=_installed(found.survey, settings),
        )
        yield LockedFleet(
            config=config,
            rules=facts,
            inventory=inventory,
            oracle=oracle,
            out_of_time=out_of_time,
            builds_allowed=settings.builds_allowed,
            facts_known=facts_known and not closed and not untold,
            locking=locking,
            spare_s=settings.budget_s * SPARE,
        )


def _sdists(settings: Settings) -> Callable[[DistributionFile], WheelFacts | None]:
    """What source distributions state; who never asks does not wait for the means to."""

    @cache
    def remote() -> RemoteSdists:
        from depdoctor.adapters.index_sdists import RemoteSdists

        return RemoteSdists(settings.cache, offline=settings.offline)

    return lambda file: remote().facts(file)


@contextmanager
def asking(settings: Settings, remaining_s: Callable[[], float]) -> Iterator[MemoOracle]:
    """An oracle that asks uv for so long, and remembers what it was told from run to run."""
    verdicts = VerdictCache(settings.cache, resolver=uv_user.answering())
    uv = UvResolver(
        settings.cache,
        root=settings.root,
        offline=settings.offline,
        remaining_s=remaining_s,
        sdists=_sdists(settings),
    )
    with closing(verdicts), closing(uv) as here, ExitStack() as stack:
        resolver: Resolver = here
        if settings.executor:
            from depdoctor.adapters.executor import executor
            from depdoctor.pipeline.spreading import Elsewhere

            found = stack.enter_context(executor(settings.executor))
            resolver = Elsewhere(executor=found, here=here, remaining_s=remaining_s, offline=settings.offline)
        yield MemoOracle(resolver, deadline=lambda: remaining_s() <= 0, verdicts=verdicts)


def _is_whole(fleet: LockedFleet) -> bool:
    """Whether all that was read lies below the root and was there, so that it can be seen when it changes."""
    own_rules = Path(fleet.config.rules_path)
    return (
        not fleet.config.indexes.find_links
        and all(is_whole(entry.reading) for entry in fleet.inventory.entries)
        and not own_rules.is_absolute()
        and ".." not in own_rules.parts
        and not any(
            pin.source for entry in fleet.inventory.entries for own in entry.locks for pin in own.pins if not own.origin
        )
        and not fleet.inventory.installed  # whose files are told by their sizes, which nothing sees
    )


def _installed(found: Survey, settings: Settings) -> tuple[InstalledEnvironment, ...]:
    """The environments that were asked for: the root, if it is one and no project, and those named beside it."""
    roots = [settings.root] if "." in found.environments and not found.projects else []
    named = [*roots, *settings.environments]
    return tuple(read.read_environment(folder, name=folder.as_posix()) for folder in dict.fromkeys(named))


def configured(settings: Settings) -> tuple[Config, Rules]:
    """Read the configuration of the root, and the facts with the tables of one's own that it names.

    The C library of a target is that of its base image, which a table of one's own may be the only one to know.
    Raises `ConfigError`, and `RulesError` with the table and the key.
    """
    facts = rules.load()
    config = configuration.load(settings.root, facts.libc_of_base, settings.base)
    if not config.rules_path:
        return config, facts
    facts = rules.load(settings.root / config.rules_path)
    return configuration.load(settings.root, facts.libc_of_base, settings.base), facts


def _unknown(inventory: Inventory, *, past: bool) -> tuple[str, ...]:
    """What could not be known of each project; `past` says that the index was to be asked as of an earlier day."""
    day = inventory.index_date if past else None
    return tuple(
        f"{entry.project.name}: {text}"
        for entry in inventory.entries
        for text in dict.fromkeys(text for outcome in entry.outcomes for text in _unknown_of(entry, outcome, day))
    )


def _unknown_of(entry: Entry, outcome: LockOutcome, day: datetime | None) -> Iterator[str]:
    if isinstance(outcome, DeclaredOnly):
        yield outcome.reason.detail
    if isinstance(outcome, Lock):
        yield from outcome.missing
        yield from () if outcome.origin else unread(entry.reading)
        if day and not outcome.dated:
            yield (
                "an index does not say when its files were uploaded: "
                f"they are taken as they are now, not as of {day.date().isoformat()}"
            )


def _as_problem(error: PlanFileError) -> Problem:
    path, _, line = error.where.partition(":")
    return Problem(
        location=Location(path=path, line=int(line or 0)),
        reason=f"{error.message}; it is left out of account",
        hint=error.hint,
    )


def _without(diagnosis: Diagnosis, ignored: Sequence[str]) -> Diagnosis:
    if not ignored:
        return diagnosis
    return replace(
        diagnosis,
        findings=tuple(one for one in diagnosis.findings if one.code not in ignored),
        rules_run=tuple(code for code in diagnosis.rules_run if code not in ignored),
    )
