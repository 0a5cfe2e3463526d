"""What each project demands of an environment: its requirement lines that hold there, as texts that can be compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce

from packaging.markers import Marker
from packaging.ranges import VersionRange
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from depdoctor.model.finding import Kind
from depdoctor.model.inventory import Entry
from depdoctor.model.lock import Lock, LockOutcome, Unresolvable
from depdoctor.model.project import DEFAULT_GROUP, DeclaredRequirement, IndexOptions, Location
from depdoctor.model.target import Environment


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
        return SpecifierSet(self.specifier).contains(version, prereleases=True)

    @property
    def names_prerelease(self) -> bool:
        """Whether it lets pre-releases of its package in, which a resolver otherwise leaves out."""
        return bool(SpecifierSet(self.specifier).prereleases)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an element stands, as the user wrote it."""

    location: Location
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What one project demands of one environment. `lock` is None where it has none there.

    `self_conflicting`: the resolver says that its own requirements have no resolution.
    """

    project: str
    environment: Environment
    places: Mapping[Element, tuple[Place, ...]]
    indexes: IndexOptions
    lock: Lock | None = None
    self_conflicting: bool = False

    @property
    def elements(self) -> frozenset[Element]:
        """The requirements and constraints."""
        return frozenset(self.places)


def demand(entry: Entry, environment: Environment, indexes: IndexOptions) -> Demand:
    """What a project demands of an environment: its declared requirements, the pins of its lock if it has only that.

    Lines that name no version by index (a URL, a path) are left out: that can hide a conflict, never make one up.
    """
    outcome = next((known for known in entry.outcomes if known.environment == environment), None)
    lock = outcome if isinstance(outcome, Lock) else None
    groups = {DEFAULT_GROUP, *(lock.groups if lock else ())}
    places: dict[Element, list[Place]] = {}
    for manifest in entry.reading.manifests:
        for lines, constraint in ((manifest.requirements, False), (manifest.constraints, True)):
            for line in lines:
                if line.group in groups and _applies(line, environment):
                    places.setdefault(_element(line, constraint=constraint), []).append(
                        Place(location=line.location, text=line.text)
                    )
    if lock and not any(not element.constraint for element in places):
        places.update(_pinned(lock, entry))
    return Demand(
        project=entry.project.name,
        environment=environment,
        places={element: tuple(places[element]) for element in sorted(places)},
        indexes=reduce(IndexOptions.joined, (manifest.indexes for manifest in entry.reading.manifests), indexes),
        lock=lock,
        self_conflicting=_is_self_conflicting(outcome),
    )


def _is_self_conflicting(outcome: LockOutcome | None) -> bool:
    return isinstance(outcome, Unresolvable) and outcome.reason.kind in {Kind.VERSION_CONFLICT, Kind.SELF_CONFLICT}


def _element(line: DeclaredRequirement, *, constraint: bool) -> Element:
    return Element(
        name=line.name,
        extras=tuple(sorted(canonicalize_name(extra) for extra in line.requirement.extras)),
        specifier=str(line.requirement.specifier),
        constraint=constraint,
    )


def _applies(line: DeclaredRequirement, environment: Environment) -> bool:
    if line.requirement.url or line.editable:
        return False
    return holds(line.requirement.marker, environment, (line.group,))


def holds(marker: Marker | None, environment: Environment, extras: Iterable[str] = ("",)) -> bool:
    """Whether a marker holds in an environment for any of these extras ("" for none)."""
    if marker is None:
        return True
    variables = environment.markers()
    return any(marker.evaluate({**variables, "extra": extra}) for extra in extras)


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
