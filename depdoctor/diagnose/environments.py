"""What is wrong already in environments that stand: each package against what the others require, and its files."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name

from depdoctor.diagnose.installation import Installation
from depdoctor.diagnose.rule import Context, Rule
from depdoctor.diagnose.words import listed
from depdoctor.model.distribution import Pin
from depdoctor.model.finding import Cause, Confidence, Evidence, Finding, Kind, Severity
from depdoctor.model.graph import holds, without_marker
from depdoctor.model.installed import DamagedFile, InstalledEnvironment
from depdoctor.model.project import Location

MOST_NAMED = 3
"""Files or modules that a message names."""

Edge = tuple[Pin, str, NormalizedName]
"""A package, what it requires, and the package that this names."""


def unsatisfied(context: Context) -> Iterator[Finding]:
    """Packages that are installed in a version that others refuse."""
    for installation in _standing(context):
        wanted: dict[NormalizedName, list[Edge]] = defaultdict(list)
        for pin, requirement, name in _edges(installation):
            version = installation.version(name)
            if version is not None and not SpecifierSet(_specifier(requirement)).contains(version, prereleases=True):
                wanted[name].append((pin, requirement, name))
        for name, edges in sorted(wanted.items()):
            package = installation.packages[name]
            who = listed(f"{pin} requires `{requirement}`" for pin, requirement, _ in edges[:MOST_NAMED])
            yield Finding(
                kind=Kind.SELF_CONFLICT,
                severity=Severity.ERROR,
                subject=name,
                message=f"{package} is installed, but {who}{_more(len(edges), MOST_NAMED)}",
                hint="what was installed last moved it: install all of it in one command, or give each project its own "
                "environment (`depdoctor plan`)",
                packages=tuple(sorted({name, *(pin.name for pin, _, _ in edges)})),
                projects=installation.projects,
                causes=_causes(installation, edges),
                evidence=(_evidence(context, f"{package}, and METADATA of {listed(pin.name for pin, _, _ in edges)}"),),
            )


def missing(context: Context) -> Iterator[Finding]:
    """Packages that others require and that are not installed, and packages whose files are gone."""
    for installation in _standing(context):
        there = {canonicalize_name(each.name) for each in _found(context, installation).distributions}
        if _found(context, installation).system_site_packages:
            continue  # the interpreter's own packages count as well, and are not known
        absent: dict[NormalizedName, list[Edge]] = defaultdict(list)
        for pin, requirement, name in _edges(installation):
            if name not in there:
                absent[name].append((pin, requirement, name))
        for name, edges in sorted(absent.items()):
            who = listed(f"{pin} requires `{requirement}`" for pin, requirement, _ in edges[:MOST_NAMED])
            yield Finding(
                kind=Kind.NOT_INSTALLED,
                severity=Severity.ERROR,
                subject=name,
                message=f"{name} is not installed, but {who}{_more(len(edges), MOST_NAMED)}",
                hint=f"install {name}, or uninstall what requires it",
                packages=tuple(sorted({name, *(pin.name for pin, _, _ in edges)})),
                projects=installation.projects,
                causes=_causes(installation, edges),
                evidence=(_evidence(context, f"METADATA of {listed(pin.name for pin, _, _ in edges)}"),),
            )
    for found in context.inventory.installed:
        for owner, files in _by_owner(each for each in found.damaged if each.is_gone):
            yield _damage(
                context,
                found,
                (owner,),
                Kind.NOT_INSTALLED,
                Severity.ERROR,
                f"{_files(files)} of {owner} {'is' if len(files) == 1 else 'are'} gone",
                f"install {owner} anew, with `--force-reinstall` of pip or `--reinstall` of uv",
            )


def overwritten(context: Context) -> Iterator[Finding]:
    """Files that another package, or a hand, has written over."""
    for found in context.inventory.installed:
        others: dict[tuple[NormalizedName, str], list[DamagedFile]] = defaultdict(list)
        for each in found.damaged:
            if not each.is_gone:
                others[each.owner, each.instead].append(each)
        for (owner, instead), files in sorted(others.items()):
            if instead:
                yield _damage(
                    context,
                    found,
                    (owner, canonicalize_name(instead)),
                    Kind.CLOBBER,
                    Severity.ERROR,
                    f"{_files(files)} of {owner} {'was' if len(files) == 1 else 'were'} written over by {instead}",
                    f"uninstall {owner} and {instead}, then install the one that is wanted",
                )
            else:
                yield _damage(
                    context,
                    found,
                    (owner,),
                    Kind.CLOBBER,
                    Severity.WARNING,
                    f"{_files(files)} of {owner} {'is' if len(files) == 1 else 'are'} not as installed: changed by "
                    "hand, or by what left no trace",
                    f"install {owner} anew; if the change is wanted, keep it as a patch or a fork: no image will have "
                    "it",
                )


def python_refused(context: Context) -> Iterator[Finding]:
    """Packages whose metadata refuse the Python of the environment that they stand in."""
    for installation in _standing(context):
        found = _found(context, installation)
        for pin in installation.parts[0].lock.pins:
            if not found.python or not pin.requires_python or _contains(pin.requires_python, found.python):
                continue
            yield Finding(
                kind=Kind.PYTHON_UNSUPPORTED,
                severity=Severity.ERROR,
                subject=pin.name,
                message=f"{pin} requires Python {pin.requires_python}, and the environment has {found.python}",
                hint=f"install a release of {pin.name} that supports Python {found.python}",
                packages=(pin.name,),
                projects=installation.projects,
                causes=installation.causes(pin.name),
                evidence=(_evidence(context, f"METADATA of {pin}"),),
            )


def unowned(context: Context) -> Iterator[Finding]:
    """Modules in site-packages that no package owns."""
    for found in context.inventory.installed:
        if found.unowned:
            names = listed(f"`{posixpath.basename(path)}`" for path in found.unowned[:MOST_NAMED])
            yield Finding(
                kind=Kind.UNOWNED,
                severity=Severity.NOTE,
                subject=found.path,
                message=f"{names}{_more(len(found.unowned), MOST_NAMED)} in site-packages, of no package: no "
                "manifest can bring them",
                hint="find out where they are from before the environment goes; if something needs them, package them",
                projects=(found.path,),
                causes=tuple(
                    Cause(project=found.path, location=Location(path=path), requirement="") for path in found.unowned
                ),
            )


def _standing(context: Context) -> Iterator[Installation]:
    return (each for each in context.installations if each.standing)


def _found(context: Context, installation: Installation) -> InstalledEnvironment:
    return next(each for each in context.inventory.installed if each.path == installation.name)


def _edges(installation: Installation) -> Iterator[Edge]:
    """What each package requires in this environment, extras counted that others ask for."""
    for pin in installation.parts[0].lock.pins:
        extras = installation.extras.get(pin.name, frozenset())
        for edge in pin.requires or ():
            if holds(edge.marker, installation.environment, extras):
                yield pin, without_marker(edge), canonicalize_name(edge.name)


def _specifier(requirement: str) -> str:
    """The version specifiers of a requirement without marker; "" of one with an address."""
    start = next((at for at, letter in enumerate(requirement) if letter in "<>=!~@"), len(requirement))
    return "" if requirement[start : start + 1] == "@" else requirement[start:]


def _contains(specifier: str, python: str) -> bool:
    try:
        return SpecifierSet(specifier).contains(python, prereleases=True)
    except InvalidSpecifier:
        return True


def _by_owner(files: Iterable[DamagedFile]) -> list[tuple[NormalizedName, list[DamagedFile]]]:
    groups: dict[NormalizedName, list[DamagedFile]] = defaultdict(list)
    for each in files:
        groups[each.owner].append(each)
    return sorted(groups.items())


def _files(files: Sequence[DamagedFile]) -> str:
    """The first by its path in site-packages, and how many more: "`cv2/a.py` and 12 more files"."""
    first = files[0].path.rpartition("site-packages/")[2]
    more = len(files) - 1
    return f"`{first}`" if not more else f"`{first}` and {more} more file{'s' if more > 1 else ''}"


def _damage(
    context: Context,
    found: InstalledEnvironment,
    packages: tuple[NormalizedName, ...],
    kind: Kind,
    severity: Severity,
    message: str,
    hint: str,
) -> Finding:
    places = {each.name: each.location for each in found.distributions}
    return Finding(
        kind=kind,
        severity=severity,
        subject=packages[0],
        message=message,
        hint=hint,
        packages=tuple(sorted(packages)),
        projects=(found.path,),
        causes=tuple(
            Cause(project=found.path, location=Location(path=places.get(name, found.path)), requirement=str(name))
            for name in packages
        ),
        evidence=(_evidence(context, f"RECORD of {listed(packages)}"),),
    )


def _causes(installation: Installation, edges: Iterable[Edge]) -> tuple[Cause, ...]:
    """The chains from what was asked for down to each requirement that is not met."""
    found: dict[Cause, None] = {}
    for pin, requirement, _ in edges:
        for cause in installation.causes(pin.name)[:1]:
            chain = (*cause.chain, requirement) if cause.chain else (str(pin), requirement)
            found[Cause(project=cause.project, location=cause.location, requirement=chain[0], chain=chain)] = None
    return tuple(sorted(found))


def _evidence(context: Context, fact: str) -> Evidence:
    return Evidence(fact=fact, source="the environment's own files", date=context.date, confidence=Confidence.PRIMARY)


def _more(count: int, most: int) -> str:
    return f" and {count - most} more" if count > most else ""


RULES = (
    Rule(
        kind=Kind.NOT_INSTALLED,
        title="What should be installed is not",
        text="""\
In an image: what is installed is not what was locked. In an environment that stands: a package requires another that is
not there, or its own files are gone, because an uninstallation took files that two packages claimed. It fails once the
code reaches that import. Install what is missing, or build the image again.""",
        check=missing,
    ),
    Rule(
        kind=Kind.UNOWNED,
        title="Modules in an environment belong to no package",
        text="""\
Files lie in site-packages that no RECORD lists: copied there by hand, left by an uninstallation, or written by some
script. The code that imports them works in this environment and in no other, since no manifest can bring them.""",
        check=unowned,
    ),
)
