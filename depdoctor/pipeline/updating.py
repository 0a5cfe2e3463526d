"""`update`: versions that the projects could move to, all at once, each shown by a resolver to stand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from packaging.utils import NormalizedName
from packaging.version import Version

from depdoctor.adapters import advisories as source
from depdoctor.adapters import files
from depdoctor.errors import UsageError
from depdoctor.model.graph import holds
from depdoctor.model.image import Bundle
from depdoctor.model.inventory import Entry
from depdoctor.model.noun import dataclass
from depdoctor.model.project import DeclaredRequirement, Project, in_groups
from depdoctor.model.reading import Reading
from depdoctor.model.seams import Progress
from depdoctor.model.update import Advisory, Update
from depdoctor.pipeline.editing import Edited, edited
from depdoctor.pipeline.proposing import Flaws, brief, told
from depdoctor.pipeline.reaching import Key, Reaching, Unit
from depdoctor.pipeline.scanning import LockedFleet, configured, surveying
from depdoctor.pipeline.standing import Settings
from depdoctor.report import update as report
from depdoctor.update import advisories as written
from depdoctor.update import lines, targets


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to move: these packages (none for all that are held at a version), in one project ("" for all).

    `advisories` is where flaws are told, None for what the configuration names; with `security` only what has one
    moves. Projects part from one another where not `alike`.
    """

    packages: tuple[NormalizedName, ...] = ()
    project: str = ""
    advisories: Path | None = None
    security: bool = False
    alike: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Updated:
    """What is proposed, and the files that would change: before and after, by their paths below the root."""

    update: Update
    texts: Mapping[str, tuple[str, str]]


def update(settings: Settings, progress: Progress, wish: Wish) -> Updated:
    """Propose moves, and change nothing. Raises `UsageError` for names that nothing here has."""
    flaws = _flaws(settings, wish)
    with surveying(settings, progress) as fleet:
        units = _units(fleet, wish)
        task = "looking for newer versions"
        progress.start(task)
        search = _search(fleet, units, wish, flaws)
        _raise_lows(search, flaws)
        search.run()
        chosen = edited(settings.root, units, search)
        after = _verified(search, chosen)
        progress.finish(task)
        return Updated(update=told(fleet, search, chosen, after, flaws), texts=chosen.texts)


def check_output(output: Path) -> None:
    """See that a folder holds nothing but what an earlier run wrote. Raises `UsageError`."""
    ours = {report.PATCH, report.REPORT}
    if output.exists() and (not output.is_dir() or any(one.name not in ours for one in output.iterdir())):
        raise UsageError(f"{output} stands already", hint="`update` writes over nothing of yours: name a new folder")


def write(output: Path, done: Updated) -> None:
    """Write the patch and the report into a folder. Raises `UsageError`."""
    files.write(Bundle(files=report.files(done.update, done.texts)), output)


def apply(root: Path, texts: Mapping[str, tuple[str, str]]) -> None:
    """Write the edits into the files themselves. Raises `UsageError`, also where one has changed meanwhile."""
    for path, (before, after) in texts.items():
        files.edit(root / path, before, after)


def _flaws(settings: Settings, wish: Wish) -> Flaws:
    named = wish.advisories
    if named is None and (path := configured(settings)[0].advisories):
        named = settings.root / path
    if named is None:
        if wish.security:
            raise UsageError(
                "there is nothing to know security fixes from",
                hint="name an OSV export or a pip-audit JSON: `--advisories PATH`, or `advisories` under `[update]`",
            )
        return {}
    found: defaultdict[NormalizedName, list[Advisory]] = defaultdict(list)
    for one in source.read(named, written.parse):
        found[one.name].append(one)
    return {name: tuple(some) for name, some in found.items()}


def _units(fleet: LockedFleet, wish: Wish) -> list[Unit]:
    entries = fleet.inventory.entries
    names = {entry.project.name for entry in entries}
    if wish.project and wish.project not in names:
        raise UsageError(f"there is no project `{wish.project}`", hint="`depdoctor scan --list` names the projects")
    units = [
        Unit(name=entry.project.name, reading=entry.reading, before=entry.outcomes)
        for entry in entries
        if entry.outcomes
    ]
    if wish.project:
        units = [unit for unit in units if unit.name == wish.project or _share_lines(unit, wish.project, units)]
    known = {unit.name for unit in units}
    for one in fleet.inventory.shared:
        if not one.outcomes or not known.issuperset(one.projects):
            continue
        members = [entry.reading for entry in entries if entry.project.name in one.projects]
        manifests = tuple(replace(each, packages=()) for reading in members for each in reading.manifests)
        project = Project(name=f"environment {one.name}", root=".", manifests=tuple(each.path for each in manifests))
        units.append(
            Unit(
                name=project.name,
                reading=Reading(project=project, manifests=manifests),
                before=one.outcomes,
                members=one.projects,
                environments=tuple(each.environment for each in one.outcomes),
            )
        )
    return units


def _share_lines(unit: Unit, project: str, units: Sequence[Unit]) -> bool:
    """Whether a line of one project is a line of another one, too."""
    places = {one.path for each in units if each.name == project for one in each.reading.manifests if not one.is_lock}
    return any(one.path in places for one in unit.reading.manifests if not one.is_lock)


def _search(fleet: LockedFleet, units: Sequence[Unit], wish: Wish, flaws: Flaws) -> Reaching:
    named = frozenset(wish.packages)
    nows: dict[Key, Version] = {}
    lows: dict[Key, Version] = {}
    for unit in units:
        held: defaultdict[NormalizedName, list[DeclaredRequirement]] = defaultdict(list)
        for each in _held(fleet, unit, named):
            held[each.line.name].append(each.line)
        for name, locked in _by_lockfile(unit).items():
            held[name] = held[name] or [locked]
        for name, found in held.items():
            low = max((one for line in found if (one := lines.floor(line, unit.version(name)))), default=None)
            now = unit.version(name) or low
            if low is None or now is None or (named and name not in named):
                continue
            if wish.security and not targets.flaws(flaws, name, now):
                continue
            nows[unit.name, name], lows[unit.name, name] = now, low
    if missing := sorted(named - {name for _, name in lows}):
        raise UsageError(_nothing_moves(units, missing[0]), hint=f"`depdoctor explain {missing[0]}` tells who wants it")
    return Reaching(fleet=fleet, units=units, named=named, nows=nows, lows=lows, alike=wish.alike)


def _nothing_moves(units: Sequence[Unit], name: NormalizedName) -> str:
    """Why a package that is named cannot be moved."""
    declared = [line for unit in units for manifest in unit.reading.manifests for line in manifest.requirements]
    mine = [line for line in declared if line.name == name]
    if left := next((one for unit in units for one in lines.unmoved(unit.reading, {name})), None):
        return f"`{name}` cannot be moved from here: {left.location}: `{left.text}` {left.reason}"
    if not mine:
        brought = any(name in one.by_name for unit in units for one in unit.locks)
        return f"no line names `{name}`" + (": other packages bring it" if brought else "")
    return f"nothing holds `{name}` at a version that could move: {mine[0].location} says `{mine[0].text}`"


def _held(fleet: LockedFleet, unit: Unit, named: Iterable[NormalizedName]) -> list[lines.Held]:
    """The lines of a unit that hold something back where it is installed."""
    groups = fleet.config.project(unit.reading.project.root).groups
    environments = [one.environment for one in unit.before]
    return [
        one
        for one in lines.holding(unit.reading, frozenset(named))
        if in_groups(one.line.group, groups) and any(holds(one.line.requirement.marker, each) for each in environments)
    ]


def _by_lockfile(unit: Unit) -> dict[NormalizedName, DeclaredRequirement]:
    """The lines whose packages a lockfile alone holds at a version."""
    if not unit.locks or not all(one.origin for one in unit.locks):
        return {}
    return {
        line.name: line
        for manifest in unit.reading.manifests
        if not manifest.is_lock
        for line in manifest.requirements
        if not line.requirement.url and all(line.name in one.by_name for one in unit.locks)
    }


def _raise_lows(search: Reaching, flaws: Flaws) -> None:
    """Security first: nothing goes below what mends a flaw, wherever that resolves at all."""
    for unit in search.units:
        for key in [key for key in sorted(search.lows) if key[0] == unit.name]:
            found = targets.flaws(flaws, key[1], search.nows[key])
            mended = targets.mending(search.nows[key], flaws[key[1]]) if found else None
            if mended is None:
                continue
            standing, search.lows[key] = search.lows[key], max(mended, search.lows[key])
            entry = search.locked({unit.name: lines.loosened(unit.reading, search.bounds(unit), search.named)})
            if len(entry[unit.name].locks) < len(entry[unit.name].outcomes):
                search.lows[key] = standing
                search.why[key] = f"{mended} does not resolve: {brief(entry[unit.name].reason)}"


def _verified(search: Reaching, chosen: Edited) -> dict[str, Entry]:
    """What each unit gets by the very lines that are proposed; what does not stand is proposed no more."""
    while True:
        readings = {unit.name: chosen.readings[unit.name] for unit in search.units if unit.name in chosen.readings}
        found = search.locked(readings)
        bad = {
            unit.name: entry.reason or "something would be wrong that is not now"
            for unit in search.units
            if (entry := found.get(unit.name))
            and (
                len(entry.locks) < len(entry.outcomes)
                or not chosen.stands(unit.name, entry)
                or (not unit.members and search.worse(unit, entry))
            )
        }
        if not bad:
            return found
        for name, reason in bad.items():
            search.failed.setdefault(name, reason)
        chosen.drop(set(bad), search)
