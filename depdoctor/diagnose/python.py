"""Python versions for which a release has no wheels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache, partial

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from depdoctor.diagnose.environments import python_refused
from depdoctor.diagnose.installation import Installation, Package, exact_version
from depdoctor.diagnose.remedy import ways
from depdoctor.diagnose.resolution import refusals
from depdoctor.diagnose.rule import Context, Rule
from depdoctor.diagnose.trace import Part
from depdoctor.diagnose.words import listed
from depdoctor.model.distribution import Pin
from depdoctor.model.finding import Confidence, Evidence, Finding, Kind, Severity
from depdoctor.model.graph import holds
from depdoctor.model.noun import dataclass
from depdoctor.rules.rows import Wheels

PYTHONS = tuple(f"3.{minor}" for minor in range(6, 15))
"""Where another Python is looked for that serves all."""

PATCH_RELEASES = range(40)
"""Patch releases of a Python minor that a specifier is held against; any one will do."""


def check(context: Context) -> Iterator[Finding]:
    """The resolver's refusals; of exact pins, and of what is locked as a source distribution, what the tables know."""
    yield from refusals(context, Kind.PYTHON_UNSUPPORTED)
    yield from python_refused(context)
    for installation in context.installations:
        if installation.shared:
            continue
        if installation.complete:
            yield from _by_metadata(context, installation)
        yield from _by_tables(context, installation)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """A release that leaves a Python out, said by itself and beside others. `way` is another release to take."""

    what: str
    finding: Finding
    certain: bool
    serves: Callable[[str], bool]
    way: str = ""


def _as_one(installation: Installation, lacks: Sequence[Lack]) -> Iterator[Finding]:
    """One finding for all releases that leave the Python of an installation out: another Python may serve them all."""
    if len(lacks) < 2:
        yield from (lack.finding for lack in lacks)
        return
    python = installation.environment.python
    refused = [lack.what for lack in lacks if lack.certain]
    built = [lack.what for lack in lacks if not lack.certain]
    do, have = ("do" if len(refused) > 1 else "does"), ("have" if len(built) > 1 else "has")
    where, them = ("it" if refused else f"Python {python}"), ("them" if len(built) > 1 else "it")
    said = (
        f"{listed(refused)} {do} not support Python {python}" if refused else "",
        f"{listed(built)} {have} no wheels for {where}, and pip would build {them} from source" if built else "",
    )
    fitting = [other for other in PYTHONS if all(lack.serves(other) for lack in lacks)]
    nearest = min(fitting, key=lambda other: abs(Version(other).minor - Version(python).minor), default="")
    newer = listed([lack.way for lack in lacks if lack.way])
    findings = [lack.finding for lack in lacks]
    yield replace(
        findings[0],
        severity=max(finding.severity for finding in findings),
        message="; ".join(filter(None, said)),
        hint=ways(
            f"take Python {nearest}, which serves all of them" if nearest else "",
            f"take {newer}" if newer else "",
        )
        or f"no Python serves all of them: take releases that support {python}",
        packages=tuple(sorted({name for finding in findings for name in finding.packages})),
        causes=tuple(dict.fromkeys(cause for finding in findings for cause in finding.causes)),
        evidence=tuple(fact for finding in findings for fact in finding.evidence),
    )


def _by_metadata(context: Context, installation: Installation) -> Iterator[Finding]:
    """Releases that were locked although they leave the Python out: uv heeds only the lower bound, pip heeds both."""
    python = installation.environment.python
    standing = {one.path for one in context.inventory.installed}
    lacks = []
    for part in installation.parts:
        for pin in part.lock.pins:
            if part.project in standing or _admits(pin.requires_python, python):
                continue
            fixed = _is_fixed(part, pin)
            what_pip_does = "refuses it" if fixed else "passes over it and takes an older release"
            finding = Finding(
                kind=Kind.PYTHON_UNSUPPORTED,
                severity=Severity.WARNING if fixed else Severity.NOTE,
                subject=pin.name,
                message=f"{pin.name} {pin.version} requires Python {pin.requires_python}, not {python}: pip "
                f"{what_pip_does}",
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
            what = f"{pin.name} {pin.version} (requires {pin.requires_python})"
            serves = partial(_admits, pin.requires_python)
            if fixed:
                lacks.append(Lack(what=what, finding=finding, certain=True, serves=serves))
            else:
                yield finding
    yield from _as_one(installation, lacks)


def _is_fixed(part: Part, pin: Pin) -> bool:
    """Whether a lockfile or an exact requirement leaves no other release to take."""
    lines = (one.requirement for name, one in part.named if name == pin.name)
    edges = (edge for other in part.lock.pins for edge in other.requires or ())
    asked = (*lines, *(edge for edge in edges if canonicalize_name(edge.name) == pin.name))
    return part.lock.origin is not None or any(exact_version(one) is not None for one in asked)


@cache
def _admits(requires_python: str, python: str) -> bool:
    """Whether some patch release of a Python is let in; a specifier that nobody understands lets everything in."""
    try:
        wanted = SpecifierSet(requires_python)
    except InvalidSpecifier:
        return True
    return any(wanted.contains(f"{python}.{patch}", prereleases=True) for patch in PATCH_RELEASES)


def _by_tables(context: Context, installation: Installation) -> Iterator[Finding]:
    names = set(_sources(installation)) if installation.complete else context.rules.wheels_by_package.keys()
    names = names & context.rules.wheels_by_package.keys()
    if not names or installation.environment.platform.system != "linux" or _refused(context, installation):
        return
    found = {}
    for package in installation.wheels(names):
        rows = [row for row in context.rules.wheels_by_package[package.name] if installation.platform in row.platforms]
        wanted = _wanted(installation, package)
        if wanted is not None and (lack := _without_wheel(installation, package, wanted, rows)):
            found[package.name] = lack
    yield from _as_one(installation, installation.nearest(found))


def _sources(installation: Installation) -> Iterator[NormalizedName]:
    """What is locked as a source archive; what is locked as a wheel has one."""
    return (pin.name for part in installation.parts for pin in part.lock.pins if pin.file and not pin.file.is_wheel)


def _wanted(installation: Installation, package: Package) -> SpecifierSet | None:
    """Which releases may be installed, as far as what is declared tells; None if it tells of no bound above."""
    if package.version is not None:
        return SpecifierSet(f"=={package.version.public}")
    specifiers = [
        one.requirement.specifier
        for part in installation.parts
        for name, one in part.named
        if name == package.name and holds(one.requirement.marker, part.lock.environment)
    ]
    both = SpecifierSet(",".join(filter(None, map(str, specifiers))))
    return both if any(one.operator in {"<", "<=", "~=", "=="} for one in both) else None


def _without_wheel(
    installation: Installation, package: Package, wanted: SpecifierSet, rows: Sequence[Wheels]
) -> Lack | None:
    """What to say, if every release that may be installed has wheels for other Pythons only, and all are known."""
    newest = max((row.last for row in rows), default=None)
    if newest is None or not wanted.is_disjoint(SpecifierSet(f">{newest}")):
        return None
    among = [row for row in rows if not wanted.is_disjoint(SpecifierSet(f">={row.first},<={row.last}"))]
    python = installation.environment.python
    if not among or any(row.serves(python) for row in among):
        return None
    refused = not any(row.sdist and _admits(str(row.requires_python), python) for row in among)
    # Of several releases some may be in no table, and an index of its own may have other wheels of a labelled one.
    certain = refused and package.version is not None and not package.version.local
    pythons = tuple(dict.fromkeys(minor for row in among for minor in _pythons(row)))
    name, what = package.name, str(package) if package.version else f"{package.name}{wanted}"
    first, last = min(row.first for row in among), max(row.last for row in among)
    later = min((row.first for row in rows if row.first > last and row.serves(python)), default=None)
    way = f"{name} {later} or newer" if later else f"a release with wheels for {python}"
    built = "" if refused else ": pip would build it from source"
    finding = Finding(
        kind=Kind.PYTHON_UNSUPPORTED,
        severity=Severity.ERROR if certain else Severity.WARNING,
        subject=name,
        message=f"{what} has wheels for Python {listed(pythons)}, not for {python}{built}",
        hint=f"take Python {listed(pythons, 'or')}, or {way}",
        packages=(name,),
        projects=installation.projects,
        causes=installation.causes(name),
        evidence=(among[-1].provenance.evidence(f"{name} {first} to {last}: {listed(pythons)}"),),
    )
    return Lack(
        what=what,
        finding=finding,
        certain=refused,
        serves=lambda other: any(row.serves(other) for row in among),
        way=f"{name} {later} or newer" if later else "",
    )


def _pythons(row: Wheels) -> tuple[str, ...]:
    return (*row.pythons, *((f"{row.onward} or newer",) if row.onward else ()))


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
