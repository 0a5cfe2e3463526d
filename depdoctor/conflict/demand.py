"""What each project demands of an environment: its requirement lines that hold there, as texts that can be compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum, auto
from functools import lru_cache, reduce

from packaging.ranges import VersionRange
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from depdoctor.model.finding import Kind
from depdoctor.model.graph import holds
from depdoctor.model.inventory import Entry, Inventory
from depdoctor.model.lock import DeclaredOnly, Lock, LockOutcome, Unresolvable, Why
from depdoctor.model.noun import dataclass
from depdoctor.model.project import DEFAULT_GROUP, DeclaredRequirement, IndexOptions, Location, tied_to
from depdoctor.model.target import Environment


class State(Enum):
    """What is known of a project alone: it stands, clashes with itself, stands if a build brings what it must."""

    STANDS = auto()
    CLASHES = auto()
    NEEDS_BUILD = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Element:
    """A requirement without its marker and its place: what two projects may have in common.

    `constraint` ones bear on a version only where something else requires the package.
    """

    name: NormalizedName
    extras: tuple[str, ...] = ()
    specifier: str = ""
    constraint: bool = False

    @property
    def text(self) -> str:
        """The requirement as a resolver is asked (PEP 508)."""
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        return f"{self.name}{extras}{self.specifier}"

    @property
    def range(self) -> VersionRange | None:
        """The versions allowed; None for `===`, which compares texts."""
        specifiers = SpecifierSet(self.specifier)
        return None if "===" in self.specifier else specifiers.to_range()

    def admits(self, version: Version) -> bool:
        """Whether a version satisfies it, pre-releases included."""
        return _admits(self.specifier, version)


@lru_cache(maxsize=1 << 16)
def _admits(specifier: str, version: Version) -> bool:
    """What a fleet asks of the same few versions again and again."""
    return SpecifierSet(specifier).contains(version, prereleases=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an element stands, as the user wrote it."""

    location: Location
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What one project demands of one environment. `lock` is None where it has none there."""

    project: str
    environment: Environment
    places: Mapping[Element, tuple[Place, ...]]
    indexes: IndexOptions
    lock: Lock | None = None
    state: State = State.UNKNOWN

    @property
    def elements(self) -> frozenset[Element]:
        """The requirements and constraints."""
        return frozenset(self.places)


def demands_of(inventory: Inventory, environment: Environment, indexes: IndexOptions) -> tuple[Demand, ...]:
    """What each project demands of an environment, those left out that are only meant for others."""
    return tuple(
        demand(entry, environment, indexes)
        for entry in inventory.entries
        if not entry.outcomes or any(outcome.environment == environment for outcome in entry.outcomes)
    )


def demand(entry: Entry, environment: Environment, indexes: IndexOptions) -> Demand:
    """What a project demands of an environment: its declared requirements, the pins of its lock if it has only that.

    Lines that name no version by index (a URL, a path) are left out: that can hide a conflict, never make one up.
    """
    outcome = next((known for known in entry.outcomes if known.environment == environment), None)
    lock = outcome if isinstance(outcome, Lock) else None
    groups = lock.groups if lock else ()
    own = {canonicalize_name(manifest.name) for manifest in entry.reading.manifests if manifest.name}
    lines = [
        (line, constraint)
        for manifest in entry.reading.manifests
        for some, constraint in ((manifest.requirements, False), (manifest.constraints, True))
        for line in some
        if (line.group in (DEFAULT_GROUP, *groups) or line.group.partition(":")[2] in groups)
        and line.name not in own
        and not line.requirement.url
        and holds(line.requirement.marker, environment)
    ]
    places: dict[Element, list[Place]] = {}
    for line, constraint in lines:
        place = Place(location=line.location, text=line.text)
        places.setdefault(_element(line, constraint=constraint), []).append(place)
    if lock and lock.origin and not any(True for _ in entry.requirements()):
        places.update(_pinned(lock, entry))
    tied = tied_to(line for line, _ in lines)
    named = (*(manifest.options for manifest in entry.reading.manifests), tied)
    return Demand(
        project=entry.project.name,
        environment=environment,
        places={element: tuple(places[element]) for element in sorted(places)},
        indexes=reduce(IndexOptions.joined, named, indexes),
        lock=lock,
        state=_state(outcome),
    )


def _state(outcome: LockOutcome | None) -> State:
    if isinstance(outcome, Lock):
        return State.STANDS
    if isinstance(outcome, Unresolvable) and outcome.reason.kind in {Kind.VERSION_CONFLICT, Kind.SELF_CONFLICT}:
        return State.CLASHES
    if isinstance(outcome, DeclaredOnly) and outcome.reason.why is Why.NEEDS_BUILD:
        return State.NEEDS_BUILD
    return State.UNKNOWN


def _element(line: DeclaredRequirement, *, constraint: bool) -> Element:
    return Element(
        name=line.name,
        extras=tuple(sorted(canonicalize_name(extra) for extra in line.requirement.extras)),
        specifier=str(line.requirement.specifier),
        constraint=constraint,
    )


def _pinned(lock: Lock, entry: Entry) -> Iterator[tuple[Element, list[Place]]]:
    path = lock.origin.path if lock.origin else ""
    lines = {
        (package.name, package.version): package.line
        for manifest in entry.reading.manifests
        if manifest.path == path
        for package in manifest.packages
    }
    for pin in lock.pins:
        if not pin.source:
            location = Location(path=path, line=lines.get((pin.name, pin.version), 0))
            yield Element(name=pin.name, specifier=f"=={pin.version}"), [Place(location=location, text=str(pin))]
