"""What alignment moved, why, and what it saves; and what an edit would allow it to save besides."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from depdoctor.model.alignment import Advice, Align, Alignment, Edit, Movable, Moved
from depdoctor.model.graph import holds
from depdoctor.model.lock import Lock, Question, Resolved
from depdoctor.model.seams import Resolver
from depdoctor.plan.align import Changes, Fleet, Step, Worse, aligned

LEAST_ADVICE_BYTES = 20_000_000
MOST_ADVICE = 3
MOST_EDITS = 6
MOST_THOUGHTS = 6
"""Steps that are thought about for advice; each may take a question for every project in it."""


def align(movable: Sequence[Movable], resolver: Resolver, mode: Align, worse: Worse) -> Alignment:
    """Locks that share more, what moved, and what else would. The locks must all be of one environment.

    The same locks in another order move alike.
    """
    order = sorted(range(len(movable)), key=lambda number: movable[number].lock.project)
    fleet = Fleet(movable=[movable[number] for number in order], resolver=resolver, mode=mode, worse=worse)
    before = fleet.total()
    if mode is Align.NONE:
        return Alignment(locks=tuple(one.lock for one in movable), before_bytes=before, after_bytes=before)
    aligned(fleet)
    return Alignment(
        locks=tuple(lock for _, lock in sorted(zip(order, fleet.locks, strict=True), key=lambda pair: pair[0])),
        moves=tuple(_moves(fleet)),
        advice=tuple(_advice(fleet)),
        before_bytes=before,
        after_bytes=fleet.total(),
    )


def _moves(fleet: Fleet) -> Iterator[Moved]:
    """A row for each package that moved from one version to another, with who moved it and what that saves."""
    rows: defaultdict[tuple[NormalizedName, str, str], list[int]] = defaultdict(list)
    for number, one in enumerate(fleet.movable):
        own, now = one.lock.by_name, fleet.pins[number]
        for name in own.keys() | now.keys():
            before = str(own[name].version) if name in own else ""
            after = str(now[name].version) if name in now else ""
            if before != after:
                rows[name, before, after].append(number)
    gained = _by_version(fleet, [one.lock for one in fleet.movable])
    lost = _by_version(fleet, fleet.locks)
    gained, lost = gained - lost, lost - gained
    for (name, before, after), numbers in sorted(rows.items()):
        saved = gained.pop((name, before), 0) - lost.pop((name, after), 0)
        projects = tuple(sorted(fleet.movable[number].lock.project for number in numbers))
        reason = _reason(fleet, name, numbers)
        yield Moved(package=name, before=before, after=after, projects=projects, reason=reason, saved_bytes=saved)


def _by_version(fleet: Fleet, locks: Iterable[Lock]) -> Counter[tuple[NormalizedName, str]]:
    """The bytes of each version of each package that these locks hold, every file once."""
    files = {pin.file.sha256: pin for lock in locks for pin in lock.pins if pin.file}
    found: Counter[tuple[NormalizedName, str]] = Counter()
    for sha256, pin in files.items():
        found[pin.name, str(pin.version)] += fleet.size(sha256)
    return found


def _reason(fleet: Fleet, package: NormalizedName, numbers: Sequence[int]) -> str:
    for taken, version in fleet.taken[numbers[0]]:
        if taken == package:
            moved = set(numbers)
            pins = enumerate(fleet.pins)
            there = [n for n, own in pins if n not in moved and package in own and own[package].version == version]
            names = [fleet.movable[n].lock.project for n in there]
            more = f" and {len(names) - 2} more" if len(names) > 2 else ""
            return f"shared with {', '.join(names[:2])}{more}" if names else "shared among them"
    steps = [(name, version) for name, version in fleet.taken[numbers[0]] if package in fleet.reach(numbers[0], name)]
    return "goes with " + " and ".join(f"{name} {version}" for name, version in (steps or fleet.taken[numbers[0]])[:2])


def _advice(fleet: Fleet) -> list[Advice]:
    """The edits that would save most, each verified to resolve for everyone concerned."""
    found: list[Advice] = []
    thoughts = [step for step in fleet.steps(settled=True) if step.bound_bytes >= LEAST_ADVICE_BYTES]
    for step in thoughts[:MOST_THOUGHTS]:
        if any(step.bound_bytes <= one.saved_bytes for one in found[MOST_ADVICE - 1 :]):
            continue
        options = (_advised(fleet, step, version) for version in fleet.alternatives(step)[:2])
        advised = next((one for one in options if one), None)
        if advised:
            found.append(advised)
            found.sort(key=lambda one: -one.saved_bytes)
    return found[:MOST_ADVICE]


def _advised(fleet: Fleet, step: Step, version: Version) -> Advice | None:
    changes: Changes = {}
    edits: list[Edit] = []
    wanted = [(number, list(_edits(fleet.movable[number], step.package, version))) for number in step.users]
    stuck = [number for number, own in wanted if not own]
    if sum(bool(own) for _, own in wanted) > MOST_EDITS or any(_stays(fleet.movable[number]) for number in stuck):
        return None
    if len(stuck) == len(wanted) and fleet.mode is Align.DEEP:
        return None
    for number, own in sorted(wanted, key=lambda pair: (not pair[1], pair[0])):
        requirements = _widened(fleet.movable[number], step.package, version) if own else ()
        lock = fleet.resolved(number, step.package, version, requirements)
        if lock is None or fleet.worse(fleet.movable[number].lock, lock):
            return None
        changes[number] = lock
        edits += own
    saved = fleet.saving(changes)
    if saved < LEAST_ADVICE_BYTES:
        return None
    return Advice(
        package=step.package,
        before=str(step.version),
        after=str(version),
        projects=tuple(sorted(lock.project for lock in changes.values())),
        edits=tuple(sorted(edits, key=lambda edit: (edit.project, edit.location))),
        saved_bytes=saved,
    )


def _stays(one: Movable) -> bool:
    """Whether it is no requirement that holds a project where it is, but a lockfile."""
    return one.lock.origin is not None


def _edits(one: Movable, package: NormalizedName, version: Version) -> Iterator[Edit]:
    """The requirements of a project that do not admit a version."""
    for declared in one.declared:
        requirement = declared.requirement
        narrow = declared.name == package and not requirement.specifier.contains(version, prereleases=True)
        if narrow and holds(requirement.marker, one.lock.environment):
            yield Edit(project=one.lock.project, requirement=declared.text, location=declared.location)


def _widened(one: Movable, package: NormalizedName, version: Version) -> tuple[str, ...]:
    """The requirements of a project with those on a package changed to a version."""

    def changed(text: str) -> str:
        requirement = Requirement(text)
        if canonicalize_name(requirement.name) != package:
            return text
        requirement.specifier = SpecifierSet(f"=={version}")
        return str(requirement)

    return tuple(sorted(set(map(changed, one.question.requirements))))


def settled(one: Movable, committed: Lock, resolver: Resolver) -> Movable:
    """The lock as close to the committed one as what the project declares allows; settled if it is the same.

    Where nobody can tell, the committed one stays if it meets what the project declares.
    """
    preferences = tuple(sorted(f"{pin.name}=={pin.version}" for pin in committed.pins))
    answer = resolver.resolve(replace(one.question, preferences=preferences))
    if not isinstance(answer, Resolved):
        kept = replace(one.lock, pins=committed.pins)
        return replace(one, lock=kept, settled=True) if meets(committed, one.question) else one
    same = {(pin.name, pin.version) for pin in answer.pins} == {(pin.name, pin.version) for pin in committed.pins}
    known = {pin.file.sha256: pin for pin in one.lock.pins if pin.file}
    pins = tuple(known.get(pin.file.sha256, pin) if pin.file else pin for pin in answer.pins)
    return replace(one, lock=replace(one.lock, pins=pins), settled=same)


def meets(lock: Lock, question: Question) -> bool:
    """Whether a lock holds what is asked for, as far as that names it."""
    pins = lock.by_name
    asked = [(Requirement(text), True) for text in question.requirements]
    asked += [(Requirement(text), False) for text in question.constraints]
    return all(
        one.specifier.contains(pins[name].version, prereleases=True)
        if (name := canonicalize_name(one.name)) in pins
        else not needed
        for one, needed in asked
        if holds(one.marker, question.environment)
    )
