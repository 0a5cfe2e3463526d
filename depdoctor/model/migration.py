"""The way out of a shared environment: what each project needs of it, as manifests to add."""

from __future__ import annotations

from packaging.utils import NormalizedName
from packaging.version import Version

from depdoctor.model.noun import dataclass
from depdoctor.model.project import Location


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """A direct requirement of a project: the line to write, and the line or import that it comes from.

    `installed` is the version that stands in the environment, None where there is none. `remark` says what to check by
    hand, "" for nothing.
    """

    name: NormalizedName
    line: str
    location: Location
    imported: bool = False
    installed: Version | None = None
    remark: str = ""


MANIFEST, CONSTRAINTS, PYTHON = "requirements.txt", "constraints.installed.txt", ".python-version"
"""What a project gets: its own requirements, all that these bring along, and its Python where nothing names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A package that a project gets at another version than is installed, "" for one that is not installed."""

    name: NormalizedName
    installed: str
    resolved: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One project. `pins` is all that its needs resolve to ("name==version"); `unknown` says why nobody knows.

    `moved` is what differs from the environment: nothing, if the project gets what it has. `remarks` are to be checked
    by hand. `edits` are lines of the requirements file that stands, by their numbers, and what takes their place, None
    for nothing: all other lines of it stay, and `added` follow them. `python` is the minor to write down for it,
    since its own files name none, "" for none.
    """

    project: str
    root: str
    needs: tuple[Need, ...]
    pins: tuple[str, ...] = ()
    moved: tuple[Moved, ...] = ()
    unknown: str = ""
    remarks: tuple[str, ...] = ()
    edits: tuple[tuple[int, str | None], ...] = ()
    added: tuple[Need, ...] = ()
    python: str = ""
    anew: bool = False
    """The file that stands is a tool's lock: of that only options stay."""
    holds: bool = False
    """The file that stands is a tool's lock of what is installed: it stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contested:
    """A package of which projects ask for versions that exclude the installed one, or one another."""

    name: NormalizedName
    installed: Version | None
    wants: tuple[tuple[str, str, Location], ...]
    """Project, requirement, and where it stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """All projects. `idle` are installed packages that no project needs, known only if every project resolves."""

    source: str
    python: str
    moves: tuple[Move, ...]
    contested: tuple[Contested, ...] = ()
    idle: tuple[str, ...] = ()
    idle_known: bool = True
    tools: tuple[str, ...] = ()
    """What conda was asked for that is no Python package, each as "name version"."""
    remarks: tuple[str, ...] = ()
    """What there is in an environment that was not read."""
