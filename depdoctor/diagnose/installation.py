"""What one environment installs: a project's, or that of projects which share one.

A lock tells all of it. Without one there is only what is declared: exact pins, and what the tables know of the
requirements behind them. Where projects share an environment and nobody locked them together, a package of which they
hold several versions is installed in one of them, and nobody knows in which.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, KeysView, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TypeVar

from packaging.requirements import Requirement
from packaging.utils import InvalidWheelFilename, NormalizedName, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from depdoctor.diagnose import conda
from depdoctor.diagnose.trace import Part, asked_extras
from depdoctor.model.distribution import Pin, WheelCode
from depdoctor.model.finding import Cause
from depdoctor.model.graph import Extras, holds
from depdoctor.model.inventory import Entry, Inventory
from depdoctor.model.lock import Lock, LockOutcome, Overlap
from depdoctor.model.noun import dataclass
from depdoctor.model.project import DEFAULT_GROUP, DeclaredRequirement
from depdoctor.model.target import Environment
from depdoctor.rules import Rules

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package of an installation. `version` is None if unknown; `direct` if a project asks for it itself.

    `least` is the oldest version that it can have where more is not known. `is_wheel` is false for what conda installs.
    `code` is what its wheel was found to hold, None where nobody has looked.
    """

    name: NormalizedName
    version: Version | None
    requires: tuple[Requirement, ...] | None = None
    direct: bool = False
    download_bytes: int = 0
    least: Version | None = None
    is_wheel: bool = True
    code: WheelCode | None = None

    def __str__(self) -> str:
        return f"{self.name} {self.version}" if self.version else self.name


@dataclass(frozen=True, kw_only=True)
class Installation:
    """Everything that one environment installs. `complete` if a lock says so, and not only what is declared.

    `standing` if it was read from an environment, whose files tell what they are.
    """

    name: str
    environment: Environment
    parts: tuple[Part, ...]
    packages: Mapping[NormalizedName, Package]
    complete: bool
    shared: bool = False
    overlaps: tuple[Overlap, ...] = ()
    standing: bool = False

    @cached_property
    def key(self) -> str:
        """What tells installations apart."""
        return f"{self.name}\n{self.environment}\n{self.shared}"

    @cached_property
    def platform(self) -> str:
        """The platform as tables name it, such as linux-x86_64."""
        return f"{self.environment.platform.system}-{self.environment.platform.machine}"

    @cached_property
    def projects(self) -> tuple[str, ...]:
        """The projects that install it."""
        return tuple(sorted(part.project for part in self.parts))

    def version(self, name: str) -> Version | None:
        """The version of a package that is installed and known."""
        package = self.packages.get(canonicalize_name(name))
        return package.version if package else None

    def parents(self, name: NormalizedName) -> tuple[NormalizedName, ...]:
        """The packages here that require a package."""
        found = {parent for part in self.parts for parent in part.parents.get(name, ())}
        return tuple(sorted(found & self.packages.keys()))

    def nearest(self, found: Mapping[NormalizedName, Found]) -> list[Found]:
        """What was found of packages that no other one of them asks for: the rest follows from it."""
        return [each for name, each in found.items() if found.keys().isdisjoint(self.parents(name))]

    def among(self, names: Collection[NormalizedName]) -> list[Package]:
        """Those of its packages that have one of these names, by name."""
        return [self.packages[name] for name in sorted(self.packages.keys() & names)]

    def wheels(self, names: Collection[NormalizedName]) -> list[Package]:
        """Those of its packages that have one of these names and come as a wheel, by name."""
        return [package for package in self.among(names) if package.is_wheel]

    @cached_property
    def extras(self) -> Mapping[NormalizedName, Extras]:
        """The extras that anyone asks for of each package."""
        found: dict[NormalizedName, Extras] = defaultdict(frozenset)
        for part in self.parts:
            for name, extras in asked_extras((one.requirement for one in part.declared), part.lock).items():
                found[name] |= extras
        return found

    def projects_with(self, names: Iterable[str]) -> tuple[str, ...]:
        """The projects whose own share has one of these packages."""
        wanted = {canonicalize_name(name) for name in names}
        return tuple(
            sorted(
                part.project
                for part in self.parts
                if not wanted.isdisjoint(part.lock.by_name) or any(name in wanted for name, _ in part.named)
            )
        )

    def causes(self, *names: str) -> tuple[Cause, ...]:
        """The declared requirements that lead to these packages: those that name them, else the nearest ones."""
        found: dict[Cause, None] = {}
        for name in names:
            for part in self.parts:
                found.update(dict.fromkeys(part.causes(canonicalize_name(name))))
        return tuple(sorted(found))


def installations(inventory: Inventory, rules: Rules) -> tuple[Installation, ...]:
    """Every installation of an inventory, each for the environments it was locked for."""
    parts: dict[tuple[str, Environment], tuple[Part, bool]] = {}
    for entry in inventory.entries:
        for outcome in entry.outcomes:
            parts[entry.project.name, outcome.environment] = _part(entry, outcome, rules)
    alone = [
        Installation(
            name=project,
            environment=environment,
            parts=(part,),
            packages=Packages((part,)),
            complete=complete,
            overlaps=part.lock.overlaps,
        )
        for (project, environment), (part, complete) in parts.items()
    ]
    return (*alone, *_together(inventory, parts))


def _together(
    inventory: Inventory, parts: Mapping[tuple[str, Environment], tuple[Part, bool]]
) -> Iterator[Installation]:
    for shared in inventory.shared:
        for environment in sorted({environment for project, environment in parts if project in shared.projects}):
            members = [parts[name, environment] for name in shared.projects if (name, environment) in parts]
            if len(members) < 2:
                continue
            joint = [o for o in shared.outcomes if isinstance(o, Lock) and o.environment == environment]
            chosen = tuple(part for part, _ in members)
            yield Installation(
                name=shared.name,
                environment=environment,
                parts=chosen,
                packages=_locked(joint[0], chosen) if joint else Packages(chosen),
                complete=bool(joint) or all(complete for _, complete in members),
                shared=True,
                overlaps=joint[0].overlaps if joint else (),
            )


def _part(entry: Entry, outcome: LockOutcome, rules: Rules) -> tuple[Part, bool]:
    groups = {DEFAULT_GROUP, *outcome.groups} if isinstance(outcome, Lock) else {DEFAULT_GROUP}
    declared = tuple(one for one in entry.requirements() if one.group in groups)
    loose: tuple[NormalizedName, ...] = ()
    if isinstance(outcome, Lock):
        lock = outcome
    else:
        lock, loose = _declared_lock(entry, declared, outcome.environment, rules)
    manifests = entry.reading.manifests
    by_conda = tuple(one for one in conda.distributions(entry.reading, rules) if one.group in groups)
    part = Part(
        project=entry.project.name,
        lock=lock,
        declared=(*declared, *by_conda),
        manifest=manifests[0].path if manifests else entry.project.root,
        loose=loose,
        conda=frozenset(one.name for one in by_conda) - {one.name for one in declared},
    )
    return part, isinstance(outcome, Lock)


class Packages(Mapping[NormalizedName, Package]):
    """The packages of an installation by name, each made when it is asked for: rules look at few of them."""

    __slots__ = ("_asked", "_conda", "_made", "_more", "_names", "_pins")

    def __init__(self, parts: Sequence[Part]) -> None:
        self._pins: dict[NormalizedName, Pin] = {}
        self._more: dict[NormalizedName, list[Pin]] = {}
        self._asked: dict[NormalizedName, list[DeclaredRequirement]] = {}
        self._made: dict[NormalizedName, Package] = {}
        for part in parts:
            for pin in part.lock.pins:
                if self._pins.setdefault(pin.name, pin) is not pin:
                    self._more.setdefault(pin.name, []).append(pin)
            for name, one in part.named:
                if holds(one.requirement.marker, part.lock.environment):
                    self._asked.setdefault(name, []).append(one)
        self._conda = frozenset[NormalizedName]().union(*(part.conda for part in parts)) - self._pins.keys()
        self._names = dict.fromkeys((*self._pins, *self._asked, *(name for part in parts for name in part.loose)))

    def __getitem__(self, name: NormalizedName) -> Package:
        if name not in self._made:
            if name not in self._names:
                raise KeyError(name)
            first = (self._pins[name],) if name in self._pins else ()
            made = _package(name, (*first, *self._more.get(name, ())), self._asked.get(name, ()))
            self._made[name] = replace(made, is_wheel=False) if name in self._conda else made
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[NormalizedName]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def keys(self) -> KeysView[NormalizedName]:
        """The names, as a set that is there already."""
        return self._names.keys()


def _package(name: NormalizedName, locked: Sequence[Pin], asked: Sequence[DeclaredRequirement]) -> Package:
    """The package in the one version that its pins agree on, or that one project asks for exactly."""
    pin = locked[0] if locked else None
    if pin is not None and (len(locked) == 1 or all(each.version == pin.version for each in locked)):
        return Package(
            name=name,
            version=pin.version,
            requires=pin.requires,
            direct=bool(asked),
            download_bytes=pin.download_bytes,
            code=pin.code,
        )
    exact = {version for one in asked if (version := exact_version(one.requirement))}
    version = exact.pop() if len(exact) == 1 else None
    chosen = next((each for each in locked if each.version == version), None)
    return Package(
        name=name,
        version=version,
        requires=chosen.requires if chosen else None,
        direct=bool(asked),
        download_bytes=chosen.download_bytes if chosen else 0,
        least=None if version else _least(asked),
        code=chosen.code if chosen else None,
    )


def _least(asked: Iterable[DeclaredRequirement]) -> Version | None:
    bounds = [
        Version(specifier.version.removesuffix(".*"))
        for one in asked
        for specifier in one.requirement.specifier
        if specifier.operator in {">=", ">", "~=", "=="}
    ]
    return max(bounds, default=None)


def _locked(lock: Lock, parts: tuple[Part, ...]) -> dict[NormalizedName, Package]:
    direct = {one.name for part in parts for one in part.declared}
    return {
        pin.name: Package(
            name=pin.name,
            version=pin.version,
            requires=pin.requires,
            direct=pin.name in direct,
            download_bytes=pin.download_bytes,
            code=pin.code,
        )
        for pin in lock.pins
    }


def exact_version(requirement: Requirement) -> Version | None:
    """The one version that a requirement allows: `==` without a wildcard, `===`, or the wheel that it links to.

    `>=` and `<=` of the same version say so too, as jax writes it of its plugins.
    """
    if requirement.url:
        try:
            return parse_wheel_filename(requirement.url.partition("#")[0].rpartition("/")[2].replace("%2B", "+"))[1]
        except (InvalidWheelFilename, InvalidVersion):
            return None
    for specifier in requirement.specifier:
        if specifier.operator in {"==", "==="} and not specifier.version.endswith(".*"):
            try:
                return Version(specifier.version)
            except InvalidVersion:
                return None
    ends = {specifier.operator: specifier.version for specifier in requirement.specifier}
    return Version(ends["<="]) if set(ends) == {">=", "<="} and ends[">="] == ends["<="] else None


def _declared_lock(
    entry: Entry, declared: tuple[DeclaredRequirement, ...], environment: Environment, rules: Rules
) -> tuple[Lock, tuple[NormalizedName, ...]]:
    """What is certain without a resolver: exact pins, and what the tables know that these require exactly."""
    constraints = [
        one for manifest in entry.reading.manifests for one in manifest.constraints if one.group == DEFAULT_GROUP
    ]
    fixed = {
        one.name: version
        for one in (*constraints, *declared)
        if (version := exact_version(one.requirement)) and holds(one.requirement.marker, environment)
    }
    queue = [one.requirement for one in declared if holds(one.requirement.marker, environment)]
    pins: dict[NormalizedName, Pin] = {}
    seen: set[tuple[NormalizedName, Extras]] = set()
    open_names: set[NormalizedName] = set()
    while queue:
        requirement = queue.pop()
        name = canonicalize_name(requirement.name)
        extras = frozenset(canonicalize_name(extra) for extra in requirement.extras)
        version = fixed.get(name) or exact_version(requirement)
        if version is None:
            open_names.add(name)
        if version is None or (name, extras) in seen:
            continue
        seen.add((name, extras))
        edges = known_requirements(name, version, extras, rules)
        pins[name] = Pin(
            name=name,
            version=version,
            file=None,
            requires=(*(pins[name].requires or () if name in pins else ()), *edges),
        )
        queue.extend(edge for edge in edges if holds(edge.marker, environment, extras))
    lock = Lock(project=entry.project.name, environment=environment, pins=tuple(sorted(pins.values(), key=str)))
    return lock, tuple(sorted(open_names - pins.keys()))


def known_requirements(name: NormalizedName, version: Version, extras: Extras, rules: Rules) -> tuple[Requirement, ...]:
    """What the tables know that a release requires, with these extras."""
    public = Version(version.public)
    return tuple(
        requirement
        for row in rules.metadata_by_package.get(name, ())
        if row.first <= public <= row.last and (not row.extra or canonicalize_name(row.extra) in extras)
        for requirement in row.requires
    )
