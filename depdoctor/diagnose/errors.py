"""Requirements that cannot be what anyone wants: stubs, placeholders, wrong names, extras that do not exist."""

from __future__ import annotations

from collections.abc import Iterator

from packaging.utils import canonicalize_name

from depdoctor.diagnose.installation import exact_version
from depdoctor.diagnose.rule import Context, Rule
from depdoctor.model.finding import Cause, Confidence, Evidence, Finding, Kind, Severity
from depdoctor.model.graph import without_marker
from depdoctor.model.inventory import Entry
from depdoctor.model.lock import Lock
from depdoctor.model.project import DeclaredRequirement, Location
from depdoctor.rules.rows import ErrorPackage

EXTRA_WARNING = "does not have an extra named"
"""What uv says of an extra that a package does not have."""


def check(context: Context) -> Iterator[Finding]:
    """Every declared requirement against the releases that tables know to be no good."""
    for entry in context.inventory.entries:
        pinned = {pin.name: pin.version for lock in entry.locks for pin in lock.pins}
        for one in entry.requirements():
            for row in context.rules.errors_by_package.get(one.name, ()):
                version = pinned.get(one.name) or exact_version(one.requirement)
                if one.requirement.url or (row.extra and row.extra not in _extras(one)):
                    continue
                if row.versions and (version is None or not row.versions.contains(version, prereleases=True)):
                    continue
                yield _finding(entry, one, row)


def explained(context: Context) -> frozenset[Location]:
    """The lines that name what only fails: what a resolver says of them is the same in other words."""
    return frozenset(cause.location for finding in check(context) for cause in finding.causes)


def _extras(one: DeclaredRequirement) -> set[str]:
    return {canonicalize_name(extra) for extra in one.requirement.extras}


def _finding(entry: Entry, one: DeclaredRequirement, row: ErrorPackage) -> Finding:
    return Finding(
        kind=Kind.ERROR_PACKAGE,
        severity=Severity[row.severity.upper()],
        subject=one.name,
        message=f"`{without_marker(one.requirement)}` is {row.reason}",
        hint=f"take {row.instead}",
        packages=(one.name,),
        projects=(entry.project.name,),
        causes=(_cause(entry, one),),
        evidence=(row.provenance.evidence(f"{f'{row.package} {row.versions}'.strip()}: {row.reason}"),),
    )


def check_extras(context: Context) -> Iterator[Finding]:
    """Extras that a resolver did not find in the release that it took."""
    for entry in context.inventory.entries:
        for outcome in entry.outcomes:
            for warning in outcome.warnings if isinstance(outcome, Lock) else ():
                if EXTRA_WARNING in warning:
                    yield from _missing(context, entry, warning)


def _missing(context: Context, entry: Entry, warning: str) -> Iterator[Finding]:
    for one in entry.requirements():
        if (
            one.requirement.extras
            and f"`{one.name}==" in warning
            and any(f"`{extra}`" in warning for extra in one.requirement.extras)
        ):
            yield Finding(
                kind=Kind.MISSING_EXTRA,
                severity=Severity.ERROR,
                subject=one.name,
                message=f"`{without_marker(one.requirement)}` asks for an extra that the release does not have",
                hint=f"take a release of {one.name} that has it, or leave the extra out",
                packages=(one.name,),
                projects=(entry.project.name,),
                causes=(_cause(entry, one),),
                evidence=(Evidence(fact=warning, source="uv", date=context.date, confidence=Confidence.PRIMARY),),
            )


def _cause(entry: Entry, one: DeclaredRequirement) -> Cause:
    text = without_marker(one.requirement)
    return Cause(project=entry.project.name, location=one.location, requirement=text, chain=(text,))


RULES = (
    Rule(
        kind=Kind.ERROR_PACKAGE,
        title="A requirement names a package or release that only fails",
        text="""\
Some names on the index are stubs that refuse to install (`sklearn`), placeholders without content
(`nvidia-cuda-runtime-cu13`), unrelated projects (`apex`), or releases whose extra can never be satisfied
(`tensorflow[and-cuda]==2.15.0`). Take what the hint names.""",
        check=check,
    ),
    Rule(
        kind=Kind.MISSING_EXTRA,
        title="A requirement asks for an extra that the release does not have",
        text="""\
Resolvers only warn of an extra that a release does not have, and install without it: `jax[cuda11]` of a late release is
jax for CPUs. Take a release that has the extra, or the name that it goes by now.""",
        check=check_extras,
    ),
)
