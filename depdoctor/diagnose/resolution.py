"""Projects that could not be locked: versions that are gone, wheels for other platforms, builds that fail."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import replace

from packaging.utils import NormalizedName

from depdoctor.diagnose.errors import explained
from depdoctor.diagnose.installation import Installation, exact_version
from depdoctor.diagnose.rule import Context, Rule
from depdoctor.diagnose.words import listed
from depdoctor.model.distribution import Pin
from depdoctor.model.finding import Cause, Confidence, Evidence, Finding, Kind, Severity, default_severity
from depdoctor.model.graph import without_marker
from depdoctor.model.inventory import Entry
from depdoctor.model.lock import DeclaredOnly, Impossible, Unresolvable, Why
from depdoctor.model.project import DEFAULT_GROUP, Location

REASON_LIMIT = 300
"""Characters of the resolver's reason that a message quotes."""

MOST_BLAMED = 6
"""Packages that a resolver may blame and be read as naming them; more name nothing."""


def check(kind: Kind) -> Callable[[Context], Iterator[Finding]]:
    """The rule that words refusals of one kind, and what is unknown for a reason of that kind."""

    def findings(context: Context) -> Iterator[Finding]:
        for finding in refusals(context, kind):
            lines = {cause.location for cause in finding.causes}
            if not lines or not lines <= explained(context):
                yield finding
        for entry in context.inventory.entries:
            for outcome in entry.outcomes:
                if isinstance(outcome, DeclaredOnly) and _kind_of_unknown(outcome.reason.why) is kind:
                    yield _unknown(entry, outcome, kind)

    return findings


def check_no_wheel(context: Context) -> Iterator[Finding]:
    """What has no wheel: refusals, what stays unknown for it, and what is locked as a source distribution."""
    yield from check(Kind.NO_WHEEL)(context)
    users: dict[Pin, set[str]] = {}
    for entry in context.inventory.entries:
        for lock in entry.locks:
            for pin in lock.pins:
                if pin.file and not pin.file.is_wheel:
                    users.setdefault(replace(pin, requires=None), set()).add(entry.project.name)
    installed = {installation.projects: installation for installation in context.installations}
    for pin, projects in sorted(users.items(), key=lambda item: str(item[0])):
        yield _to_be_built(context, pin, sorted(projects), installed)


def _to_be_built(
    context: Context, pin: Pin, projects: Sequence[str], installed: Mapping[tuple[str, ...], Installation]
) -> Finding:
    parts = (installed[project,] for project in projects if (project,) in installed)
    return Finding(
        kind=Kind.NO_WHEEL,
        severity=Severity.NOTE,
        subject=pin.name,
        message=f"{pin.name} {pin.version} has no wheel, and has to be built from source",
        hint="its image is built through `--builder docker`, or natively where `--build-sdists` allows the build",
        packages=(pin.name,),
        projects=tuple(projects),
        causes=tuple(cause for part in parts for cause in part.causes(pin.name)),
        evidence=(
            Evidence(
                fact=f"what it requires is read from {pin.file.filename if pin.file else pin}",
                source="the index",
                date=context.date,
                confidence=Confidence.INFERRED,
            ),
        ),
    )


def refusals(context: Context, kind: Kind, explained: Container[str] = ()) -> Iterator[Finding]:
    """The resolver's refusals of one kind, but for projects whose refusal something else explains."""
    for entry in context.inventory.entries:
        for outcome in entry.outcomes:
            if isinstance(outcome, Unresolvable) and _kind(outcome.reason) is kind and outcome.project not in explained:
                yield _refused(context, entry, outcome, kind)


def _kind(reason: Impossible) -> Kind:
    return Kind.SELF_CONFLICT if reason.kind is Kind.VERSION_CONFLICT else reason.kind


def _kind_of_unknown(why: Why) -> Kind:
    return Kind.NO_WHEEL if why is Why.NEEDS_BUILD else Kind.INDEX_MISSING


def _refused(context: Context, entry: Entry, outcome: Unresolvable, kind: Kind) -> Finding:
    blamed = outcome.reason.blamed[:MOST_BLAMED]
    causes = tuple(cause for name in blamed for cause in _causes(entry, name))
    named = (*outcome.reason.lacking, *blamed)
    subject = named[0] if named else entry.project.name
    if outcome.reason.location:
        return _of_one_line(context, entry, outcome.reason, subject)
    where = {
        Kind.PYTHON_UNSUPPORTED: f"{subject} cannot be installed on Python {outcome.environment.python}",
        Kind.GLIBC: f"{subject} has no wheel for {outcome.environment.platform}",
        Kind.NO_WHEEL: f"{subject} has no wheel for {outcome.environment.platform}",
        Kind.BUILD_FAILS: f"{subject} has no wheel and cannot be built",
        Kind.VERSION_GONE: f"the index has no version of {subject} that is asked for",
        Kind.INDEX_MISSING: f"no index that is configured has {subject}",
    }.get(kind, f"the requirements of {subject} cannot be satisfied")
    brought = bool(blamed) and subject not in blamed[:1]
    hint = _around(blamed, subject) if brought else _hint(context, entry, outcome.reason, subject)
    return Finding(
        kind=kind,
        severity=default_severity(kind),
        subject=subject,
        message=f"{where}: {outcome.reason.summary or _short(outcome.reason.message)}",
        hint=hint,
        packages=tuple(sorted({*blamed, *outcome.reason.lacking})),
        projects=(entry.project.name,),
        causes=causes,
        evidence=(
            Evidence(
                fact=f"resolution for {outcome.environment} is impossible: {_proof(outcome.reason.message)}",
                source="uv",
                date=context.date,
                confidence=Confidence.PRIMARY,
            ),
        ),
    )


def _around(blamed: Sequence[NormalizedName], subject: str) -> str:
    """The way out where a requirement of a requirement is not to be had."""
    root = blamed[0] if blamed else subject
    return f"take a release of {root} that does without {subject}, or configure an index that still has {subject}"


def _of_one_line(context: Context, entry: Entry, reason: Impossible, subject: str) -> Finding:
    """A refusal that one line of a file is to blame for, which needs no resolver to be seen."""
    place = reason.location or Location(path=entry.project.root)
    return Finding(
        kind=reason.kind,
        severity=default_severity(reason.kind),
        subject=subject,
        message=reason.message,
        hint=reason.hint,
        packages=tuple(sorted(reason.blamed)),
        projects=(entry.project.name,),
        causes=(Cause(project=entry.project.name, location=place, requirement=reason.line, chain=(reason.line,)),),
        evidence=(
            Evidence(
                fact=f"{place}: {reason.line}", source=place.path, date=context.date, confidence=Confidence.PRIMARY
            ),
        ),
    )


def _hint(context: Context, entry: Entry, reason: Impossible, subject: str) -> str:
    kind = _kind(reason)
    if kind is Kind.PYTHON_UNSUPPORTED:
        pythons = _pythons(context, entry, subject)
        known = f"take Python {listed(pythons, 'or')}, or a newer {subject}" if pythons else ""
        return known or reason.hint or f"take a newer {subject}"
    if kind is Kind.GLIBC:
        return f"take a base image with a newer glibc, or an older {subject}"
    if kind is Kind.BUILD_FAILS:
        return "take a release that has a wheel, or build it once and serve the wheel from an index of your own"
    if kind is Kind.INDEX_MISSING:
        return "configure the index that has it with `extra-index-url`"
    if kind is Kind.VERSION_GONE:
        return f"take a version of {subject} that the index has"
    return "loosen one of these lines" if kind is Kind.SELF_CONFLICT else ""


def _pythons(context: Context, entry: Entry, subject: str) -> tuple[str, ...]:
    versions = [exact_version(one.requirement) for one in entry.requirements() if one.name == subject]
    rows = context.rules.wheels_by_package.get(NormalizedName(subject), ())
    for version in versions:
        for row in rows:
            if version and row.first <= version <= row.last and row.pythons:
                return (*row.pythons, *((f"{row.onward} or newer",) if row.onward else ()))
    return ()


def _unknown(entry: Entry, outcome: DeclaredOnly, kind: Kind) -> Finding:
    if kind is Kind.NO_WHEEL:
        hint = "`--build-sdists` lets it be built to learn what it requires; a build runs code of the package"
    elif outcome.reason.why is Why.BUDGET:
        hint = "raise `--budget`"
    else:
        hint = "scan again when the index can be reached"
    return Finding(
        kind=kind,
        severity=Severity.NOTE,
        subject=entry.project.name,
        message=f"known only by what it declares: {_short(outcome.reason.detail)}",
        hint=hint,
        projects=(entry.project.name,),
    )


def _causes(entry: Entry, name: NormalizedName) -> Iterator[Cause]:
    """The lines that ask for a package: those that are always installed, or of groups where only they do."""
    lines = [one for one in entry.requirements() if one.name == name]
    for one in [one for one in lines if one.group == DEFAULT_GROUP] or lines:
        text = without_marker(one.requirement)
        yield Cause(project=entry.project.name, location=one.location, requirement=text, chain=(text,))


def _proof(message: str) -> str:
    """A resolver's whole derivation."""
    return message.removeprefix("Because ").rstrip(".")


def _short(message: str) -> str:
    """A resolver's explanation without its conclusions."""
    reason = message.removeprefix("Because ").partition(", we can conclude")[0]
    reason = reason if len(reason) <= REASON_LIMIT else reason[:REASON_LIMIT] + " ..."
    return reason.rstrip(".")


RULES = (
    Rule(
        kind=Kind.VERSION_GONE,
        title="A version that is asked for does not exist",
        text="""\
A requirement names versions that the index does not have: never published, yanked, or newer than the moment as of
which the index was asked. Take one that is there.""",
        check=check(Kind.VERSION_GONE),
    ),
    Rule(
        kind=Kind.BUILD_FAILS,
        title="A package has no wheel and its build fails",
        text="""\
There is only a source archive for this platform, and building it fails, most often because a compiler, the CUDA
toolkit or another package is missing at build time. Take a release that has a wheel, or build the wheel once and serve
it from an index of your own.""",
        check=check(Kind.BUILD_FAILS),
    ),
    Rule(
        kind=Kind.NO_WHEEL,
        title="A package has no wheel for the platform",
        text="""\
No wheel fits the platform, and source archives are not built unless `--build-sdists` allows it, since a build runs code
of the package. What it requires is read from the archive where that states it; else the project is known, and still
diagnosed, by what it declares.""",
        check=check_no_wheel,
    ),
    Rule(
        kind=Kind.INDEX_MISSING,
        title="A package is in no index that could be asked",
        text="""\
The index was not reachable, or the package is served by another one, as builds with a local version label (+cu118) are.
Configure it with `extra-index-url`. Until then the project is known by what it declares.""",
        check=check(Kind.INDEX_MISSING),
    ),
)
