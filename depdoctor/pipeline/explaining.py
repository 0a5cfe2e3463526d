"""`explain`: who wants a package, whether two projects can share, and since when something is wrong with one."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from depdoctor import lock
from depdoctor.conflict.explain import moves, shifted, wanted
from depdoctor.conflict.suppose import supposed
from depdoctor.diagnose import diagnose
from depdoctor.diagnose.demands import demands
from depdoctor.diagnose.installation import installations
from depdoctor.errors import UsageError
from depdoctor.model.conflict import Conflict, Fix
from depdoctor.model.demand import Demand
from depdoctor.model.explanation import Break, Contents, History, Pair, Wanted
from depdoctor.model.finding import Diagnosis, Severity
from depdoctor.model.inventory import Entry, Inventory, SharedEnvironment
from depdoctor.model.lock import DeclaredOnly, Lock
from depdoctor.model.noun import dataclass
from depdoctor.model.reading import Reading
from depdoctor.model.seams import Progress
from depdoctor.model.target import Environment
from depdoctor.pipeline.contents import contents
from depdoctor.pipeline.scanning import LockedFleet, surveying
from depdoctor.pipeline.standing import Settings

FAMILY = "DD1"
"""The codes of findings about versions."""

MOST_PROBES = 64
"""Moments that are looked at before the search for a break is given up; thirty halve a decade down to a second."""

_SECOND = timedelta(seconds=1)

Wrong = tuple[str, str]
"""The code and subject of a finding."""


def explain(
    settings: Settings, progress: Progress, what: str, other: str = "", since: datetime | None = None
) -> Wanted | Pair | History | Contents:
    """Explain a package, two projects, a project, or an image. Raises `UsageError` where nothing has such a name."""
    with surveying(settings, progress) as fleet:
        if since is None and (held := contents(fleet, settings, what, other)):
            return held
        entries = {entry.project.name: entry for entry in fleet.inventory.entries}
        if other:
            if what in entries and other not in entries and wanted(fleet.inventory, canonicalize_name(other)).wants:
                hint = f"`depdoctor plan` makes images; `depdoctor explain {other}` tells who wants it"
                raise UsageError(f"`{other}` is no project, and no image of {what} in a plan holds it", hint=hint)
            return _pair(fleet, _entry(entries, what), _entry(entries, other))
        if what in entries:
            return history(fleet, entries[what].reading, since, progress)
        found = wanted(fleet.inventory, canonicalize_name(what))
        if found.wants and since is None:
            return found
        if found.wants:
            raise UsageError("`--since` looks into a project", hint=_known(entries, what))
        raise UsageError(
            f"nothing here is called `{what}`: no rule, no project, no package of one", hint=_known(entries, what)
        )


def _entry(entries: dict[str, Entry], name: str) -> Entry:
    if name not in entries:
        raise UsageError(f"there is no project `{name}`", hint=_known(entries, name))
    return entries[name]


def _known(entries: dict[str, Entry], name: str) -> str:
    near = difflib.get_close_matches(name, entries, n=1)
    return f"did you mean `{near[0]}`?" if near else "`depdoctor scan --list` names the projects"


def _pair(fleet: LockedFleet, one: Entry, other: Entry) -> Pair:
    """Lock both together wherever both may run, and say what stands against it."""
    names = (one.project.name, other.project.name)
    environments = _common(one, other, fleet)
    # Lockfiles are left out: they hold still, and what sharing moves is to be seen.
    entries = fleet.locking.locked([supposed(each.reading, (), adding=False) for each in (one, other)], environments)
    shared = SharedEnvironment(name=" and ".join(names), projects=names)
    entries, shares, _ = fleet.locking.with_facts(entries, fleet.locking.together([shared], entries))
    inventory = replace(fleet.inventory, entries=entries, shared=shares)
    together = shares[0].outcomes
    return Pair(
        projects=names,
        together=together,
        moves=tuple(
            (entry.project.name, shifted(alone, joint))
            for entry in entries
            for alone, joint in zip(entry.outcomes, together, strict=False)
            if isinstance(alone, Lock) and isinstance(joint, Lock)
        ),
        diagnosis=judged(fleet, inventory),
    )


def judged(fleet: LockedFleet, inventory: Inventory, kept: Collection[NormalizedName] = ()) -> Diagnosis:
    """What is wrong there with versions. No way out is told that changes what is required of the packages `kept`."""
    conflicts = fleet.conflicts(inventory)
    conflicts = replace(conflicts, conflicts=tuple(_keeping(one, kept) for one in conflicts.conflicts))
    found = diagnose(inventory, conflicts, fleet.rules)
    return replace(found, findings=tuple(one for one in found.findings if one.code.startswith(FAMILY)))


def _keeping(conflict: Conflict, names: Collection[NormalizedName]) -> Conflict:
    return replace(conflict, fixes=tuple(fix for fix in conflict.fixes if not _changes(fix, names)))


def _changes(fix: Fix, names: Collection[NormalizedName]) -> bool:
    return any(canonicalize_name(Requirement(edit.before).name) in names for edit in fix.edits)


def _common(one: Entry, other: Entry, fleet: LockedFleet) -> tuple[Environment, ...]:
    """The environments of both with one Python that both admit: that of either, if it may be, else any."""
    own = [outcome.environment.python for entry in (one, other) for outcome in entry.outcomes]
    admitted = lock.admitted((*one.reading.manifests, *other.reading.manifests), fleet.config.python)
    python = next((each for each in (*own, *admitted) if each in admitted), "")
    platforms = dict.fromkeys(target.platform for target in fleet.config.targets)
    return tuple(Environment(python=python, platform=platform) for platform in platforms) if python else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """How a project stood at a moment."""

    moment: datetime
    entry: Entry
    diagnosis: Diagnosis

    @property
    def wrong(self) -> frozenset[Wrong]:
        """What was wrong with it."""
        return frozenset((one.code, one.subject) for one in self.diagnosis.findings if one.severity > Severity.NOTE)

    @property
    def unknown(self) -> str:
        """Why it is not known how it stood, "" where it is."""
        return next((one.reason.detail for one in self.entry.outcomes if isinstance(one, DeclaredOnly)), "")

    @property
    def lock(self) -> Lock | None:
        """What it got, None where it could not be had."""
        return next(iter(self.entry.locks), None)


def history(fleet: LockedFleet, reading: Reading, since: datetime | None, progress: Progress) -> History:
    """How a project stands, and if a date is given what has happened to it since. One with a lockfile stands still."""
    states: dict[datetime, _State] = {}

    def look(moment: datetime) -> _State:
        if moment not in states:
            progress.advance(task)
            states[moment] = _state(fleet, reading, moment)
        return states[moment]

    task = "looking at moments"
    progress.start(task)
    now = look(fleet.locking.moment)
    then = look(since) if since else now
    unknown = then.unknown or now.unknown
    wrongs = () if unknown else sorted(now.wrong - then.wrong)
    breaks = [found for wrong in wrongs if (found := _break(wrong, then, now, look))]
    progress.finish(task)
    return History(
        project=reading.project.name,
        since=then.moment,
        moves=moves(then.lock, now.lock) if then.lock and now.lock else (),
        breaks=tuple(breaks),
        before=() if unknown else tuple(sorted(then.wrong & now.wrong)),
        unknown=unknown,
        diagnosis=now.diagnosis,
        demands=_demands(fleet, now),
    )


def _demands(fleet: LockedFleet, now: _State) -> tuple[Demand, ...]:
    """What a project asks of a machine, in all environments that it is locked for."""
    alone = replace(fleet.inventory, entries=(now.entry,), shared=(), index_date=now.moment)
    date = now.moment.date().isoformat()
    found = (each for one in installations(alone, fleet.rules) for each in demands(one, fleet.rules, date))
    return tuple(dict.fromkeys(found))


def _state(fleet: LockedFleet, reading: Reading, moment: datetime) -> _State:
    locking = replace(fleet.locking, moment=moment)
    entries, _, _ = locking.with_facts(locking.locked([reading]), ())
    inventory = replace(fleet.inventory, entries=entries, shared=(), index_date=moment)
    diagnosis = diagnose(inventory, fleet.conflicts(inventory), fleet.rules)
    return _State(moment=moment, entry=entries[0], diagnosis=diagnosis)


def _break(wrong: Wrong, good: _State, bad: _State, look: Callable[[datetime], _State]) -> Break | None:
    """When something went wrong, to the second; the release is most likely the newest that is installed then.

    `exclude-newer` leaves out what was uploaded at that very second, so that the second after is the first to show it.
    """
    for _ in range(MOST_PROBES // 2):
        newest = max(_uploads(bad, good.moment), default=None)
        if newest and newest < bad.moment:
            before, after = look(newest), look(newest + _SECOND)
            if wrong in before.wrong:
                bad = before
            elif wrong in after.wrong:
                good, bad = before, after
            else:
                good = after
        if bad.moment - good.moment <= _SECOND:
            break
        middle = look((good.moment + (bad.moment - good.moment) / 2).replace(microsecond=0))
        good, bad = (good, middle) if wrong in middle.wrong else (middle, bad)
    if good.unknown or bad.unknown or wrong not in bad.wrong or bad.moment - good.moment > _SECOND:
        return None
    moved = moves(good.lock, bad.lock) if good.lock and bad.lock else ()
    new = [move for move in moved if move.published and move.published >= good.moment]
    others = [move for move in moved if move not in new]
    return Break(what=wrong, moment=good.moment, releases=(*new, *others))


def _uploads(state: _State, after: datetime) -> Sequence[datetime]:
    """When what is installed was uploaded, to the second."""
    files = [pin.file for pin in state.lock.pins if pin.file] if state.lock else []
    return [file.upload_time.replace(microsecond=0) for file in files if file.upload_time and file.upload_time > after]
