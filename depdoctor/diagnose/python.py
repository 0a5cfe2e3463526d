"""Python versions for which a release has no wheels."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from depdoctor.diagnose.environments import python_refused
from depdoctor.diagnose.installation import Installation
from depdoctor.diagnose.resolution import refusals
from depdoctor.diagnose.rule import Context, Rule
from depdoctor.diagnose.words import listed
from depdoctor.model.finding import Confidence, Evidence, Finding, Kind, Severity

PATCH_RELEASES = range(40)
"""Patch releases of a Python minor that a specifier is held against; any one will do."""


def check(context: Context) -> Iterator[Finding]:
    """The resolver's refusals; where no resolver answered, what the tables know of exact pins."""
    yield from refusals(context, Kind.PYTHON_UNSUPPORTED)
    yield from python_refused(context)
    for installation in context.installations:
        if installation.shared:
            continue
        if installation.complete:
            yield from _by_metadata(context, installation)
        else:
            yield from _by_tables(context, installation)


def _by_metadata(context: Context, installation: Installation) -> Iterator[Finding]:
    """Releases that were locked although they leave the Python out: uv heeds only the lower bound, pip heeds both."""
    python = installation.environment.python
    standing = {one.path for one in context.inventory.installed}
    for part in installation.parts:
        for pin in part.lock.pins:
            if part.project in standing or _admits(pin.requires_python, python):
                continue
            yield Finding(
                kind=Kind.PYTHON_UNSUPPORTED,
                severity=Severity.WARNING,
                subject=pin.name,
                message=f"{pin.name} {pin.version} requires Python {pin.requires_python}, not {python}: pip refuses it",
                hint=f"take a Python that it supports, or a release of {pin.name} that supports {python}",
                packages=(pin.name,),
                projects=installation.projects,
                causes=installation.causes(pin.name),
                evidence=(
                    Evidence(
                        fact=f"{pin} requires Python {pin.requires_python}",
                        source=f"METADATA of {pin.file.filename if pin.file else pin}",
                        date=context.date,
                        confidence=Confidence.PRIMARY,
                    ),
                ),
            )


@cache
def _admits(requires_python: str, python: str) -> bool:
    """Whether some patch release of a Python is let in; a specifier that nobody understands lets everything in."""
    try:
        wanted = SpecifierSet(requires_python)
    except InvalidSpecifier:
        return True
    return any(wanted.contains(f"{python}.{patch}", prereleases=True) for patch in PATCH_RELEASES)


def _by_tables(context: Context, installation: Installation) -> Iterator[Finding]:
    if installation.platform != "linux-x86_64" or _refused(context, installation):
        return
    python = installation.environment.python
    for package in installation.wheels(context.rules.wheels_by_package.keys()):
        name = package.name
        for row in context.rules.wheels_by_package[name]:
            if package.version and row.first <= package.version <= row.last and row.pythons:
                if python in row.pythons:
                    continue
                yield Finding(
                    kind=Kind.PYTHON_UNSUPPORTED,
                    severity=Severity.ERROR,
                    subject=name,
                    message=f"{package} has wheels for Python {listed(row.pythons)}, not for {python}",
                    hint=f"take Python {listed(row.pythons, 'or')}, or a release with wheels for {python}",
                    packages=(name,),
                    projects=installation.projects,
                    causes=installation.causes(name),
                    evidence=(row.provenance.evidence(f"{name} {row.first} to {row.last}: {listed(row.pythons)}"),),
                )


def _refused(context: Context, installation: Installation) -> bool:
    return any(
        entry.status == "unresolvable" and entry.project.name in installation.projects
        for entry in context.inventory.entries
    )


RULE = Rule(
    kind=Kind.PYTHON_UNSUPPORTED,
    title="A release does not support the Python version",
    text="""\
Compiled packages publish a wheel per minor of CPython, and for a new minor only in releases made after it. pip then
says `No matching distribution found`, or tries to build from source. Take a Python that the release has wheels for, or
a release that has wheels for the Python.""",
    check=check,
)
