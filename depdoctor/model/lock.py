"""What a resolver is asked, what it may answer, and the locks that come of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum

from packaging.requirements import Requirement
from packaging.utils import NormalizedName
from packaging.version import Version

from depdoctor.model.distribution import Pin
from depdoctor.model.finding import Kind
from depdoctor.model.noun import dataclass
from depdoctor.model.project import IndexOptions, Location
from depdoctor.model.target import Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question to a resolver. Requirements and constraints are PEP 508 texts, sorted, without duplicates.

    `exclude_newer` fixes the universe: every question of one scan sees the index as of the same moment. Of a package
    that has a file with one of `hashes` ("sha256:..."), only such files are taken. `preferences` are pins
    ("name==version") that are taken wherever nothing speaks against them; they make nothing impossible. `provided` is
    there already and asks for nothing: pinned packages, or names of packages of which any version will do.
    """

    requirements: tuple[str, ...]
    constraints: tuple[str, ...] = ()
    environment: Environment
    indexes: IndexOptions = field(default_factory=IndexOptions)
    exclude_newer: datetime
    builds_allowed: bool = False
    with_dependencies: bool = True
    hashes: tuple[str, ...] = ()
    preferences: tuple[str, ...] = ()
    provided: tuple[str, ...] = ()


class Why(StrEnum):
    """Why an answer is not known."""

    OFFLINE = "offline"
    UNREACHABLE = "unreachable"
    NEEDS_BUILD = "needs-build"
    BUDGET = "budget"
    NOT_UNDERSTOOD = "not-understood"


PASSING = frozenset({Why.OFFLINE, Why.UNREACHABLE, Why.BUDGET})
"""Why something is not known now that may be another time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """No answer, with the reason. Never to be shown as a conflict.

    `known` is what resolves once the packages that cannot be looked into are left out: most likely what would be
    installed of the others, good enough to warn by, never to install.
    """

    why: Why
    detail: str
    known: tuple[Pin, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """A resolution: every package with its file, and what the resolver warned of.

    It is not `dated` where an index did not say when its files were uploaded: there they are taken as they are now.
    `missing` tells which additional indexes could not be asked: another time it may be a different resolution.
    """

    pins: tuple[Pin, ...]
    warnings: tuple[str, ...] = ()
    dated: bool = True
    missing: tuple[str, ...] = ()

    @property
    def versions(self) -> Mapping[NormalizedName, Version]:
        """The version chosen for each package."""
        return {pin.name: pin.version for pin in self.pins}


@dataclass(frozen=True, slots=True, kw_only=True)
class Impossible:
    """Proof by the resolver that no resolution exists: its kind, the packages it blames, and its own words.

    `summary` is the reason in one sentence, "" where `message` is one.

    `blamed` is a hint (read off unstable text), roots first; verify before it is shown. `steps` are hints of that sort
    too: what its proof says depends on what, as pairs of PEP 508 texts, each two packages once. `dated` is as in
    `Resolved`. Where a single line of a file is to blame, `location` and `line` are its place and text, `message` says
    all there is to say, and `hint` what to do.
    """

    kind: Kind
    message: str
    blamed: tuple[NormalizedName, ...] = ()
    steps: tuple[tuple[str, str], ...] = ()
    dated: bool = True
    location: Location | None = None
    line: str = ""
    hint: str = ""
    summary: str = ""
    lacking: tuple[NormalizedName, ...] = ()
    """Packages that are not there, or in no version that is asked for, where that is the reason."""


Answer = Resolved | Impossible | Unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseContents:
    """What the image that a project stands on brings: pinned packages, or names where nobody says which version.

    `besides` are names of what is there as well, which gives way to a version that the project itself asks for.
    `location` is where the project names the image, None where the configuration does.
    """

    reference: str
    packages: tuple[Requirement, ...]
    besides: tuple[NormalizedName, ...] = ()
    location: Location | None = None

    def __str__(self) -> str:
        return f"{self.reference} ({self.location})" if self.location else self.reference


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Overlap:
    """Two packages of a lock whose wheels install the same files of code unlike: how many, and one of them."""

    packages: tuple[NormalizedName, ...]
    files: int
    example: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A project's pins for one environment. `origin` is the lockfile they were taken from, None if resolved now.

    `missing` tells what the project needs besides and no index serves, or could not be read: place and reason. An image
    of a lock that misses something is not the project. `dated` is as in `Resolved`.
    `base` is the image whose packages (`provided`) are taken as they are there, "" where that is none. `variant` is
    "cpu" for builds without CUDA in place of those that the project names, else "".
    """

    project: str
    environment: Environment
    groups: tuple[str, ...] = ()
    variant: str = ""
    pins: tuple[Pin, ...]
    origin: Location | None = None
    warnings: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    dated: bool = True
    base: str = ""
    provided: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    """Constraints from what conda installs first, which the lock was held to."""
    overlaps: tuple[Overlap, ...] = ()
    """The packages that install the same files with other content, as far as their file lists are known."""

    @property
    def by_name(self) -> Mapping[NormalizedName, Pin]:
        """The pins by normalized name."""
        return {pin.name: pin for pin in self.pins}


@dataclass(frozen=True, slots=True, kw_only=True)
class Unresolvable:
    """A project that has no resolution in one environment, and the resolver's reason."""

    project: str
    environment: Environment
    reason: Impossible


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredOnly:
    """A project known only by what it declares, because its lock could not be had."""

    project: str
    environment: Environment
    reason: Unknown


LockOutcome = Lock | Unresolvable | DeclaredOnly
