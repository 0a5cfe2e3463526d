"""Sets of requirements that cannot stand together."""

from __future__ import annotations

from dataclasses import dataclass

from packaging.utils import NormalizedName

from depdoctor.model.finding import Cause
from depdoctor.model.target import Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A minimal conflicting set: taken together its causes have no resolution, and any one left out they have.

    `causes` hold one requirement line each, with the chain that carries it to `subject`, the package whose versions
    clash. `others` are the same lines in other projects, for which the same holds. `projects` are those of both.
    `proof` is the resolver's own explanation of this very set, "" where the lines alone prove it.
    """

    subject: NormalizedName
    projects: tuple[str, ...]
    causes: tuple[Cause, ...]
    environment: Environment
    others: tuple[Cause, ...] = ()
    proof: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflicts:
    """What the search found: conflicts, and why it could not look further where it could not."""

    conflicts: tuple[Conflict, ...] = ()
    incomplete: tuple[str, ...] = ()
