"""A small world of packages, with an oracle that tries every combination and knows nothing of resolvers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from itertools import combinations, product
from pathlib import Path
from zipfile import ZipFile

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from depdoctor.model.distribution import Pin
from depdoctor.model.finding import Kind
from depdoctor.model.inventory import Entry, Inventory, SharedEnvironment
from depdoctor.model.lock import Answer, Impossible, Lock, LockOutcome, Question, Resolved, Unresolvable
from depdoctor.model.project import DeclaredRequirement, IndexOptions, Location, Manifest, Project
from depdoctor.model.reading import Reading
from depdoctor.model.target import Environment, Platform

HERE = Environment(python="3.11", platform=Platform())
TODAY = datetime(2026, 11, 22, tzinfo=UTC)

Releases = Mapping[str, Mapping[str, Sequence[str]]]
"""For each package its versions, and for each of those what it requires."""


@dataclass
class Universe:
    """Packages and an oracle about them. `hints` are blamed in every refusal, rightly or not."""

    releases: Releases
    hints: tuple[str, ...] = ()
    asked: list[Question] = field(default_factory=list)

    @cached_property
    def environments(self) -> list[dict[str, Version]]:
        """Every set of installed versions that meet all that is required there; fewest and newest first."""
        names = sorted(self.releases)
        choices = [[None, *sorted(self.releases[name], key=Version, reverse=True)] for name in names]
        found = []
        for chosen in product(*choices):
            installed = {name: version for name, version in zip(names, chosen, strict=True) if version is not None}
            versions = {name: Version(version) for name, version in installed.items()}
            if all(met(text, versions) for name, version in installed.items() for text in self.releases[name][version]):
                found.append(versions)
        return found

    def stands(self, requirements: Sequence[str], constraints: Sequence[str] = ()) -> dict[str, Version] | None:
        """The first environment that meets all, if there is one."""
        for versions in self.environments:
            if all(met(text, versions) for text in requirements) and all(
                Requirement(text).name not in versions or met(text, versions) for text in constraints
            ):
                return versions
        return None

    def resolve(self, question: Question) -> Answer:
        """As a resolver answers."""
        self.asked.append(question)
        versions = self.stands(question.requirements, question.constraints)
        if versions is None:
            return Impossible(
                kind=Kind.VERSION_CONFLICT,
                message=" and ".join(question.requirements + question.constraints),
                blamed=tuple(map(canonicalize_name, self.hints)),
            )
        needed = closure(self.releases, versions, [Requirement(text).name for text in question.requirements])
        return Resolved(pins=tuple(self.pin(name, versions[name]) for name in sorted(needed)))

    ask = resolve

    def pin(self, name: str, version: Version) -> Pin:
        """A release as a lock holds it."""
        requires = tuple(map(Requirement, self.releases[name][str(version)]))
        return Pin(name=canonicalize_name(name), version=version, file=None, requires=requires)

    def outcome(self, project: str, lines: Sequence[str]) -> LockOutcome:
        """The outcome of locking one project."""
        answer = self.resolve(Question(requirements=tuple(sorted(set(lines))), environment=HERE, exclude_newer=TODAY))
        self.asked.clear()
        if isinstance(answer, Resolved):
            return Lock(project=project, environment=HERE, pins=answer.pins)
        assert isinstance(answer, Impossible)
        return Unresolvable(project=project, environment=HERE, reason=answer)

    def inventory(self, projects: Mapping[str, Sequence[str]], shared: Sequence[str] = ()) -> Inventory:
        """What a scan would know of these projects, a requirement per line."""
        entries = tuple(
            Entry(reading=reading(name, lines), outcomes=(self.outcome(name, lines),))
            for name, lines in sorted(projects.items())
        )
        environments = (SharedEnvironment(name="shared", projects=tuple(shared)),) if shared else ()
        return Inventory(root=".", entries=entries, targets=(), shared=environments, index_date=TODAY)

    def minimal(self, lines: Sequence[str]) -> set[frozenset[str]]:
        """Every minimal subset of lines that cannot stand, by trying all."""
        found: set[frozenset[str]] = set()
        for size in range(1, len(set(lines)) + 1):
            for subset in map(frozenset, combinations(sorted(set(lines)), size)):
                if not any(smaller <= subset for smaller in found) and self.stands(sorted(subset)) is None:
                    found.add(subset)
        return found


@dataclass
class Worlds:
    """An index that serves each Python something else."""

    by_python: Mapping[str, Universe]
    asked: list[Question] = field(default_factory=list)

    def resolve(self, question: Question) -> Answer:
        """As a resolver answers."""
        self.asked.append(question)
        return self.by_python[question.environment.python].resolve(question)

    ask = resolve

    def inventory(self, projects: Mapping[str, tuple[str, Sequence[str]]], shared: Sequence[str] = ()) -> Inventory:
        """What a scan would know of projects by name, each with its Python and its lines."""
        entries = []
        for name, (python, lines) in sorted(projects.items()):
            outcome = replace(self.by_python[python].outcome(name, lines), environment=replace(HERE, python=python))
            entries.append(Entry(reading=reading(name, lines), outcomes=(outcome,)))
        environments = (SharedEnvironment(name="shared", projects=tuple(shared)),) if shared else ()
        return Inventory(root=".", entries=tuple(entries), targets=(), shared=environments, index_date=TODAY)


def met(text: str, versions: Mapping[str, Version]) -> bool:
    """Whether a requirement is met by what is installed."""
    requirement = Requirement(text)
    return requirement.name in versions and requirement.specifier.contains(versions[requirement.name])


def write_wheels(releases: Releases, folder: Path) -> IndexOptions:
    """Every release as a wheel that holds nothing but its metadata, and the options that make a resolver look there."""
    for name, versions in releases.items():
        for version, requires in versions.items():
            info = f"{name}-{version}.dist-info"
            metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
            metadata += [f"Requires-Dist: {text}" for text in requires]
            with ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
                wheel.writestr(f"{info}/METADATA", "\n".join(metadata) + "\n")
                wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
                wheel.writestr(f"{info}/RECORD", "")
    return IndexOptions(find_links=(str(folder),), no_index=True)


def closure(releases: Releases, versions: Mapping[str, Version], roots: Sequence[str]) -> set[str]:
    """The packages that these need, themselves included."""
    needed: set[str] = set()
    todo = list(roots)
    while todo:
        name = todo.pop()
        if name not in needed:
            needed.add(name)
            todo += [Requirement(text).name for text in releases[name][str(versions[name])]]
    return needed


def reading(name: str, lines: Sequence[str]) -> Reading:
    """A project with a requirements file of these lines."""
    path = f"{name}/requirements.txt"
    declared = tuple(
        DeclaredRequirement(requirement=Requirement(text), location=Location(path=path, line=number), text=text)
        for number, text in enumerate(lines, start=1)
    )
    project = Project(name=name, root=name, manifests=(path,))
    return Reading(project=project, manifests=(Manifest(path=path, format="requirements.txt", requirements=declared),))
