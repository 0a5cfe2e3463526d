"""What was read of a project: its manifests, what its code imports, how it is served, what it has of other folders."""

from __future__ import annotations

from depdoctor.model.local_package import LocalPackage
from depdoctor.model.noun import dataclass
from depdoctor.model.project import DEFAULT_GROUP, Location, Manifest, Project, UnreadableManifest, Weights


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Import:
    """A module that a project's code imports, by its top-level name, and where it does so first.

    `guarded` imports may fail without harm: under `try`, `TYPE_CHECKING` or another test, or in a function.
    `testing` imports stand in tests, tooling and notebooks, which no image runs. `standard` modules belong to the
    standard library of some versions of Python.
    """

    module: str
    guarded: bool
    testing: bool
    location: Location
    standard: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """How a project is served, as its own files say it.

    `interface` is "command" for a whole command (exec form), else "asgi" or "wsgi" for an application (`module:name`)
    that a server of that interface runs, with the folder of the project that its module is found from, if not the
    project's own. `port` is None and `health` "" where nothing tells.
    """

    interface: str
    command: tuple[str, ...]
    port: int | None = None
    health: str = ""
    location: Location


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalUse:
    """A folder that a project installs by its path, is itself, or imports from around it: which group asks, and where.

    `obstacle` is why a copy of it does not do, as the end of a sentence; "" where it does.
    """

    package: LocalPackage
    location: Location
    group: str = DEFAULT_GROUP
    obstacle: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """All that was read of one project: its manifests, and the top-level modules its own code imports unguarded."""

    project: Project
    manifests: tuple[Manifest, ...]
    unreadable: tuple[UnreadableManifest, ...] = ()
    imports: tuple[str, ...] = ()
    imported: tuple[Import, ...] = ()
    """Every import of a module that is neither of the standard library nor the project's own, each kind once."""
    mentioned: frozenset[str] = frozenset()
    """The first parts of texts in the code that may name modules: "sklearn" for the text "sklearn.svm"."""
    weights: tuple[Weights, ...] = ()
    python: str = ""
    """The Python minor ("3.11") that the project asks for, "" where it names none."""
    serving: Serving | None = None
    local: tuple[LocalUse, ...] = ()
