"""Alignment: versions chosen so that the distinct bytes over all images are least.

Bytes are saved only when no image needs a version any more, so a step takes one version of one package from all who
hold it at once, to versions that others hold already. The heaviest come first. Every lock that results is a resolver's
answer; a step in which one project cannot follow, or would get worse, is not taken. What nobody can tell within the
time given stays as it is.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import field, replace
from datetime import timedelta

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from depdoctor.model.alignment import Align, Movable
from depdoctor.model.distribution import Pin
from depdoctor.model.graph import holds
from depdoctor.model.lock import Lock, Resolved
from depdoctor.model.noun import dataclass
from depdoctor.model.seams import Resolver
from depdoctor.model.target import Environment

LEAST_SAVING_BYTES = 1_000_000
LEAST_SAVING_SHARE = 1_000
"""What a step must save, as downloaded, and which part (one in so many) of the fleet: less is not worth a change."""

OLDEST = timedelta(days=365)
"""How much older than what a project resolves to by itself a package may be that it does not name."""

TARGETS = 3
"""Versions that are tried for a project before its step is given up."""

PARALLEL = 4

Worse = Callable[[Lock, Lock], bool]
"""Whether a lock is worse for its project than the one before."""

Edges = tuple[tuple[NormalizedName, ...], tuple[Requirement, ...], tuple[tuple[NormalizedName, frozenset[str]], ...]]

Changes = dict[int, Lock]
"""New locks by the number of their project."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One version of a package that all who hold it could leave."""

    package: NormalizedName
    version: Version
    users: tuple[int, ...]
    bound_bytes: int


@dataclass(slots=True, kw_only=True)
class Fleet:
    """The locks of one environment while they move.

    `users` counts who holds each wheel (by SHA-256), `taken` tells which steps moved a project.
    """

    movable: Sequence[Movable]
    resolver: Resolver
    mode: Align
    worse: Worse
    locks: list[Lock] = field(default_factory=list)
    own: list[Mapping[NormalizedName, Pin]] = field(default_factory=list)
    pins: list[Mapping[NormalizedName, Pin]] = field(default_factory=list)
    wheels: dict[str, Pin] = field(default_factory=dict)
    users: Counter[str] = field(default_factory=Counter)
    taken: dict[int, list[tuple[NormalizedName, Version]]] = field(default_factory=lambda: defaultdict(list))
    closures: dict[tuple[int, NormalizedName], frozenset[NormalizedName]] = field(default_factory=dict)
    edges: dict[str, Edges] = field(default_factory=dict)
    asked: dict[int, Mapping[NormalizedName, frozenset[str]]] = field(default_factory=dict)
    stated: list[list[Requirement]] = field(default_factory=list)
    named: list[frozenset[NormalizedName]] = field(default_factory=list)
    held: frozenset[tuple[NormalizedName, Version]] = frozenset()
    least: int = 0
    refused: set[tuple[int, NormalizedName, Version]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.locks = [one.lock for one in self.movable]
        self.own = [lock.by_name for lock in self.locks]
        self.pins = list(self.own)
        for lock in self.locks:
            self.users.update(self._files(lock))
        for one in self.movable:
            self.stated.append([*map(Requirement, (*one.question.requirements, *one.question.constraints))])
            self.named.append(
                frozenset(canonicalize_name(Requirement(text).name) for text in one.question.requirements)
            )
        self.least = max(LEAST_SAVING_BYTES, self.total() // LEAST_SAVING_SHARE)
        self.held = frozenset((pin.name, pin.version) for lock in self.locks for pin in lock.pins)

    def _files(self, lock: Lock) -> list[str]:
        for pin in lock.pins:
            if pin.file:
                self.wheels.setdefault(pin.file.sha256, pin)
        return [pin.file.sha256 for pin in lock.pins if pin.file]

    def size(self, sha256: str) -> int:
        """The size of a wheel, as downloaded."""
        return self.wheels[sha256].download_bytes

    def total(self) -> int:
        """The distinct bytes over all locks, as downloaded."""
        return sum(self.size(sha256) for sha256, count in self.users.items() if count)

    def saving(self, changes: Changes) -> int:
        """What these new locks would save, in bytes."""
        users: Counter[str] = Counter()
        for number, lock in changes.items():
            users.subtract(self._files(self.locks[number]))
            users.update(self._files(lock))
        saved = 0
        for sha256, more in users.items():
            had = self.users[sha256]
            saved += self.size(sha256) * ((had > 0) - (had + more > 0))
        return saved

    def take(self, changes: Changes, step: Step, targets: Mapping[int, Version]) -> None:
        """Let these locks stand in place of the old ones."""
        for number, lock in changes.items():
            self.users.subtract(self._files(self.locks[number]))
            self.users.update(self._files(lock))
            self.locks[number], self.pins[number] = lock, lock.by_name
            self.taken[number].append((step.package, targets[number]))
            self.asked.pop(number, None)
        self.refused = {one for one in self.refused if one[0] not in changes}
        self.closures = {key: found for key, found in self.closures.items() if key[0] not in changes}

    def versions(self) -> dict[NormalizedName, dict[Version, list[int]]]:
        """Who holds which version of each package."""
        held: dict[NormalizedName, dict[Version, list[int]]] = defaultdict(lambda: defaultdict(list))
        for number, lock in enumerate(self.locks):
            for pin in lock.pins:
                held[pin.name][pin.version].append(number)
        return held

    def steps(self, *, settled: bool = False) -> list[Step]:
        """What could be saved at most by each step, most first; with the `settled` ones for a thought."""
        found = []
        for package, versions in self.versions().items():
            for version, users in versions.items() if len(versions) > 1 else ():
                if settled or not any(self.movable[number].settled for number in users):
                    bound = self._bound(package, users)
                    if bound >= self.least:
                        found.append(Step(package=package, version=version, users=tuple(users), bound_bytes=bound))
        return sorted(found, key=lambda step: (-step.bound_bytes, step.package, step.version))

    def _bound(self, package: NormalizedName, users: Sequence[int]) -> int:
        """What nobody but these users has of a package and all that it needs."""
        own = Counter[str]()
        below: set[NormalizedName] = set()
        for number in users:
            own.update(self._files(self.locks[number]))
            below |= self.closure(number, package)
        return sum(
            self.size(sha256)
            for sha256, count in own.items()
            if count == self.users[sha256] and self.wheels[sha256].name in below
        )

    def closure(self, number: int, package: NormalizedName) -> frozenset[NormalizedName]:
        """A package and all that it needs in a lock, as far as metadata is known."""
        if (number, package) not in self.closures:
            self.closures[number, package] = self._closure(self.pins[number], number, package)
        return self.closures[number, package]

    def reach(self, number: int, package: NormalizedName) -> frozenset[NormalizedName]:
        """A package and all that it needed or needs, in the lock as it was and as it is."""
        return self._closure(self.own[number], number, package) | self.closure(number, package)

    def _closure(
        self, pins: Mapping[NormalizedName, Pin], number: int, package: NormalizedName
    ) -> frozenset[NormalizedName]:
        """Markers count, but extras that anybody asks for count for everybody."""
        environment = self.movable[number].question.environment
        found: set[NormalizedName] = set()
        todo = [package]
        while todo:
            name = todo.pop()
            if name in pins and name not in found:
                found.add(name)
                plain, with_extras, _ = self._edges_of(pins[name], environment)
                todo += plain
                if with_extras and (extras := self._extras(pins, number).get(name)):
                    todo += [
                        canonicalize_name(one.name) for one in with_extras if holds(one.marker, environment, extras)
                    ]
        return frozenset(found)

    def _extras(self, pins: Mapping[NormalizedName, Pin], number: int) -> Mapping[NormalizedName, frozenset[str]]:
        """As `_asked`, which is worked out once for a lock as long as it stands."""
        if pins is not self.pins[number]:
            return self._asked(pins, number)
        if number not in self.asked:
            self.asked[number] = self._asked(pins, number)
        return self.asked[number]

    def _asked(self, pins: Mapping[NormalizedName, Pin], number: int) -> Mapping[NormalizedName, frozenset[str]]:
        """The extras that a project and its packages ask for."""
        environment = self.movable[number].question.environment
        asked: defaultdict[NormalizedName, frozenset[str]] = defaultdict(frozenset)
        for one in self.stated[number]:
            asked[canonicalize_name(one.name)] |= frozenset(map(canonicalize_name, one.extras))
        for pin in pins.values():
            for name, extras in self._edges_of(pin, environment)[2]:
                asked[name] |= extras
        return asked

    def _edges_of(self, pin: Pin, environment: Environment) -> Edges:
        key = pin.file.sha256 if pin.file else str(pin)
        if key not in self.edges:
            self.edges[key] = _edges(pin, environment)
        return self.edges[key]

    def attempt(self, step: Step, pool: ThreadPoolExecutor) -> bool:
        """Take a step if everyone can follow, in the way that saves most."""
        best: tuple[int, Changes, dict[int, Version]] = (self.least - 1, {}, {})
        tried = set()
        for order in self._orders(step):
            ways = {number: tuple(self.admissible(number, step, order))[:TARGETS] for number in step.users}
            key = tuple(sorted(ways.items()))
            if key in tried or not all(ways.values()):
                continue
            tried.add(key)
            if found := self._followed(step, ways, pool):
                saved = self.saving(found[0])
                if saved > best[0]:
                    best = (saved, *found)
        if best[1]:
            self.take(best[1], step, best[2])
        return bool(best[1])

    def _orders(self, step: Step) -> tuple[list[Version], list[Version]]:
        """The other versions of a package: those that most hold first, and the newest first."""
        popular = self.alternatives(step)
        return popular, sorted(popular, reverse=True)

    def alternatives(self, step: Step) -> list[Version]:
        """The other versions of a package, those that most hold first."""
        held = {version: len(users) for version, users in self.versions()[step.package].items()}
        del held[step.version]
        return sorted(sorted(held, reverse=True), key=lambda version: -held[version])

    def admissible(self, number: int, step: Step, versions: Iterable[Version]) -> Iterator[Version]:
        """The versions that nothing known speaks against, before anybody is asked."""
        question = self.movable[number].question
        stated = self.stated[number]
        demands = [one for one in stated if canonicalize_name(one.name) == step.package]
        firm = {canonicalize_name(one.name) for one in stated if any("==" in part.operator for part in one.specifier)}
        for pin in self.locks[number].pins:
            if pin.name in firm or (self.mode is Align.SAFE and pin.name in self.named[number]):
                demands += [one for one in pin.requires or () if canonicalize_name(one.name) == step.package]
        demands = [one for one in demands if holds(one.marker, question.environment)]
        for version in versions:
            pin = self.pins[self._donor(step.package, version)][step.package]
            if (number, step.package, version) in self.refused:
                continue
            if all(one.specifier.contains(version, prereleases=True) for one in demands) and self._within(number, pin):
                yield version

    def _within(self, number: int, pin: Pin) -> bool:
        """Whether a pin is not below what the mode allows: down to what others hold, if at all, or a year back."""
        own = self.own[number].get(pin.name)
        if own is None or pin.version >= own.version:
            return True
        if self.mode is Align.DEEP and (pin.name, pin.version) in self.held:
            return True
        if pin.name in self.named[number] or not own.file or not pin.file:
            return False
        was, now = own.file.upload_time, pin.file.upload_time
        return was is not None and now is not None and was - now <= OLDEST

    def _lockstep(self, number: int, package: NormalizedName) -> set[NormalizedName]:
        """The packages that are released for one version of another alone, which cannot but move with it."""
        return {
            pin.name
            for pin in self.own[number].values()
            for one in pin.requires or ()
            if canonicalize_name(one.name) == package and any(part.operator == "==" for part in one.specifier)
        }

    def _donor(self, package: NormalizedName, version: Version) -> int:
        """Who holds this version, with most of what others hold too."""
        holders = [n for n, pins in enumerate(self.pins) if package in pins and pins[package].version == version]
        return max(holders, key=lambda n: (sum(self.users[sha256] for sha256 in self._files(self.locks[n])), n))

    def _followed(
        self, step: Step, ways: Mapping[int, Sequence[Version]], pool: ThreadPoolExecutor
    ) -> tuple[Changes, dict[int, Version]] | None:
        """New locks for all users of a step, None if one of them cannot follow. The likeliest not to go first."""
        changes: Changes = {}
        targets: dict[int, Version] = {}
        order = sorted(ways, key=lambda number: (len(ways[number]), -len(self.pins[number]), number))
        for start in range(0, len(order), PARALLEL):
            some = order[start : start + PARALLEL]
            for number, found in zip(some, pool.map(lambda n: self._moved(n, step, ways[n]), some), strict=True):
                if found is None:
                    return None
                changes[number], targets[number] = found
        return changes, targets

    def _moved(self, number: int, step: Step, ways: Sequence[Version]) -> tuple[Lock, Version] | None:
        """The lock of one project with the first version that it resolves with and keeps within bounds."""
        for version in ways:
            lock = self.resolved(number, step.package, version)
            together = self._lockstep(number, step.package)
            within = lock is not None and all(pin.name in together or self._within(number, pin) for pin in lock.pins)
            if lock and within and not self.worse(self.movable[number].lock, lock):
                return lock, version
            self.refused.add((number, step.package, version))
        return None

    def resolved(
        self, number: int, package: NormalizedName, version: Version, requirements: tuple[str, ...] = ()
    ) -> Lock | None:
        """What a project resolves to with this version, close to who holds it already; None if it does not."""
        lock, question = self.locks[number], self.movable[number].question
        donor = self._donor(package, version)
        near = self.closure(donor, package)
        preferred = {name: self.pins[donor][name].version for name in near}
        preferred |= {pin.name: pin.version for pin in lock.pins if pin.name not in near}
        answer = self.resolver.resolve(
            replace(
                question,
                requirements=requirements or question.requirements,
                constraints=(*question.constraints, f"{package}=={version}"),
                preferences=tuple(f"{name}=={preferred[name]}" for name in sorted(preferred)),
            )
        )
        if not isinstance(answer, Resolved) or set(answer.warnings) - set(lock.warnings):
            return None
        return replace(lock, pins=tuple(self._known(pin) for pin in answer.pins))

    def _known(self, pin: Pin) -> Pin:
        """The pin with what is known of its file already."""
        return self.wheels.get(pin.file.sha256, pin) if pin.file else pin


def aligned(fleet: Fleet) -> None:
    """Take step after step, the heaviest first, until none saves anything."""
    failed: set[tuple[NormalizedName, Version, tuple[int, ...]]] = set()
    with ThreadPoolExecutor(PARALLEL) as pool:
        progress = True
        while progress:
            progress = False
            for step in fleet.steps():
                key = (step.package, step.version, step.users)
                if key in failed:
                    continue
                if fleet.attempt(step, pool):
                    progress = True
                    break
                failed.add(key)


def _edges(pin: Pin, environment: Environment) -> Edges:
    """What a package needs: at any rate, and what else with extras, which it may in turn ask others for."""
    plain: list[NormalizedName] = []
    with_extras: list[Requirement] = []
    asking: list[tuple[NormalizedName, frozenset[str]]] = []
    for one in pin.requires or ():
        if one.extras:
            asking.append((canonicalize_name(one.name), frozenset(map(canonicalize_name, one.extras))))
        if holds(one.marker, environment):
            plain.append(canonicalize_name(one.name))
        elif "extra" in str(one.marker):
            with_extras.append(one)
    return tuple(plain), tuple(with_extras), tuple(asking)
