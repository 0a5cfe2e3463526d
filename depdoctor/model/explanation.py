"""Answers to questions about a fleet: who wants a package, whether two projects can share, what a change would do."""

from __future__ import annotations

from datetime import datetime

from packaging.utils import NormalizedName
from packaging.version import Version

from depdoctor.model.demand import Demand
from depdoctor.model.finding import Cause, Diagnosis
from depdoctor.model.lock import LockOutcome
from depdoctor.model.noun import dataclass
from depdoctor.model.target import Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """What one project has of a package in one environment, and the lines that lead to it.

    `version` is None where the project has no lock; `published` is None where no index told. The last requirement in
    the chain of each cause is what is wanted of the package there. Causes may be none: a lock can hold more than anyone
    asks for.
    """

    project: str
    environment: Environment
    version: Version | None
    published: datetime | None = None
    causes: tuple[Cause, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Who wants a package. `without` are the projects that do not have it, `unknown` those that have no lock."""

    name: NormalizedName
    wants: tuple[Want, ...]
    without: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Move:
    """A package that gets another version: None before where it is new, None after where it goes.

    `published` is when the later version was uploaded, None where no index told.
    """

    name: NormalizedName
    before: Version | None
    after: Version | None
    published: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Whether two projects can share an environment.

    `together` are the outcomes of locking both as one, for each environment that both admit; none where they admit none
    in common. `moves` are what each project would get in another version than alone, by its name. `diagnosis` says what
    stands against it.
    """

    projects: tuple[str, str]
    together: tuple[LockOutcome, ...]
    moves: tuple[tuple[str, tuple[Move, ...]], ...]
    diagnosis: Diagnosis


@dataclass(frozen=True, slots=True, kw_only=True)
class Purpose:
    """A package in an image: its size on disk, and in how many other images the same file is.

    Causes are the lines that lead to it, the shortest chain first; none where a lockfile holds more than is asked for.
    """

    package: NormalizedName
    version: Version
    size_bytes: int
    others: int
    causes: tuple[Cause, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What an image of the plan holds, the heaviest first, or the one package that was asked for."""

    image: str
    project: str
    base: str
    purposes: tuple[Purpose, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Consequence:
    """What a change does to one project in one environment.

    `before` and `after` are the outcomes; `moves` are what gets another version where both are locks.
    """

    project: str
    before: LockOutcome
    after: LockOutcome
    moves: tuple[Move, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """What would be if requirements were other than they are.

    `packages` are those that are named. `changed` are the projects with a line that changes, `held` those that get the
    package by others and are held to what is wanted. `diagnosis` says why what breaks does.
    """

    packages: tuple[NormalizedName, ...]
    changed: tuple[str, ...]
    held: tuple[str, ...]
    consequences: tuple[Consequence, ...]
    diagnosis: Diagnosis


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """The moment at which something went wrong with a project, and what was published then.

    `what` is the code and subject of the finding. `releases` are those of the packages that the project got in another
    version from then on, those published at that moment first.
    """

    what: tuple[str, str]
    moment: datetime
    releases: tuple[Move, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What happened to a project since a date: what moved, what went wrong and by which release.

    `before` are the codes and subjects of what was wrong then already, `unknown` why nothing can be said of that.
    `demands` are what it asks of a machine today.
    """

    project: str
    since: datetime
    moves: tuple[Move, ...]
    breaks: tuple[Break, ...]
    before: tuple[tuple[str, str], ...]
    diagnosis: Diagnosis
    unknown: str = ""
    demands: tuple[Demand, ...] = ()
