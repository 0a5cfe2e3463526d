"""How far each project can move: asks a resolver, aligns, looks at what would be wrong then, and asks again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import field, replace

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from depdoctor.diagnose import diagnose
from depdoctor.model.conflict import Conflicts
from depdoctor.model.finding import Finding, Severity
from depdoctor.model.inventory import Entry
from depdoctor.model.lock import Lock, LockOutcome
from depdoctor.model.noun import dataclass
from depdoctor.model.project import Location
from depdoctor.model.reading import Reading
from depdoctor.model.seams import NoProgress
from depdoctor.model.target import Environment
from depdoctor.pipeline.scanning import LockedFleet
from depdoctor.update import lines, targets

ROUNDS = 40
"""How often all is asked again before what has not settled stays as it is."""

SINGLE_STEPS = 2
"""After so many releases with something wrong with them, the rest of the same minor is passed over."""

Key = tuple[str, NormalizedName]
"""A unit and a package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What is installed together: a project, or the projects that share an environment.

    `environments` are None for those in which the project must run.
    """

    name: str
    reading: Reading
    before: tuple[LockOutcome, ...]
    members: tuple[str, ...] = ()
    environments: tuple[Environment, ...] | None = None

    @property
    def locks(self) -> tuple[Lock, ...]:
        """The locks that it has now."""
        return tuple(one for one in self.before if isinstance(one, Lock))

    def version(self, name: NormalizedName) -> Version | None:
        """What it has now of a package: the oldest, where environments differ."""
        found = [lock.by_name[name].version for lock in self.locks if name in lock.by_name]
        return min(found, default=None)


@dataclass(slots=True, kw_only=True)
class Reaching:
    """The search. `named` are packages whose ranges may move, too; below `lows` nothing may go.

    What is found: `targets`, `why` something is not newer, and `failed` units with the reason.
    """

    fleet: LockedFleet
    units: Sequence[Unit]
    named: frozenset[NormalizedName]
    nows: dict[Key, Version]
    lows: dict[Key, Version]
    alike: bool = True
    caps: dict[Key, str] = field(default_factory=dict)
    steps: defaultdict[Key, int] = field(default_factory=lambda: defaultdict(int))
    highs: dict[Key, Version] = field(default_factory=dict)
    targets: dict[Key, Version] = field(default_factory=dict)
    why: dict[Key, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def run(self) -> None:
        """Find the newest versions that all units stand with."""
        todo = [unit for unit in self.units if any(key[0] == unit.name for key in self.lows)]
        entries: dict[str, Entry] = {}
        for _ in range(ROUNDS):
            if self.fleet.out_of_time():
                break
            entries |= self._asked(todo)
            todo = self._aligned()
            if not todo:
                todo = self._judged(entries)
            if not todo:
                return
        for unit in todo:
            self._hold(unit.name, "the time for this run was spent before it was settled")
        self._aligned()

    def bounds(self, unit: Unit) -> dict[NormalizedName, SpecifierSet]:
        """What is asked of the packages of a unit."""
        return {
            name: SpecifierSet(f">={low.public if low.local is None else low}{self.caps.get((unit.name, name), '')}")
            for (owner, name), low in self.lows.items()
            if owner == unit.name
        }

    def locked(self, readings: Mapping[str, Reading]) -> dict[str, Entry]:
        """What readings of units would get, by the units' names."""
        locking = replace(self.fleet.locking, progress=NoProgress())
        found: dict[str, Entry] = {}
        alone = [unit for unit in self.units if unit.name in readings and unit.environments is None]
        entries = locking.locked([readings[unit.name] for unit in alone])
        found |= {unit.name: entry for unit, entry in zip(alone, entries, strict=True)}
        for unit in self.units:
            if unit.name in readings and unit.environments is not None:
                found[unit.name] = locking.locked([readings[unit.name]], unit.environments)[0]
        return found

    def _asked(self, todo: Sequence[Unit]) -> dict[str, Entry]:
        readings = {unit.name: lines.loosened(unit.reading, self.bounds(unit), self.named) for unit in todo}
        entries = self.locked(readings)
        for unit in todo:
            locks = entries[unit.name].locks
            if len(locks) < len(entries[unit.name].outcomes):
                self._fail(unit, entries[unit.name].reason)
                continue
            for key in [key for key in self.lows if key[0] == unit.name]:
                pins = [lock.by_name[key[1]].version for lock in locks if key[1] in lock.by_name]
                if pins:
                    self.highs[key] = min(pins)
                else:
                    del self.lows[key]
        return entries

    def _fail(self, unit: Unit, reason: str) -> None:
        """Leave a unit as it is, and with it what others cannot change without changing it."""
        self.failed[unit.name] = reason
        if unit.members and not unit.locks:  # what cannot be shared now holds nobody back
            self._hold(unit.name, "")
            return
        for name in [name for owner, name in self.lows if owner == unit.name]:
            for other in {other for tied in self.tied(name) if unit.name in tied for other in tied}:
                if other != unit.name and (other, name) in self.lows:
                    del self.lows[other, name]
                    self.highs.pop((other, name), None)
                    self.why[other, name] = f"{unit.name} has it from the same line, and is left as it is"
        self._hold(unit.name, "")

    def _hold(self, unit: str, why: str) -> None:
        for key in [key for key in self.lows if key[0] == unit]:
            del self.lows[key]
            self.highs.pop(key, None)
            if why:
                self.why[key] = why

    def _aligned(self) -> list[Unit]:
        """Set the targets; the units that must be asked again since they are to get something older."""
        again: set[str] = set()
        self.targets = {}
        for name in sorted({key[1] for key in self.lows}):
            reaches = [
                targets.Reach(unit=key[0], now=self.nows[key], low=low, high=self.highs[key])
                for key, low in self.lows.items()
                if key[1] == name and key in self.highs
            ]
            tied = self.tied(name)
            chosen = targets.aligned(reaches, tied) if self.alike else _each(reaches, tied)
            for one in reaches:
                key = (one.unit, name)
                self.targets[key] = chosen[one.unit]
                if chosen[one.unit] < one.high:
                    self.caps[key] = f",<={chosen[one.unit].public}"
                    slow = sorted(each.unit for each in reaches if each.high == chosen[one.unit])
                    self.why.setdefault(key, f"to stay with {slow[0]}, which gets no newer one" if slow else "")
                    again.add(one.unit)
        return [unit for unit in self.units if unit.name in again]

    def tied(self, name: NormalizedName) -> list[frozenset[str]]:
        """The units that must have the same version of a package: they share a line, or an environment."""
        places: defaultdict[Location, set[str]] = defaultdict(set)
        for unit in self.units:
            if (unit.name, name) in self.lows:
                for one in lines.holding(unit.reading, self.named):
                    if one.line.name == name:
                        places[one.line.location].add(unit.name)
        shares = [frozenset((unit.name, *unit.members)) for unit in self.units if unit.members]
        return [*(frozenset(found) for found in places.values() if len(found) > 1), *shares]

    def _judged(self, entries: Mapping[str, Entry]) -> list[Unit]:
        """The units that must be asked again since something would be wrong with them that is not now."""
        again = []
        for unit in self.units:
            if unit.name not in entries or unit.name in self.failed or unit.members:
                continue
            worse = self.worse(unit, entries[unit.name])
            still = [one for one in self._wrong(self._known(entries[unit.name])) if _keeps_from_running(one)]
            # one kind at a time, drivers first: what is mended by an older framework may mend what comes after
            kinds = sorted({one.code for one in (*still, *worse)})
            blamed: dict[Key, Finding] = {}
            while kinds and not blamed:
                code = kinds.pop(0)
                found = [one for one in (*still, *worse) if one.code == code]
                blamed = {key: one for one in found for key in self._blamed(unit, entries[unit.name], one)}
            for key, one in blamed.items():
                self._lower(key, one)
            if blamed:
                again.append(unit)
            elif worse:
                self._hold(unit.name, _said(worse[0]))
                again.append(unit)
        return again

    def worse(self, unit: Unit, entry: Entry) -> list[Finding]:
        """What is wrong with an outcome that was not before."""
        before = {_what(one) for one in self._wrong(Entry(reading=unit.reading, outcomes=unit.before))}
        return [one for one in self._wrong(self._known(entry)) if _what(one) not in before]

    def _known(self, entry: Entry) -> Entry:
        """An outcome with what its wheels tell."""
        known, _, _ = self.fleet.locking.with_facts([entry], ())
        return known[0]

    def _wrong(self, entry: Entry) -> list[Finding]:
        alone = replace(self.fleet.inventory, entries=(entry,), shared=(), incomplete=(), installed=())
        found = diagnose(alone, Conflicts(), self.fleet.rules).findings
        return [one for one in found if one.severity > Severity.NOTE]

    def _blamed(self, unit: Unit, entry: Entry, finding: Finding) -> Iterator[Key]:
        """What moved and has to do with a finding: the packages that it names, else those that bring them."""
        moved = {
            key for key in self.lows if key[0] == unit.name and self.highs.get(key, self.nows[key]) > self.nows[key]
        }
        names = {canonicalize_name(name) for name in (*finding.packages, finding.subject)}
        direct = {key for key in moved if key[1] in names}
        if direct:
            yield from sorted(direct)
            return
        for lock in entry.locks:
            for key in sorted(moved):
                if not names.isdisjoint(_below(lock, key[1])):
                    yield key

    def _lower(self, key: Key, finding: Finding) -> None:
        high = self.highs[key]
        self.why[key] = f"{high} would have {_said(finding)}"
        self.steps[key] += 1
        if self.steps[key] > ROUNDS // 2 or high <= self.lows[key]:
            del self.lows[key], self.highs[key]
            return
        ends = high.public if self.steps[key] <= SINGLE_STEPS else f"{high.major}.{high.minor}"
        self.caps[key] = f",<{high.public if Version(ends) <= self.lows[key] else ends}"


def _each(reaches: Sequence[targets.Reach], tied: Sequence[Collection[str]]) -> dict[str, Version]:
    """Each unit its own newest version, and those that are tied the same."""
    found = {one.unit: one.high for one in reaches}
    for units in tied:
        mine = [one for one in reaches if one.unit in units]
        lowest = min((one.high for one in mine), default=None)
        if lowest is not None:
            can = all(one.low <= lowest for one in mine)
            found.update({one.unit: lowest if can else one.now for one in mine})
    return found


def _below(lock: Lock, name: NormalizedName) -> set[NormalizedName]:
    """All that a package of a lock needs, itself included."""
    found: set[NormalizedName] = set()
    todo = [name]
    while todo:
        one = todo.pop()
        if one not in found and one in lock.by_name:
            found.add(one)
            todo += [canonicalize_name(edge.name) for edge in lock.by_name[one].requires or ()]
    return found


def _keeps_from_running(finding: Finding) -> bool:
    """Whether something does not run on a target: what moves and still does not is better left where it is."""
    return finding.code.startswith("DD2") and finding.severity is Severity.ERROR


def _what(finding: Finding) -> tuple[str, str, Severity]:
    return finding.code, finding.subject, finding.severity


def _said(finding: Finding) -> str:
    return f"{finding.code} {finding.kind}: {finding.message}"
