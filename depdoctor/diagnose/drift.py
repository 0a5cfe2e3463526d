"""Resolutions that work and are wrong all the same: what goes far back, for others or for want of a wheel."""

from __future__ import annotations

from collections.abc import Iterator

from packaging.utils import canonicalize_name

from depdoctor.diagnose.conflicts import named_in
from depdoctor.diagnose.rule import Context, Rule
from depdoctor.model.conflict import Drift
from depdoctor.model.expression import expression
from depdoctor.model.finding import Cause, Confidence, Evidence, Finding, Kind, Severity
from depdoctor.model.graph import chains
from depdoctor.model.inventory import Entry
from depdoctor.model.lock import Lock

_NO_NEWER_WHEEL = expression(r"the newest wheel is of (?P<name>[^=\s]+)==\S+, and \S+ has to be built from source")
"""A warning of the resolver's."""

DAYS_OF_YEAR, DAYS_OF_MONTH = 365, 30


def check(context: Context) -> Iterator[Finding]:
    """What falls far back in a shared environment, a note where no line names it; and what is far back alone."""
    yield from _far_back_alone(context)
    for drift in context.conflicts.drifts:
        alone, together = drift.alone, drift.together
        causes = tuple(sorted({*_own(context, drift), *drift.causes}))
        days = _days_older(drift)
        age = f", {_age(days)} older," if days > 0 else ""
        yield Finding(
            kind=Kind.DRIFT,
            severity=Severity.WARNING if drift.named else Severity.NOTE,
            subject=alone.name,
            message=f"{alone.name} falls back from {alone.version} to {together.version}{age} in the environment "
            f"`{drift.shared}`: its projects can share one only so",
            hint=f"leave {drift.project} out of `{drift.shared}`, or ask for `{alone.name}>={alone.version}` and see "
            "what stands against it",
            packages=tuple(sorted({alone.name, *(name for cause in causes if (name := named_in(cause.requirement)))})),
            projects=tuple(sorted({drift.project, *(cause.project for cause in causes)})),
            causes=causes,
            evidence=tuple(_evidence(context, drift)),
        )


def _far_back_alone(context: Context) -> Iterator[Finding]:
    """What is old in a project's own resolution only because nothing newer has a wheel."""
    for entry in context.inventory.entries:
        for lock in entry.locks:
            for warning in lock.warnings:
                if match := _NO_NEWER_WHEEL.fullmatch(warning):
                    yield _alone(context, entry, lock, match["name"], warning)


def _alone(context: Context, entry: Entry, lock: Lock, package: str, warning: str) -> Finding:
    name = canonicalize_name(package)
    causes = tuple(
        Cause(project=entry.project.name, location=line.location, requirement=line.text, chain=chain)
        for line, chain in chains(lock, entry.requirements(), name)
    )
    return Finding(
        kind=Kind.DRIFT,
        severity=Severity.NOTE,
        subject=name,
        message=f"{package} is more than a year behind: {warning}",
        hint="`--build-sdists` allows the newer release to be built; or build its wheel once and serve it yourself",
        packages=tuple(sorted({name, *(one for cause in causes if (one := named_in(cause.requirement)))})),
        projects=(entry.project.name,),
        causes=causes,
        evidence=(Evidence(fact=warning, source="the index", date=context.date, confidence=Confidence.PRIMARY),),
    )


def _own(context: Context, drift: Drift) -> Iterator[Cause]:
    """The lines of the project itself that bring the package."""
    for entry in context.inventory.entries:
        for outcome in entry.outcomes:
            if (
                entry.project.name == drift.project
                and isinstance(outcome, Lock)
                and outcome.environment == drift.environment
            ):
                for line, chain in chains(outcome, entry.requirements(), canonicalize_name(drift.alone.name)):
                    yield Cause(project=drift.project, location=line.location, requirement=line.text, chain=chain)


def _evidence(context: Context, drift: Drift) -> Iterator[Evidence]:
    newer, older = (pin.file.upload_time if pin.file else None for pin in (drift.alone, drift.together))
    if newer and older:
        yield Evidence(
            fact=f"{drift.alone.name} {drift.alone.version} was published on {newer.date()}, {drift.together.version} "
            f"on {older.date()}",
            source="the index",
            date=context.date,
            confidence=Confidence.PRIMARY,
        )


def _days_older(drift: Drift) -> int:
    newer, older = (pin.file.upload_time if pin.file else None for pin in (drift.alone, drift.together))
    return (newer - older).days if newer and older else 0


def _age(days: int) -> str:
    units = ((DAYS_OF_YEAR, "year"), (DAYS_OF_MONTH, "month"), (1, "day"))
    size, noun = next(unit for unit in units if days >= unit[0])
    count = days // size
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


RULE = Rule(
    kind=Kind.DRIFT,
    title="Sharing an environment makes a package much older",
    text="""\
The projects of a shared environment have a resolution together, and yet not a sound one: to meet the lines of one
project, the resolver goes back to a release of another one's package that is more than a year older, or of a lower
major version, than what that project gets by itself. Such a release often works only because it did not yet say what it
cannot work with. Leave one project out of the environment, or write the oldest version that works into its manifest, so
that the conflict shows.

A project by itself can be far behind too: where newer releases of a package have no wheel for the platform, a resolver
that builds nothing quietly takes the last one that has.""",
    check=check,
)
