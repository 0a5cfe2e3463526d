"""What a fleet of projects could move to: the versions, the edits that say so, and what stands in the way."""

from __future__ import annotations

from packaging.utils import NormalizedName
from packaging.version import Version

from depdoctor.model.conflict import Edit
from depdoctor.model.finding import Finding
from depdoctor.model.noun import dataclass
from depdoctor.model.project import Location


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Span:
    """Versions that an advisory is about: from `first` on (None: from the very first), up to an end or for ever.

    `fixed` is the first version after it, `last` the last one of it; at most one of both is there.
    """

    first: Version | None = None
    fixed: Version | None = None
    last: Version | None = None

    def holds(self, version: Version) -> bool:
        """Whether a version lies in it."""
        if self.first is not None and version < self.first:
            return False
        if self.fixed is not None:
            return version < self.fixed
        return self.last is None or version <= self.last


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Advisory:
    """A known flaw of a package: in which versions, and where that is said (the file, as it was named)."""

    id: str
    name: NormalizedName
    source: str
    aliases: tuple[str, ...] = ()
    summary: str = ""
    spans: tuple[Span, ...] = ()
    versions: tuple[Version, ...] = ()

    def affects(self, version: Version) -> bool:
        """Whether a version has the flaw; what was built from it (a local version) has what it has."""
        public = Version(version.public)
        return public in self.versions or any(span.holds(public) for span in self.spans)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A package that does not get the newest release in some projects, and why. Each proposal may have some."""

    projects: tuple[str, ...]
    newest: Version
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """One package that moves: in which projects, from which version to which, and the lines to change for it.

    `fixes` are the advisories about the version before that are not about the one after, `open` those that are about
    the one after. `by_hand` are lines that must change, too, and that nothing but a person can: place and new text.
    """

    name: NormalizedName
    after: Version
    before: tuple[tuple[str, Version], ...]
    """Each project with the version that it has now."""
    edits: tuple[Edit, ...] = ()
    by_hand: tuple[Edit, ...] = ()
    fixes: tuple[Advisory, ...] = ()
    open: tuple[Advisory, ...] = ()

    @property
    def projects(self) -> tuple[str, ...]:
        """The projects in which it moves."""
        return tuple(project for project, _ in self.before)


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """A lockfile that must be made anew, and the command that does it in its folder; `names` are what it moves."""

    lockfile: Location
    command: str
    names: tuple[NormalizedName, ...]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Unmoved:
    """A line that holds something at a version and that was not looked at, and why; the first of `count` such lines."""

    location: Location
    text: str
    reason: str
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """An installed version with a known flaw that stays, and why."""

    project: str
    name: NormalizedName
    version: Version
    advisories: tuple[Advisory, ...]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """All that is proposed. `before` and `after` are the findings of the fleet, bytes the distinct ones of its wheels.

    `left` are projects that are left out, and why; `verified` are those of which a resolver has shown that what is
    proposed stands. `advised` tells whether there was anything to know flaws from. `unmoved` are lines that hold
    versions which this command does not move.
    """

    proposals: tuple[Proposal, ...]
    held: tuple[tuple[NormalizedName, Held], ...] = ()
    renewals: tuple[Renewal, ...] = ()
    exposed: tuple[Exposure, ...] = ()
    unmoved: tuple[Unmoved, ...] = ()
    left: tuple[tuple[str, str], ...] = ()
    verified: tuple[str, ...] = ()
    before: tuple[Finding, ...] = ()
    after: tuple[Finding, ...] = ()
    before_bytes: int = 0
    after_bytes: int = 0
    advised: bool = False
