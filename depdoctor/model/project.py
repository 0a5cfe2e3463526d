"""What a user wrote: projects, their manifests, and the requirements in them, each with its place."""

from __future__ import annotations

from dataclasses import dataclass, field

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name

from depdoctor.model.distribution import LockedPackage

DEFAULT_GROUP = ""
"""The group of what a project needs to run."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Location:
    """A place in a file: POSIX path relative to the scan root, and a 1-based line (0: the file as a whole)."""

    path: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.path}:{self.line}" if self.line else self.path


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Project:
    """A folder that is one project.

    `name` is its identity: the POSIX path relative to the scan root, and for the root itself its folder's name.
    `root` is that path too, but "." for the scan root. `manifests` are paths relative to the scan root.
    """

    name: str
    root: str
    manifests: tuple[str, ...]
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredRequirement:
    """One requirement as a manifest states it. Treat `requirement` as read-only: `packaging` lets it be assigned to."""

    requirement: Requirement
    location: Location
    text: str
    group: str = DEFAULT_GROUP
    hashes: tuple[str, ...] = ()
    editable: bool = False

    @property
    def name(self) -> NormalizedName:
        """The normalized name of the distribution that is required."""
        return canonicalize_name(self.requirement.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexOptions:
    """Where distributions come from, as a manifest or the configuration says. Addresses never hold credentials."""

    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    no_index: bool = False
    no_binary: tuple[str, ...] = ()
    only_binary: tuple[str, ...] = ()
    prerelease: bool = False

    def joined(self, other: IndexOptions) -> IndexOptions:
        """These options and the other's; the other's index address wins, since it is the nearer one."""
        return IndexOptions(
            index_url=other.index_url or self.index_url,
            extra_index_urls=tuple(dict.fromkeys(self.extra_index_urls + other.extra_index_urls)),
            find_links=tuple(dict.fromkeys(self.find_links + other.find_links)),
            no_index=self.no_index or other.no_index,
            no_binary=tuple(dict.fromkeys(self.no_binary + other.no_binary)),
            only_binary=tuple(dict.fromkeys(self.only_binary + other.only_binary)),
            prerelease=self.prerelease or other.prerelease,
        )


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Include:
    """Another file that a manifest draws in: `role` is "requirements" (-r) or "constraints" (-c)."""

    path: str
    role: str
    location: Location


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Problem:
    """A piece of a manifest that could not be understood or used; the rest of the manifest stands."""

    location: Location
    reason: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One file as it was read. Lockfiles fill `packages`, all others `requirements`; both may be empty."""

    path: str
    format: str
    requires_python: SpecifierSet | None = None
    requirements: tuple[DeclaredRequirement, ...] = ()
    constraints: tuple[DeclaredRequirement, ...] = ()
    packages: tuple[LockedPackage, ...] = ()
    indexes: IndexOptions = field(default_factory=IndexOptions)
    includes: tuple[Include, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def is_lock(self) -> bool:
        """Whether this file pins a whole environment."""
        return bool(self.packages)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class UnreadableManifest:
    """A manifest that could not be read at all, and why."""

    path: str
    format: str
    problem: Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """All that was read of one project: its manifests, and the top-level modules its own code imports unguarded."""

    project: Project
    manifests: tuple[Manifest, ...]
    unreadable: tuple[UnreadableManifest, ...] = ()
    imports: tuple[str, ...] = ()
    python: str = ""
    """The Python minor ("3.11") that the project asks for, "" where it names none."""
