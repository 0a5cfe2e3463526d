"""`hook`: what a commit changes, joined with what is remembered of the rest. Asks no network, and no resolver."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from packaging.utils import NormalizedName, canonicalize_name

from depdoctor import config as configuration
from depdoctor import discover, read, rules
from depdoctor.adapters import uv_user
from depdoctor.adapters.hook_memory import HookMemory, Line, Memory, Remembered
from depdoctor.adapters.oracle_cache import VerdictCache
from depdoctor.conflict.demand import Element, demand
from depdoctor.conflict.direct import clashes
from depdoctor.diagnose import Context, diagnose
from depdoctor.diagnose.stale import stale_plan
from depdoctor.model.config import Config
from depdoctor.model.conflict import Conflict, Conflicts
from depdoctor.model.distribution import DistributionFile
from depdoctor.model.finding import Cause, Diagnosis, Finding, Kind, worst_first
from depdoctor.model.formats import PLAN_NAME
from depdoctor.model.inventory import Entry, Inventory, SharedEnvironment
from depdoctor.model.lock import Answer, DeclaredOnly, Question, Unknown, Why
from depdoctor.model.noun import dataclass
from depdoctor.model.project import Location, Project
from depdoctor.model.reading import Reading
from depdoctor.model.seams import Progress
from depdoctor.model.target import Environment
from depdoctor.pipeline.locking import Locking

if TYPE_CHECKING:
    from depdoctor.model.plan import Plan

HOURS = 48
"""How far back remembered answers of undated scans are looked for: scans ask as of full hours."""

WHOLE = frozenset({configuration.CONFIG_NAME, PLAN_NAME})
"""Files that concern every project."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooked:
    """What a commit does. `unknown` are projects of which only a scan with the network would tell more."""

    diagnosis: Diagnosis
    projects: tuple[str, ...]
    unknown: tuple[str, ...]


class _Remembering:
    """Implements `Resolver`: tells what was answered before, and asks nobody."""

    def __init__(self, verdicts: VerdictCache, *, dated: bool) -> None:
        self._verdicts, self._hours = verdicts, 1 if dated else HOURS

    def resolve(self, question: Question) -> Answer:
        """The newest answer that is remembered."""
        for hours in range(self._hours):
            earlier = replace(question, exclude_newer=question.exclude_newer - timedelta(hours=hours))
            if (answer := self._verdicts.recall(earlier)) is not None:
                return answer
        return Unknown(why=Why.OFFLINE, detail="nobody asked this yet")


def check(root: Path, cache: Path, paths: Collection[str], progress: Progress) -> Hooked:
    """Judge the projects that these files (relative to the root) belong to; every project for none.

    Raises `ConfigError`, `RulesError` and `PlanFileError`.
    """
    facts = rules.load()
    config = configuration.load(root, facts.libc_of_base)
    if config.rules_path:
        facts = rules.load(root / config.rules_path)
        config = configuration.load(root, facts.libc_of_base)
    projects = discover.discover(root, config.exclude)
    remembering = HookMemory(cache, root, repr(config))
    memory = remembering.recall()
    before = Memory(projects=dict(memory.projects), crossings=set(memory.crossings), is_new=memory.is_new)
    touched = _touched(projects, paths, memory)
    moment = config.exclude_newer or datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    with closing(VerdictCache(cache, resolver=uv_user.answering())) as verdicts:
        locking = Locking(
            config=config,
            resolver=_Remembering(verdicts, dated=config.exclude_newer is not None),
            moment=moment,
            wheels=_NoWheels(),
            rules=facts,
            progress=progress,
            builds_allowed=False,
        )
        readings = {project.name: read.read(project, root) for project in projects if project.name in touched}
        entries = locking.locked(tuple(readings.values()))
        _refresh(memory, projects, entries, config, remembering, root)
    conflicts = tuple(_conflicts(memory, touched, config))
    known = memory.crossings
    memory.crossings = {*_elsewhere(known, touched), *map(_crossing, _between(conflicts))}
    if memory != before:
        remembering.keep(memory)
    shared = _shared(config, [project.name for project in projects])
    inventory = Inventory(
        root=str(root),
        entries=entries,
        targets=config.targets,
        shared=shared,
        index_date=moment,
        base=config.image.base,
    )
    news = tuple(one for one in conflicts if _matters(one, shared) or not (memory.is_new or _crossing(one) in known))
    plan = _plan(root)
    diagnosis = diagnose(inventory, Conflicts(conflicts=news), facts, plan)
    stale = stale_plan(Context(inventory=inventory, conflicts=Conflicts(), rules=facts, plan=plan), PLAN_NAME)
    found = [*diagnosis.findings, *stale]
    found = [one for one in found if one.code not in config.ignored_rules and one.kind is not Kind.INDEX_MISSING]
    unknown = [entry.project.name for entry in entries if any(isinstance(one, DeclaredOnly) for one in entry.outcomes)]
    return Hooked(
        diagnosis=replace(diagnosis, findings=worst_first(tuple(found)), remarks=()),
        projects=tuple(readings),
        unknown=tuple(unknown),
    )


def fleets(paths: Sequence[str]) -> dict[str, list[str]]:
    """The fleets that files belong to, by their folders, and the files of each as the fleet calls them.

    A configuration or plan that stands in the working folder counts for all of it. Where there is none, the outermost
    folder around a file that has one is the root of a fleet.
    """
    if not paths or _is_fleet(Path()):
        return {".": list(paths)}
    found: dict[str, list[str]] = {}
    is_fleet: dict[PurePosixPath, bool] = {}
    for path in paths:
        around = [folder for folder in reversed(PurePosixPath(path).parents) if folder.parts]
        is_fleet |= {folder: _is_fleet(Path(folder)) for folder in around if folder not in is_fleet}
        root = next((str(folder) for folder in around if is_fleet[folder]), ".")
        found.setdefault(root, []).append(path if root == "." else str(PurePosixPath(path).relative_to(root)))
    return found


def _is_fleet(folder: Path) -> bool:
    return (folder / PLAN_NAME).is_file() or configuration.stands(folder)


def below(root: str, done: Hooked) -> Hooked:
    """What a hook says of a fleet, with its files and projects as they are called from the working folder."""
    if root == ".":
        return done

    def placed(one: Finding) -> Finding:
        causes = tuple(
            replace(cause, location=replace(cause.location, path=f"{root}/{cause.location.path}"))
            for cause in one.causes
        )
        return replace(one, causes=causes)

    findings = tuple(placed(one) for one in done.diagnosis.findings)
    return Hooked(
        diagnosis=replace(done.diagnosis, findings=findings),
        projects=tuple(posixpath.normpath(f"{root}/{name}") for name in done.projects),
        unknown=tuple(posixpath.normpath(f"{root}/{name}") for name in done.unknown),
    )


def joined(parts: Sequence[Hooked]) -> Hooked:
    """What is said of several fleets."""
    findings = worst_first(tuple(one for part in parts for one in part.diagnosis.findings))
    return Hooked(
        diagnosis=replace(parts[0].diagnosis, findings=findings),
        projects=tuple(name for part in parts for name in part.projects),
        unknown=tuple(name for part in parts for name in part.unknown),
    )


class _NoWheels:
    """Implements `WheelIndex`: looks into nothing."""

    def facts(self, files: Iterable[DistributionFile]) -> dict[str, Unknown]:
        """Nothing is known."""
        return {file.sha256: Unknown(why=Why.OFFLINE, detail="not looked into") for file in files}


def _plan(root: Path) -> Plan | None:
    path = root / PLAN_NAME
    if not path.is_file():
        return None
    from depdoctor import planfile

    return planfile.load(path)


def _touched(projects: Sequence[Project], paths: Collection[str], memory: Memory) -> set[str]:
    """The projects that files belong to: those in whose folders they lie, and those that read them last time."""
    if not paths or WHOLE & set(paths):
        return {project.name for project in projects}
    roots = {project.root: project.name for project in projects}
    touched = {name for name, one in memory.projects.items() if not one.stamps.keys().isdisjoint(paths)}
    for path in paths:
        touched.update(name for root, name in roots.items() if root == path or root.startswith(f"{path}/"))
        folders = map(str, PurePosixPath(path).parents)
        touched.update([roots[folder] for folder in folders if folder in roots][:1])
    return touched & set(roots.values())


def _refresh(
    memory: Memory,
    projects: Sequence[Project],
    entries: Sequence[Entry],
    config: Config,
    remembering: HookMemory,
    root: Path,
) -> None:
    """Bring the memory up to date: with what was read just now, and what is not as it was."""
    fresh = {entry.project.name: entry for entry in entries}
    names = {project.name for project in projects}
    memory.projects = {name: one for name, one in memory.projects.items() if name in names}
    for project in projects:
        before = memory.projects.get(project.name)
        entry = fresh.get(project.name)
        if entry is None:
            if (
                before
                and set(project.manifests) <= set(before.stamps)
                and (remembering.stamps(before.stamps) == before.stamps)
            ):
                continue
            entry = Entry(reading=read.read(project, root))
        files = [*project.manifests, *(one.path for one in entry.reading.manifests)]
        memory.projects[project.name] = Remembered(
            stamps=remembering.stamps(files), lines=list(_lines(entry.reading, config))
        )


def _lines(reading: Reading, config: Config) -> Iterator[Line]:
    """The lines of a project that may clash, for each platform of the targets with the Python that it names."""
    python = reading.python or config.python
    for platform in dict.fromkeys(target.platform for target in config.targets):
        environment = Environment(python=python, platform=platform)
        for element, places in demand(Entry(reading=reading), environment, config.indexes).places.items():
            yield Line(
                environment=str(environment),
                name=element.name,
                extras=list(element.extras),
                specifier=element.specifier,
                constraint=element.constraint,
                path=places[0].location.path,
                line=places[0].location.line,
                text=places[0].text,
            )


def _conflicts(memory: Memory, touched: Collection[str], config: Config) -> Iterator[Conflict]:
    """Two lines that have no version in common, one of them of a project that is touched."""
    touched = set(touched)
    platforms = {str(target.platform): target.platform for target in config.targets}
    having: dict[tuple[str, Element], dict[str, Line]] = {}
    for name in sorted(memory.projects):
        for line in memory.projects[name].lines:
            element = Element(
                name=canonicalize_name(line.name),
                extras=tuple(line.extras),
                specifier=line.specifier,
                constraint=line.constraint,
            )
            having.setdefault((line.environment, element), {})[name] = line
    for stated in sorted({environment for environment, _ in having}):
        python, _, platform = stated.removeprefix("Python ").partition(" on ")
        environment = Environment(python=python, platform=platforms[platform])
        here = {element: lines for (each, element), lines in having.items() if each == stated}
        concerned = {element.name for element, lines in here.items() if touched & lines.keys()}
        elements = [element for element in here if element.name in concerned]
        for one, other in clashes(elements):
            mine, theirs = here[one], here[other]
            for pair in _pairs(mine, theirs, touched):
                yield _conflict(one.name, environment, {pair[0]: mine[pair[0]]}, {pair[1]: theirs[pair[1]]})


def _pairs(one: Collection[str], other: Collection[str], touched: Collection[str]) -> Iterator[tuple[str, str]]:
    both = set(one) & set(other)
    yield from ((name, name) for name in sorted(both) if name in touched)
    for mine in sorted(one):
        for theirs in sorted(other):
            if mine != theirs and (mine in touched or theirs in touched) and not {mine, theirs} & both:
                yield mine, theirs


def _conflict(subject: NormalizedName, environment: Environment, *sides: Mapping[str, Line]) -> Conflict:
    causes = tuple(
        Cause(
            project=project,
            location=Location(path=line.path, line=line.line),
            requirement=line.text,
            chain=(line.text,),
        )
        for side in sides
        for project, line in side.items()
    )
    projects = tuple(sorted({cause.project for cause in causes}))
    return Conflict(subject=subject, projects=projects, causes=causes, environment=environment)


def _between(conflicts: Iterable[Conflict]) -> Iterator[Conflict]:
    return (one for one in conflicts if len(one.projects) > 1)


def _crossing(one: Conflict) -> tuple[str, str, str]:
    return (one.projects[0], one.projects[-1], one.subject)


def _elsewhere(known: Iterable[tuple[str, str, str]], touched: Collection[str]) -> Iterator[tuple[str, str, str]]:
    """What was known of projects of which none is touched."""
    return (one for one in known if one[0] not in touched and one[1] not in touched)


def _matters(one: Conflict, shared: Iterable[SharedEnvironment]) -> bool:
    """Whether it fails by itself: inside one project, or inside an environment that is meant to be."""
    return len(one.projects) == 1 or any(set(one.projects) <= set(each.projects) for each in shared)


def _shared(config: Config, names: Sequence[str]) -> tuple[SharedEnvironment, ...]:
    return tuple(
        SharedEnvironment(
            name=one.name,
            projects=tuple(name for name in names if any(fnmatchcase(name, pattern) for pattern in one.projects)),
        )
        for one in config.environments
    )
