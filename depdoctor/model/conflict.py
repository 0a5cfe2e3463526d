"""Sets of requirements that cannot stand together."""

from __future__ import annotations

from packaging.utils import NormalizedName
from packaging.version import Version

from depdoctor.model.distribution import Pin
from depdoctor.model.finding import Cause
from depdoctor.model.noun import dataclass
from depdoctor.model.project import Location
from depdoctor.model.target import Environment


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Edit:
    """What to write on one line of one file instead of what stands there."""

    project: str
    location: Location
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """Edits that together lift a conflict; they were tried.

    With them the lines of the conflict have a resolution, and so has each project that is edited. `name` is then of
    version `selects`.
    """

    edits: tuple[Edit, ...]
    name: NormalizedName
    selects: Version


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A minimal conflicting set: taken together its causes have no resolution, and any one left out they have.

    `causes` hold one requirement line each, with the chain that carries it to `subject`, the package whose versions
    clash. `others` are the same lines in other projects, for which the same holds. `projects` are those of both.
    `proof` is the resolver's own explanation of this very set, "" where the lines alone prove it. `fixes` are ways out,
    the smallest change first; empty where nobody looked, or none was found.
    """

    subject: NormalizedName
    projects: tuple[str, ...]
    causes: tuple[Cause, ...]
    environment: Environment
    others: tuple[Cause, ...] = ()
    fixes: tuple[Fix, ...] = ()
    proof: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart:
    """Why two groups, by their places in a `Grouping`, cannot be one."""

    one: int
    other: int
    conflict: Conflict


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """The cure that edits nothing: groups of projects that were shown to stand together, as few as could be found."""

    environment: Environment
    groups: tuple[tuple[str, ...], ...]
    apart: tuple[Apart, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """A resolution that works by going far back: sharing an environment makes a package of one project much older.

    `alone` is what the project gets by itself, `together` what it gets in the shared environment `shared`. No line of
    the other projects names the package; `named` says whether the project's own lines do. `causes` are the lines that
    hold it back, with the chains that lead to it.
    """

    project: str
    shared: str
    environment: Environment
    alone: Pin
    together: Pin
    named: bool
    causes: tuple[Cause, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflicts:
    """What the search found: conflicts, and why it could not look further where it could not.

    `groupings` are there for the environments in which all could be decided. Of `untried` conflicts no way out was
    looked for, or not to the end. `strangers` are pairs of projects that admit no Python in common.
    """

    conflicts: tuple[Conflict, ...] = ()
    incomplete: tuple[str, ...] = ()
    groupings: tuple[Grouping, ...] = ()
    drifts: tuple[Drift, ...] = ()
    untried: int = 0
    strangers: tuple[tuple[str, ...], ...] = ()
