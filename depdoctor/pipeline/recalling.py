"""Reads and locks only the projects that changed since they were read and locked last.

What a project declares depends on its files; what its lockfile locks depends on these, the configuration and the facts,
and on no date. A project without a lockfile is resolved anew each time, by a resolver that has a memory of its own.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from depdoctor import discover, read
from depdoctor.adapters.project_memory import ProjectMemory, Remembered
from depdoctor.adapters.scan_memory import surroundings
from depdoctor.adapters.watch import watching
from depdoctor.model.config import Config
from depdoctor.model.inventory import Entry
from depdoctor.model.lock import LockOutcome
from depdoctor.model.noun import dataclass
from depdoctor.model.project import Survey
from depdoctor.model.reading import Reading
from depdoctor.pipeline.standing import Settings

_ELSEWHERE = frozenset({"missing", "outside", "remote", "cycle"})
"""The kinds of problems with files of which nobody would see that they have changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Projects:
    """The projects under a root: `readings` of all, and `outcomes` of those that need not be locked again, by name."""

    survey: Survey
    readings: tuple[Reading, ...]
    outcomes: Mapping[str, tuple[LockOutcome, ...]]
    memory: ProjectMemory | None
    unlocked: Mapping[str, Remembered]
    """What is remembered of the others, or would be."""
    read_now: frozenset[str]

    def keep(self, entries: Sequence[Entry], *, settled: bool) -> None:
        """Remember what was read now; and what a lockfile locks, where all that was asked for it was told."""
        if self.memory is None:
            return
        for entry in entries:
            name = entry.project.name
            is_locked = settled and bool(entry.outcomes) and len(entry.locks) == len(entry.outcomes)
            outcomes = entry.outcomes if is_locked and all(one.origin for one in entry.locks) else None
            if name in self.unlocked and (outcomes or name in self.read_now):
                self.memory.keep(replace(self.unlocked[name], outcomes=outcomes))
        if self.read_now:
            self.memory.forget_others(self.survey.projects)


def projects(settings: Settings, config: Config, changed: Container[str]) -> Projects:
    """Find the projects and read those that are not remembered; `changed` is as in `read.read`."""
    survey = discover.survey(settings.root, config.exclude)
    memory = None
    if not (settings.builds_allowed or settings.inspect or settings.relock or settings.outside_allowed):
        memory = ProjectMemory(settings.cache, settings.root, _state(settings, config))
    readings: list[Reading] = []
    outcomes: dict[str, tuple[LockOutcome, ...]] = {}
    unlocked: dict[str, Remembered] = {}
    read_now: set[str] = set()
    for project in survey.projects:
        known = memory.recall(project) if memory else None
        if known is None:
            with watching(settings.root) as watch:
                reading = read.read(project, settings.root, changed, outside_allowed=settings.outside_allowed)
                seen = watch.seen()
            readings.append(reading)
            if seen is not None and is_whole(reading):
                read_now.add(project.name)
                unlocked[project.name] = Remembered(reading=reading, outcomes=None, seen=seen)
            continue
        readings.append(known.reading)
        if known.outcomes is None:
            unlocked[project.name] = known
        else:
            outcomes[project.name] = known.outcomes
    return Projects(
        survey=survey,
        readings=read.identified(readings, settings.root, outside_allowed=settings.outside_allowed),
        outcomes=outcomes,
        memory=memory,
        unlocked=unlocked,
        read_now=frozenset(read_now),
    )


def is_whole(reading: Reading) -> bool:
    """Whether all that was read of a project lies below the root and was there, so that it is seen when it changes."""
    problems = [problem for manifest in reading.manifests for problem in manifest.problems]
    problems += [manifest.problem for manifest in reading.unreadable]
    return not any(manifest.indexes.find_links for manifest in reading.manifests) and not any(
        problem.kind in _ELSEWHERE for problem in problems
    )


def _state(settings: Settings, config: Config) -> Iterator[str]:
    """Whatever the reading and locking of projects depends on besides their files."""
    yield from surroundings()
    yield repr(config)
    if config.rules_path:
        place = settings.root / config.rules_path
        for path in sorted(place.glob("*.toml")) if place.is_dir() else (place,):
            yield f"{path.name} {_content(path)}"


def _content(path: Path) -> str:
    try:
        return path.read_bytes().hex()
    except OSError as error:
        return str(error)
