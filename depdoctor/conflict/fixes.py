"""Ways out of a conflict that were tried: another version on one of its lines, as near to the old one as can be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import Version

from depdoctor.conflict.asking import Ask
from depdoctor.conflict.demand import Demand, Element, Place
from depdoctor.conflict.drift import AGE
from depdoctor.conflict.nearby import ANYWHERE, admitting, windows
from depdoctor.model.conflict import Conflict, Edit, Fix
from depdoctor.model.lock import Answer, Resolved
from depdoctor.model.noun import dataclass

MOST_FIXES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A line that is to change, in the first project that holds it, and a range to look for another version in.

    `rest` are the other lines of the conflict. With `moving`, lines that pin other packages of the project may change
    as well.
    """

    line: Element
    demand: Demand
    rest: frozenset[Element]
    distance: int
    window: str
    moving: bool = False

    @property
    def kept(self) -> frozenset[Element]:
        """The lines that stay as they are."""
        own = self.demand.elements - {self.line}
        return (own - self.movable if self.moving else own) | self.rest

    @property
    def movable(self) -> frozenset[Element]:
        """The other lines of the project that pin a package."""
        return frozenset(one for one in self.demand.elements - self.rest - {self.line} if "==" in one.specifier)

    @property
    def asked(self) -> frozenset[Element]:
        """The project and the rest of the conflict, with the range in place of the line."""
        freed = {replace(one, specifier="") for one in self.movable} if self.moving else set()
        return self.kept | freed | {replace(self.line, specifier=self.window)}

    def changed(self, versions: Mapping[NormalizedName, Version]) -> dict[Element, Element]:
        """What each line becomes that does not admit the version found."""
        lines = {self.line, *(self.movable if self.moving else ())}
        return {
            one: replace(one, specifier=admitting(one.specifier, versions[one.name]))
            for one in sorted(lines)
            if one.name in versions and not one.admits(versions[one.name])
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A fix that holds, the line that it starts from, and how many projects with that line it does not serve.

    It is `is_poor` if it takes a pre-release, or goes far back.
    """

    line: Element
    fix: Fix
    is_poor: bool
    left_out: int


def fixes(conflict: Conflict, demands: Mapping[str, Demand], ask: Ask) -> tuple[Fix, ...]:
    """Up to `MOST_FIXES` ways out, the smallest change first; about a dozen questions.

    Each attempt asks for a whole project with another version on one line, and the other lines of the conflict. What is
    found is written down as a specifier, and that is asked again, of every project that holds the line: those with
    which it does not resolve get no edit, and a way that serves all comes first. A pre-release, and what is more than a
    year back, is told only where there is nothing else. Where no line will do by itself, lines that pin other packages
    of its project may move with it.
    """
    attempts = tuple(_attempts(conflict, demands))
    found: dict[Element, tuple[int, Tried]] = {}
    poor: dict[Element, tuple[int, Tried]] = {}
    for distance in range(ANYWHERE + 1):
        level = [one for one in attempts if one.distance == distance and one.line not in found]
        for one in _tried(conflict, demands, level, ask):
            (poor if one.is_poor else found).setdefault(one.line, (distance, one))
    found = found or poor
    if not found:
        level = [replace(one, moving=True) for one in attempts if one.distance in {1, ANYWHERE} and one.movable]
        for one in _tried(conflict, demands, level, ask):
            found.setdefault(one.line, (ANYWHERE, one))
    ranked = sorted(found.values(), key=lambda one: (one[1].left_out, len(one[1].fix.edits), one[0], one[1].fix.edits))
    return tuple(one.fix for _, one in ranked[:MOST_FIXES])


def _attempts(conflict: Conflict, demands: Mapping[str, Demand]) -> Iterator[Attempt]:
    lines = [
        (element, demands[cause.project])
        for cause in conflict.causes
        for element, places in demands[cause.project].places.items()
        if any(place.location == cause.location and place.text == cause.requirement for place in places)
    ]
    for line, demand in lines:
        rest = frozenset(other for other, _ in lines if other != line)
        others = [versions for other in rest if other.name == line.name and (versions := other.range) is not None]
        for distance, window in windows(line.specifier):
            possible = SpecifierSet(window).to_range()
            if not any(possible.is_disjoint(versions) for versions in others):
                yield Attempt(line=line, demand=demand, rest=rest, distance=distance, window=window)


def _tried(conflict: Conflict, demands: Mapping[str, Demand], attempts: Sequence[Attempt], ask: Ask) -> Iterator[Tried]:
    """The fixes that hold."""
    changes = [
        (attempt, attempt.changed(answer.versions), answer)
        for attempt, answer in zip(attempts, ask([one.asked for one in attempts]), strict=True)
        if isinstance(answer, Resolved)
    ]
    changes = [(attempt, changed, found) for attempt, changed, found in changes if attempt.line in changed]
    written = [_written(attempt.demand, changed) | attempt.rest for attempt, changed, _ in changes]
    for (attempt, changed, found), answer in zip(changes, ask(written), strict=True):
        if isinstance(answer, Resolved) and not _lacks_extra(answer, attempt.line):
            holders = [demands[one] for one in conflict.projects if attempt.line in demands[one].places]
            served = [attempt.demand, *_served(attempt, changed, holders, ask)]
            edits = tuple(sorted(edit for demand in served for edit in _edits(demand, changed)))
            fix = Fix(edits=edits, name=attempt.line.name, selects=found.versions[attempt.line.name])
            yield Tried(
                line=attempt.line, fix=fix, is_poor=_is_poor(attempt, found), left_out=len(holders) - len(served)
            )


def _written(demand: Demand, changed: Mapping[Element, Element]) -> frozenset[Element]:
    """What a project demands once its lines are changed."""
    return frozenset(changed.get(one, one) for one in demand.elements)


def _served(
    attempt: Attempt, changed: Mapping[Element, Element], holders: Sequence[Demand], ask: Ask
) -> Iterator[Demand]:
    """The other projects with the line that resolve with the change, too; where all do together one question tells."""
    others = [demand for demand in holders if demand is not attempt.demand]
    sets = [_written(demand, changed) | attempt.rest for demand in others]
    if others and isinstance(ask([frozenset().union(*sets)])[0], Resolved):
        yield from others
    elif len(others) > 1:
        yield from (demand for demand, answer in zip(others, ask(sets), strict=True) if isinstance(answer, Resolved))


def _is_poor(attempt: Attempt, found: Resolved) -> bool:
    """Whether what is found is a pre-release, or far older than what the project has: before it said what it needs."""
    pin = next(pin for pin in found.pins if pin.name == attempt.line.name)
    had = attempt.demand.lock.by_name.get(pin.name) if attempt.demand.lock else None
    if had is not None and pin.version >= had.version:
        return pin.version.is_prerelease and not had.version.is_prerelease
    if had is not None and pin.version.major < had.version.major:
        return True
    times = [one.file.upload_time for one in (had, pin) if one and one.file and one.file.upload_time]
    if len(times) == 2:
        return times[0] - times[1] > AGE
    stated = next((one for one in SpecifierSet(attempt.line.specifier) if one.operator == "=="), None)
    return stated is not None and pin.version.major < Version(stated.version.removesuffix(".*")).major


def _lacks_extra(answer: Answer, line: Element) -> bool:
    """Whether the version found has no such extra, so that less would be installed than is asked for."""
    warnings = answer.warnings if isinstance(answer, Resolved) else ()
    return bool(line.extras) and any(line.name in warning and "extra" in warning for warning in warnings)


def _edits(demand: Demand, changed: Mapping[Element, Element]) -> Iterator[Edit]:
    """The change wherever a project holds a line of it."""
    for before, after in changed.items():
        for place in demand.places.get(before, ()):
            yield Edit(
                project=demand.project,
                location=place.location,
                before=place.text,
                after=_rewritten(place, after.specifier),
            )


def _rewritten(place: Place, specifier: str) -> str:
    try:
        requirement = Requirement(place.text)
    except InvalidRequirement:
        return place.text
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    marker = f"; {requirement.marker}" if requirement.marker else ""
    return f"{requirement.name}{extras}{specifier}{marker}"
