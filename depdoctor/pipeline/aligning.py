"""From what each project resolves to alone to what the fleet shares: the committed plan first, then alignment."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from depdoctor import lock
from depdoctor.adapters.index_known import KnownWheels
from depdoctor.diagnose import diagnose
from depdoctor.model.alignment import Advice, Align, Movable, Moved
from depdoctor.model.conflict import Conflicts
from depdoctor.model.finding import Severity
from depdoctor.model.inventory import Entry, Inventory
from depdoctor.model.lock import Lock
from depdoctor.model.noun import dataclass
from depdoctor.model.plan import Plan
from depdoctor.model.project import in_groups
from depdoctor.model.seams import Progress, Resolver
from depdoctor.model.target import Environment
from depdoctor.pipeline.locking import PARALLEL_LOCKS, Locking
from depdoctor.pipeline.scanning import Scan, asking
from depdoctor.pipeline.standing import Settings
from depdoctor.plan.moves import align, settled
from depdoctor.rules import Rules

LEAST_S = 2.0
"""What alignment may take where the scan has spent the time of the run."""

Key = tuple[str, Environment]


@dataclass(frozen=True, slots=True, kw_only=True)
class Aligned:
    """An inventory whose locks share what they may, what moved for that, and what else an edit would allow.

    Bytes are the distinct ones over all locks, as downloaded. It is `settled` if another time would bring the same.
    """

    inventory: Inventory
    moves: tuple[Moved, ...] = ()
    advice: tuple[Advice, ...] = ()
    before_bytes: int = 0
    after_bytes: int = 0
    settled: bool = True


def aligned(
    result: Scan,
    settings: Settings,
    progress: Progress,
    *,
    mode: Align,
    committed: Plan | None,
    end: float,
) -> Aligned:
    """Align the locks of a scan. What the `committed` plan holds stays; `end` (monotonic, in s) is when time is up."""
    end = max(end, time.monotonic() + LEAST_S)
    inventory = result.inventory
    movable = _movable(result, settings)
    earlier = _earlier(committed)
    task = "aligning versions"
    progress.start(task)
    moves: list[Moved] = []
    advice: list[Advice] = []
    before = after = 0
    changed: dict[Key, Lock] = {}
    with asking(settings, lambda: end - time.monotonic()) as resolver:
        movable = _settled(movable, earlier, resolver)
        judge = Judge(inventory, result.rules)
        fleets: defaultdict[Environment, list[Movable]] = defaultdict(list)
        for one in movable:
            fleets[one.lock.environment].append(one)
        for _, fleet in sorted(fleets.items(), key=lambda pair: pair[0]):
            done = align(fleet, resolver, mode, judge.worse)
            changed |= {(one.project, one.environment): one for one in done.locks}
            moves += done.moves
            advice += done.advice
            before += done.before_bytes
            after += done.after_bytes
        progress.finish(task)
        entries, told = _known(inventory.entries, changed, locking_with(resolver, result, settings, progress))
        is_settled = told and resolver.settled and time.monotonic() < end
    kept = _kept(committed, {(one.lock.project): one.lock for one in movable if one.settled})
    return Aligned(
        inventory=replace(inventory, entries=entries),
        moves=tuple(sorted((*kept, *moves))),
        advice=tuple(sorted(advice, key=lambda one: -one.saved_bytes)),
        before_bytes=before,
        after_bytes=after,
        settled=is_settled,
    )


def locking_with(resolver: Resolver, result: Scan, settings: Settings, progress: Progress) -> Locking:
    """How more projects are locked as of the moment of a scan."""
    return Locking(
        config=result.config,
        resolver=resolver,
        moment=result.inventory.index_date,
        wheels=KnownWheels(settings.cache, offline=settings.offline, root=settings.root),
        progress=progress,
        builds_allowed=settings.builds_allowed,
        rules=result.rules,
    )


def _known(entries: Sequence[Entry], locks: Mapping[Key, Lock], locking: Locking) -> tuple[tuple[Entry, ...], bool]:
    """The entries with these locks; wheels that are new to an entry tell about themselves; and whether all could."""
    found = [_with(entry, locks) for entry in entries]
    moved = [new for new, old in zip(found, entries, strict=True) if new != old]
    if not moved:
        return tuple(found), True
    with_facts, _, settled = locking.with_facts(moved, ())
    told = {entry.project.name: entry for entry in with_facts}
    return tuple(told.get(entry.project.name, entry) for entry in found), settled


def _with(entry: Entry, locks: Mapping[Key, Lock]) -> Entry:
    outcomes = (
        locks.get((one.project, one.environment), one) if isinstance(one, Lock) else one for one in entry.outcomes
    )
    return replace(entry, outcomes=tuple(outcomes))


def _movable(result: Scan, settings: Settings) -> list[Movable]:
    """The locks that become images. Those that come from a lockfile are settled."""
    found = []
    for entry in result.inventory.entries:
        groups = result.config.project(entry.project.root).groups
        declared = tuple(one for one in entry.requirements() if in_groups(one.group, groups))
        for own in entry.locks:
            if own.missing or own.environment.platform.system != "linux":
                continue
            question = lock.question(
                entry.reading,
                own.environment,
                indexes=result.config.indexes,
                exclude_newer=result.inventory.index_date,
                builds_allowed=settings.builds_allowed,
                groups=groups,
                anew=settings.relock,
                provided=own.provided,
                held=own.held,
                addresses=any(pin.source for pin in own.pins),
            )
            found.append(Movable(lock=own, question=question, declared=declared, settled=own.origin is not None))
    return found


def _earlier(committed: Plan | None) -> dict[Key, Lock]:
    """The locks that a plan holds."""
    if committed is None:
        return {}
    return {
        (image.project, image.environment): Lock(
            project=image.project, environment=image.environment, pins=committed.pins(image)
        )
        for image in committed.images
        if not image.variant
    }


def _settled(movable: Sequence[Movable], earlier: Mapping[Key, Lock], resolver: Resolver) -> list[Movable]:
    """The locks with those of an earlier plan in place of what would be new, wherever that still stands."""

    def one_settled(one: Movable) -> Movable:
        known = earlier.get((one.lock.project, one.lock.environment))
        return one if known is None or one.settled else settled(one, known, resolver)

    with ThreadPoolExecutor(PARALLEL_LOCKS) as pool:
        return list(pool.map(one_settled, movable))


def _kept(committed: Plan | None, locks: Mapping[str, Lock]) -> list[Moved]:
    """The moves of an earlier plan that still stand."""
    kept = []
    for move in committed.moves if committed else ():
        projects = tuple(
            project for project in move.projects if project in locks and _version(locks[project], move) == move.after
        )
        if projects:
            kept.append(replace(move, projects=projects))
    return kept


def _version(own: Lock, move: Moved) -> str:
    pin = own.by_name.get(move.package)
    return str(pin.version) if pin else ""


class Judge:
    """Tells whether a lock has something wrong with it that the one before had not."""

    def __init__(self, inventory: Inventory, facts: Rules) -> None:
        self._inventory = inventory
        self._facts = facts
        self._entries = {entry.project.name: entry for entry in inventory.entries}

    def worse(self, before: Lock, after: Lock) -> bool:
        """Whether new warnings or errors come with a lock."""
        return bool(self._wrong(after) - self._wrong(before))

    def _wrong(self, one: Lock) -> set[tuple[str, str, Severity]]:
        entry: Entry = replace(self._entries[one.project], outcomes=(one,))
        alone = replace(self._inventory, entries=(entry,), shared=(), incomplete=(), plan_problem=None)
        found = diagnose(alone, Conflicts(), self._facts).findings
        return {(each.code, each.subject, each.severity) for each in found if each.severity > Severity.NOTE}
