"""An environment file and a requirements file that list the same packages, and no longer the same versions."""

from __future__ import annotations

from collections.abc import Iterator

from depdoctor.diagnose.installation import exact_version
from depdoctor.diagnose.words import listed
from depdoctor.model.finding import Cause, Finding, Kind, Severity
from depdoctor.model.formats import CONDA_GROUP, ENVIRONMENT, REQUIREMENTS
from depdoctor.model.graph import without_marker
from depdoctor.model.inventory import Entry
from depdoctor.model.project import DEFAULT_GROUP, DeclaredRequirement, Manifest

MOST_TOLD = 3
"""Packages that a message names."""

Pair = tuple[DeclaredRequirement, DeclaredRequirement]


def parted(entry: Entry) -> Iterator[Finding]:
    """One finding for each environment file that pins what a requirements file pins at another version."""
    for environment in entry.reading.manifests:
        if environment.format != ENVIRONMENT:
            continue
        for requirements in entry.reading.manifests:
            if requirements.format == REQUIREMENTS and (pairs := tuple(_pairs(environment, requirements))):
                yield _finding(entry, environment, requirements, pairs)


def _pairs(environment: Manifest, requirements: Manifest) -> Iterator[Pair]:
    """The lines of both files that pin one package at two versions, where the files are two ways to one environment."""
    mine = {one.name: one for one in environment.requirements if one.group == CONDA_GROUP}
    for theirs in requirements.requirements:
        if theirs.group == DEFAULT_GROUP and theirs.name in mine:
            one, other = (exact_version(line.requirement) for line in (mine[theirs.name], theirs))
            if one and other and one != other:
                yield mine[theirs.name], theirs


def _finding(entry: Entry, environment: Manifest, requirements: Manifest, pairs: tuple[Pair, ...]) -> Finding:
    told = [
        f"{one.name} ({exact_version(one.requirement)}, {exact_version(other.requirement)})" for one, other in pairs
    ]
    more = f" and {len(told) - MOST_TOLD} more" if len(told) > MOST_TOLD else ""
    return Finding(
        kind=Kind.LOCK_DRIFT,
        severity=Severity.WARNING,
        subject=pairs[0][0].name,
        message=f"{environment.path} and {requirements.path} list the same packages at other versions: "
        f"{listed(told[:MOST_TOLD])}{more}",
        hint="write the same versions into both; or leave one of them out, or let the environment file take in the "
        "other with `-r` under `pip`",
        packages=tuple(sorted(one.name for one, _ in pairs)),
        projects=(entry.project.name,),
        causes=tuple(
            sorted(
                Cause(
                    project=entry.project.name,
                    location=line.location,
                    requirement=line.text,
                    chain=(without_marker(line.requirement),),
                )
                for pair in pairs
                for line in pair
            )
        ),
    )
