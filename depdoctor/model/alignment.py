"""Aligning versions across projects: what may move, what did, and what an edit would allow."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from depdoctor.model.noun import dataclass

if TYPE_CHECKING:
    from packaging.utils import NormalizedName

    from depdoctor.model.lock import Lock, Question
    from depdoctor.model.project import DeclaredRequirement, Location


class Align(StrEnum):
    """How far versions may move for the sake of sharing.

    `SAFE` never takes what a project names itself below what it resolves to alone, and other packages at most a year
    back; `DEEP` may go down within what is declared.
    """

    NONE = "none"
    SAFE = "safe"
    DEEP = "deep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Movable:
    """A project's lock as it would be alone, how to ask for it again, and what the project declares.

    `settled` ones stay as they are: they come from a lockfile, or from a committed plan.
    """

    lock: Lock
    question: Question
    declared: tuple[DeclaredRequirement, ...] = ()
    settled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Moved:
    """A package that projects hold in another version than each would alone; "" where they had or have none.

    `saved_bytes` (as downloaded, negative where it costs) is what the fleet no longer needs of the former version, less
    what it newly needs of the latter; the sum over all moves is what alignment saves.
    """

    package: NormalizedName
    before: str
    after: str
    projects: tuple[str, ...]
    reason: str
    saved_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A requirement that stands in the way, and the place where it could be widened."""

    project: str
    requirement: str
    location: Location


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What alignment may not do by itself, verified to resolve: `edits` to make, or none where `deep` would do it."""

    package: NormalizedName
    before: str
    after: str
    projects: tuple[str, ...]
    edits: tuple[Edit, ...]
    saved_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Alignment:
    """The outcome: a lock for each one given, in the same order, what moved, and what else could.

    Bytes are the distinct ones over all locks, as downloaded, before and after.
    """

    locks: tuple[Lock, ...] = ()
    moves: tuple[Moved, ...] = ()
    advice: tuple[Advice, ...] = ()
    before_bytes: int = 0
    after_bytes: int = 0
