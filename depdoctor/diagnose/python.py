"""Python versions for which a release has no wheels."""

from __future__ import annotations

from collections.abc import Iterator

from depdoctor.diagnose.environments import python_refused
from depdoctor.diagnose.installation import Installation
from depdoctor.diagnose.resolution import refusals
from depdoctor.diagnose.rule import Context, Rule
from depdoctor.diagnose.words import listed
from depdoctor.model.finding import Finding, Kind, Severity


def check(context: Context) -> Iterator[Finding]:
    """The resolver's refusals; where no resolver answered, what the tables know of exact pins."""
    yield from refusals(context, Kind.PYTHON_UNSUPPORTED)
    yield from python_refused(context)
    for installation in context.installations:
        if not installation.complete and not installation.shared:
            yield from _by_tables(context, installation)


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
