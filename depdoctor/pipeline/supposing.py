"""`whatif`: what a change of requirements, of Python, of platform or of the date would do to the projects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime

from packaging.utils import NormalizedName

from depdoctor.conflict.explain import moves
from depdoctor.conflict.suppose import Change, kept, names_it, supposed
from depdoctor.errors import UsageError
from depdoctor.model.explanation import Consequence, History, WhatIf
from depdoctor.model.inventory import Entry, SharedEnvironment
from depdoctor.model.lock import Lock, LockOutcome, Unresolvable
from depdoctor.model.noun import dataclass
from depdoctor.model.reading import Reading
from depdoctor.model.seams import NoProgress, Progress
from depdoctor.model.target import Environment
from depdoctor.pipeline.explaining import history, judged
from depdoctor.pipeline.locking import PARALLEL_LOCKS, Locking
from depdoctor.pipeline.scanning import LockedFleet, surveying
from depdoctor.pipeline.standing import Settings

ROUNDS = 8
"""How often what stands in the way of a change is let go of before everything else is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Supposition:
    """What is to be other than it is, in one project or ("") in all; "" and None change nothing."""

    changes: tuple[Change, ...] = ()
    project: str = ""
    python: str = ""
    platform: str = ""
    moment: datetime | None = None

    def __str__(self) -> str:
        said = [*map(str, self.changes), f"Python {self.python}" if self.python else "", self.platform]
        said.append(f"as of {self.moment:%Y-%m-%d}" if self.moment else "")
        return ", ".join(filter(None, said)) + (f" in {self.project}" if self.project else "")

    def environment(self, now: Environment) -> Environment:
        """Where what is in an environment now would be."""
        platform = now.platform
        if self.platform:
            system, _, machine = self.platform.partition("-")
            platform = replace(platform, system=system, machine=machine)
        return Environment(python=self.python or now.python, platform=platform)

    @property
    def everywhere(self) -> bool:
        """Whether it bears on projects that have nothing to do with the packages that are named."""
        return bool(self.python or self.platform or self.moment)


def whatif(
    settings: Settings, progress: Progress, supposition: Supposition, since: datetime | None = None
) -> tuple[WhatIf, tuple[History, ...]]:
    """What would be, and since when it would not have been of the projects that break. Raises `UsageError`."""
    with surveying(settings, progress) as fleet:
        entries = fleet.inventory.entries
        if supposition.project and supposition.project not in {entry.project.name for entry in entries}:
            raise UsageError(
                f"there is no project `{supposition.project}`", hint="`depdoctor scan --list` names the projects"
            )
        named = {name for name in _names(entries, supposition) if name}
        held = {name for name in _bringing(entries, supposition) if name not in named}
        changed = [entry for entry in entries if entry.project.name in (named | held)]
        after = _relocked(fleet, changed, supposition)
        shared = _shares(fleet, after)
        after, shared, _ = fleet.locking.with_facts(after, shared)
        inventory = replace(
            fleet.inventory,
            entries=tuple(entry for entry in after if _breaks(entry)),
            shared=tuple(one for one in shared if any(isinstance(each, Unresolvable) for each in one.outcomes)),
            index_date=supposition.moment or fleet.inventory.index_date,
        )
        if inventory.shared:
            members = {name for one in inventory.shared for name in one.projects}
            current = {entry.project.name: entry for entry in (*entries, *after)}
            inventory = replace(inventory, entries=tuple(current[name] for name in sorted(members)))
        broken = [entry.reading for entry in inventory.entries if _breaks(entry)]
        return (
            WhatIf(
                packages=tuple(one.name for one in supposition.changes),
                changed=tuple(sorted(named)),
                held=tuple(sorted(held)),
                consequences=(*_consequences(changed, after), *_consequences_of_shares(fleet, shared)),
                diagnosis=judged(fleet, inventory, {one.name for one in supposition.changes}),
            ),
            tuple(history(fleet, reading, since, progress) for reading in broken if since),
        )


def _names(entries: Sequence[Entry], supposition: Supposition) -> Iterator[str]:
    """The projects whose own lines change, and all where everything does."""
    for entry in entries:
        name = entry.project.name
        if supposition.project:
            yield name if name == supposition.project else ""
        elif supposition.everywhere or any(names_it(entry.reading, one.name) for one in supposition.changes):
            yield name


def _bringing(entries: Sequence[Entry], supposition: Supposition) -> Iterator[str]:
    """The projects that get a package by others; a package that is dropped stays where others bring it."""
    wanted = {one.name for one in supposition.changes if one.requirement is not None}
    for entry in entries:
        if not supposition.project and any(not wanted.isdisjoint(lock.by_name) for lock in entry.locks):
            yield entry.project.name


def _relocked(fleet: LockedFleet, entries: Sequence[Entry], supposition: Supposition) -> tuple[Entry, ...]:
    """The entries as they would be; what a lockfile holds now moves only if it must."""
    moment = supposition.moment or fleet.locking.moment
    locking = replace(fleet.locking, moment=moment, progress=NoProgress())

    def relocked(entry: Entry) -> Entry:
        reading = supposed(entry.reading, supposition.changes, adding=bool(supposition.project))
        outcomes = []
        for before in entry.outcomes:
            environment = supposition.environment(before.environment)
            names = {pin.name for pin in before.pins} if isinstance(before, Lock) and before.origin else set()
            names -= {one.name for one in supposition.changes}
            outcomes.append(_least_moved(locking, reading, before, environment, names))
        return Entry(reading=reading, outcomes=tuple(outcomes))

    with ThreadPoolExecutor(PARALLEL_LOCKS) as pool:
        return tuple(pool.map(relocked, entries))


def _least_moved(
    locking: Locking, reading: Reading, before: LockOutcome, environment: Environment, names: Set[NormalizedName]
) -> LockOutcome:
    """The outcome with these packages where they are, those let go of that a refusal blames, at last all of them."""
    for tried in range(ROUNDS):
        held = kept(reading, before, names) if names and isinstance(before, Lock) else reading
        outcome = locking.locked([held], [environment])[0].outcomes[0]
        if not names or not isinstance(outcome, Unresolvable):
            break
        blamed = names & set(outcome.reason.blamed)
        names = names - blamed if blamed and tried < ROUNDS - 2 else frozenset()
    return outcome


def _shares(fleet: LockedFleet, after: Sequence[Entry]) -> tuple[SharedEnvironment, ...]:
    """The shared environments that have to do with what changes, locked anew."""
    changed = {entry.project.name: entry for entry in after}
    current = [changed.get(entry.project.name, entry) for entry in fleet.inventory.entries]
    concerned = [one for one in fleet.inventory.shared if not changed.keys().isdisjoint(one.projects)]
    return fleet.locking.together(concerned, current)


def _breaks(entry: Entry) -> bool:
    return any(isinstance(outcome, Unresolvable) for outcome in entry.outcomes)


def _consequences(before: Sequence[Entry], after: Sequence[Entry]) -> Iterator[Consequence]:
    for old, new in zip(before, after, strict=True):
        for was, now in zip(old.outcomes, new.outcomes, strict=True):
            yield _consequence(old.project.name, was, now)


def _consequences_of_shares(fleet: LockedFleet, after: Sequence[SharedEnvironment]) -> Iterator[Consequence]:
    before = {one.name: one for one in fleet.inventory.shared}
    for new in after:
        for was, now in zip(before[new.name].outcomes, new.outcomes, strict=False):
            yield _consequence(f"environment {new.name}", was, now)


def _consequence(name: str, was: LockOutcome, now: LockOutcome) -> Consequence:
    moved = moves(was, now) if isinstance(was, Lock) and isinstance(now, Lock) else ()
    return Consequence(project=name, before=was, after=now, moves=moved)
