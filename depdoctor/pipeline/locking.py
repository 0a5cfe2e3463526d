"""Locks projects, each alone and some together, and lets the locked wheels tell about themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from fnmatch import fnmatchcase

from depdoctor import lock
from depdoctor.model.config import Config
from depdoctor.model.inventory import Entry, SharedEnvironment
from depdoctor.model.lock import PASSING, Lock, LockOutcome, Unknown
from depdoctor.model.noun import dataclass
from depdoctor.model.project import Project
from depdoctor.model.reading import Reading
from depdoctor.model.seams import Progress, Resolver, WheelIndex
from depdoctor.model.target import Environment
from depdoctor.pipeline.foundations import contents_of, python_for, untold
from depdoctor.rules import Rules

PARALLEL_LOCKS = 8

PARALLEL_ELSEWHERE = 64
"""Projects that are locked at a time where others answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Locking:
    """How projects are locked in one run: as of one moment, by one resolver; `anew` where lockfiles do not count.

    `parallel` projects are locked at a time: as many as uv processes are good for here, more where others answer.
    """

    config: Config
    resolver: Resolver
    moment: datetime
    wheels: WheelIndex
    progress: Progress
    builds_allowed: bool
    rules: Rules
    anew: bool = False
    addresses: bool = False
    """Whether what comes from an address is fetched, to know what it is."""
    parallel: int = PARALLEL_LOCKS

    def locked(
        self,
        readings: Sequence[Reading],
        environments: Sequence[Environment] | None = None,
        known: Mapping[str, tuple[LockOutcome, ...]] | None = None,
    ) -> tuple[Entry, ...]:
        """Lock every project for these environments, or for all that it must run in; several at a time.

        Projects whose outcomes are `known`, by name, are locked so.
        """
        task = "locking projects"
        wanted = [
            (reading, environment)
            for reading in readings
            if reading.project.name not in (known or {})
            for environment in (self._environments(reading) if environments is None else environments)
        ]
        self.progress.start(task, len(wanted))

        def outcome(reading: Reading, environment: Environment) -> LockOutcome:
            result = self._lock(reading, environment, self.config.project(reading.project.root).groups)
            self.progress.advance(task)
            return result

        if len(wanted) > 1:
            with ThreadPoolExecutor(self.parallel) as pool:
                outcomes = list(pool.map(lambda one: outcome(*one), wanted))
        else:
            outcomes = [outcome(*one) for one in wanted]
        self.progress.finish(task)
        by_project = {name: list(outcomes) for name, outcomes in (known or {}).items()}
        for (reading, _), result in zip(wanted, outcomes, strict=True):
            by_project.setdefault(reading.project.name, []).append(result)
        return tuple(
            Entry(
                reading=reading,
                outcomes=tuple(by_project.get(reading.project.name, ())),
                system_packages=self.config.project(reading.project.root).system_packages,
            )
            for reading in readings
        )

    def together(self, shared: Iterable[SharedEnvironment], entries: Sequence[Entry]) -> tuple[SharedEnvironment, ...]:
        """Lock what the projects of each shared environment declare as if they were one project."""
        locked = []
        for one in shared:
            members = [entry for entry in entries if entry.project.name in one.projects]
            if len(members) < 2 or any(not entry.outcomes for entry in members):
                locked.append(one)
                continue
            environments = self._common(members)
            manifests = [replace(each, packages=()) for entry in members for each in entry.reading.manifests]
            paths = tuple(manifest.path for manifest in manifests)
            project = Project(name=one.name, root=".", manifests=paths)
            reading = Reading(project=project, manifests=tuple(manifests))
            outcomes = tuple(self._lock(reading, environment, ()) for environment in environments)
            locked.append(replace(one, outcomes=outcomes))
        return tuple(locked)

    def with_facts(
        self, entries: Sequence[Entry], shared: Sequence[SharedEnvironment]
    ) -> tuple[tuple[Entry, ...], tuple[SharedEnvironment, ...], bool]:
        """Let the locked wheels themselves say what they require and how large they are; and whether all could."""
        outcomes = [outcome for entry in entries for outcome in entry.outcomes]
        outcomes += [outcome for one in shared for outcome in one.outcomes]
        files = {pin.file for outcome in outcomes if isinstance(outcome, Lock) for pin in outcome.pins if pin.file}
        task = "reading wheels"
        self.progress.start(task)
        facts = self.wheels.facts(files)
        self.progress.finish(task)

        def known(outcome: LockOutcome) -> LockOutcome:
            return lock.enrich(outcome, facts) if isinstance(outcome, Lock) else outcome

        return (
            tuple(replace(entry, outcomes=tuple(map(known, entry.outcomes))) for entry in entries),
            tuple(replace(one, outcomes=tuple(map(known, one.outcomes))) for one in shared),
            not any(isinstance(fact, Unknown) and fact.why in PASSING for fact in facts.values()),
        )

    def _lock(self, reading: Reading, environment: Environment, groups: Sequence[str]) -> LockOutcome:
        outcome = lock.lock(
            reading,
            environment,
            self.resolver,
            indexes=self.config.indexes,
            exclude_newer=self.moment,
            builds_allowed=self.builds_allowed,
            groups=groups,
            anew=self.anew,
            addresses=self.addresses,
            contents=contents_of(reading, self.config, self.rules),
        )
        # Whoever installs from a lockfile of its own has an environment that sees nothing of the image.
        if (
            isinstance(outcome, Lock)
            and not outcome.base
            and not outcome.origin
            and (said := untold(reading, self.config, self.rules))
        ):
            return replace(outcome, missing=(*outcome.missing, said))
        return outcome

    def _common(self, members: Sequence[Entry]) -> tuple[Environment, ...]:
        """Where projects with one environment would run: on the Python of most of them that all admit, if there is one.

        Where there is none it is that of most, which some of them then refuse.
        """
        own = Counter(outcome.environment.python for entry in members for outcome in entry.outcomes)
        platforms = sorted({outcome.environment.platform for entry in members for outcome in entry.outcomes})
        manifests = [manifest for entry in members for manifest in entry.reading.manifests]
        usual = sorted(own, key=lambda python: (-own[python], python))
        admitted = lock.admitted(manifests, self.config.python)
        python = next((each for each in (*usual, *admitted) if each in admitted), "") or usual[0]
        return tuple(Environment(python=python, platform=platform) for platform in platforms)

    def _environments(self, reading: Reading) -> tuple[Environment, ...]:
        """Where a project must run: each platform of the targets once, with the Python that it runs on."""
        python = python_for(reading, self.config, self.rules)
        platforms = dict.fromkeys(target.platform for target in self.config.targets)
        return tuple(Environment(python=python, platform=platform) for platform in platforms)


def shared_of(config: Config, entries: Sequence[Entry]) -> tuple[SharedEnvironment, ...]:
    """The environments that the configuration declares to be shared, with the projects that there are."""
    names = [entry.project.name for entry in entries]
    return tuple(
        SharedEnvironment(
            name=one.name,
            projects=tuple(name for name in names if any(fnmatchcase(name, pattern) for pattern in one.projects)),
        )
        for one in config.environments
    )
