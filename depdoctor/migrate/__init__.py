"""What each project needs of the environment that it shares: its own requirements, pinned as installed. Pure."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import Enum, auto
from operator import attrgetter

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from depdoctor.migrate.imported import Modules, by_module, left_out, specified
from depdoctor.migrate.standing import disregarded, edits, holds_installed, is_compiled, manifest_of, overruled
from depdoctor.model.finding import Finding
from depdoctor.model.graph import holds, without_marker
from depdoctor.model.installed import InstalledDistribution, InstalledEnvironment
from depdoctor.model.lock import Answer, Impossible, Resolved
from depdoctor.model.migration import CONSTRAINTS, MANIFEST, PYTHON, Contested, Migration, Move, Moved, Need
from depdoctor.model.project import DEFAULT_GROUP, DeclaredRequirement
from depdoctor.model.reading import Import, Reading
from depdoctor.model.target import Environment

__all__ = [
    "Modules",
    "Python",
    "by_module",
    "constraints",
    "fitting",
    "joined",
    "lacking",
    "migration",
    "move",
    "needs",
    "on_python",
    "refused",
    "remarked",
    "specified",
]


def needs(
    reading: Reading,
    installed: InstalledEnvironment,
    modules: Modules,
    environment: Environment,
    loose: Collection[NormalizedName] = (),
) -> tuple[Need, ...]:
    """What a project needs: what it declares for running, and what it imports without declaring it; by name.

    `loose` ones are not pinned as installed, since something else that is installed refuses them.
    """
    there = {one.name: one for one in installed.distributions}
    own = {canonicalize_name(manifest.name) for manifest in reading.manifests if manifest.name}
    stated: defaultdict[NormalizedName, list[DeclaredRequirement]] = defaultdict(list)
    for manifest in reading.manifests:
        for line in manifest.requirements:
            counts = line.group == DEFAULT_GROUP and holds(line.requirement.marker, environment)
            if counts and line.name not in own:
                stated[line.name].append(line)
    found = {
        name: _declared(lines, there.get(name), is_refused=name in loose) for name, lines in sorted(stated.items())
    }
    for one in reading.imported:
        if not one.guarded and not one.testing:
            providers = modules.get(one.module, ())
            known = any(name in found or name in own for name in providers)
            if providers and not known and not there[providers[0]].source.startswith("file:"):
                found[providers[0]] = _imported(there[providers[0]], one, providers)
    return tuple(found[name] for name in sorted(found))


def constraints(installed: InstalledEnvironment, environment: Environment) -> tuple[str, ...]:
    """The constraints that hold a resolution at what is installed: packages that break nobody's requirement."""
    versions = _versions(installed)
    broken = refused(installed, environment)
    return tuple(f"{name}=={version}" for name, version in sorted(versions.items()) if name not in broken)


def refused(installed: InstalledEnvironment, environment: Environment) -> frozenset[NormalizedName]:
    """The packages that are installed at a version that another one refuses."""
    versions = _versions(installed)
    return frozenset(
        name
        for one in installed.distributions
        for edge in one.requires
        if (name := canonicalize_name(edge.name)) in versions
        and holds(edge.marker, environment)
        and not edge.specifier.contains(versions[name], prereleases=True)
    )


def _versions(installed: InstalledEnvironment) -> dict[NormalizedName, Version]:
    return {one.name: one.version for one in installed.distributions if one.version is not None and not one.source}


def move(
    reading: Reading,
    wanted: tuple[Need, ...],
    source: tuple[InstalledEnvironment, Modules, Environment],
    answer: Answer,
) -> Move:
    """A project, its needs, and what these resolve to beside what is installed."""
    installed, modules, environment = source
    there = {one.name: one for one in installed.distributions}
    pins = answer.pins if isinstance(answer, Resolved) else ()
    had = {need.name for need in wanted} | {pin.name for pin in pins}
    remarks = [f"{need.location}: {need.remark}" for need in wanted if need.remark]
    remarks += left_out(reading, modules, installed, had)
    remarks += disregarded(reading, installed, environment)
    remarks += overruled(reading, wanted, installed)
    remarks += [f"`{one.path}` could not be read: {one.problem.reason}" for one in reading.unreadable]
    changed, added = edits(reading, wanted, environment)
    compiled = standing if (standing := manifest_of(reading)) and is_compiled(standing) else None
    stays = compiled is not None and holds_installed(compiled, wanted, installed)
    done = Move(
        project=reading.project.name,
        root=reading.project.root,
        needs=wanted,
        remarks=tuple(remarks),
        edits=changed,
        added=added,
        anew=compiled is not None and not stays,
        holds=stays,
    )
    if not isinstance(answer, Resolved):
        return replace(done, unknown=answer.message if isinstance(answer, Impossible) else answer.detail)
    versions = {name: one.version for name, one in there.items()}
    moved = tuple(
        Moved(name=pin.name, installed=str(versions.get(pin.name) or ""), resolved=str(pin.version))
        for pin in pins
        if versions.get(pin.name) != pin.version
    )
    return replace(done, pins=tuple(sorted(map(str, pins))), moved=moved)


def migration(
    installed: InstalledEnvironment, readings: Sequence[Reading], moves: Sequence[Move], environment: Environment
) -> Migration:
    """All projects together: what nobody needs, and what two need at different versions."""
    known = not any(one.unknown for one in moves)
    used = {pin.partition("==")[0] for one in moves for pin in one.pins}
    used |= {canonicalize_name(one.name) for reading in readings for one in reading.manifests if one.name}
    idle = [
        f"{one.name} {one.version or ''}".strip()
        for one in installed.distributions
        if one.name not in used and one.name != "pip"
    ]
    return Migration(
        source=installed.path,
        python=environment.python,
        moves=tuple(moves),
        contested=tuple(_contested(installed, readings, environment)),
        idle=tuple(sorted(idle)) if known else (),
        idle_known=known,
        tools=installed.tools,
        remarks=tuple(_unread(installed)),
    )


def _unread(installed: InstalledEnvironment) -> Iterator[str]:
    if installed.system_site_packages:
        yield f"{installed.path} has the packages of its own Python too ({installed.home}), and these were not read"


def fitting(
    reading: Reading, sources: Sequence[tuple[InstalledEnvironment, Modules, Environment]]
) -> InstalledEnvironment:
    """The environment that a project most likely runs in: where the most of its lines and imports are met.

    Of several that meet as many, the first that was named.
    """

    def met(source: tuple[InstalledEnvironment, Modules, Environment]) -> int:
        installed, modules, environment = source
        wanted = needs(reading, installed, modules, environment)
        return sum(one.installed is not None for one in wanted) + sum(
            one.installed is not None and not one.remark for one in wanted
        )

    return max(sources, key=met)[0]


def joined(parts: Sequence[Migration]) -> Migration:
    """Migrations out of several environments as one; what nobody needs is told with the environment it is in."""
    if len(parts) == 1:
        return parts[0]
    return Migration(
        source=", ".join(part.source for part in parts),
        python=", ".join(dict.fromkeys(part.python for part in parts)),
        moves=tuple(sorted((move for part in parts for move in part.moves), key=attrgetter("project"))),
        contested=tuple(one for part in parts for one in part.contested),
        idle=tuple(f"{name} in {part.source}" for part in parts for name in part.idle),
        idle_known=all(part.idle_known for part in parts),
        tools=tuple(dict.fromkeys(name for part in parts for name in part.tools)),
        remarks=tuple(remark for part in parts for remark in part.remarks),
    )


class Python(Enum):
    """What there is to say of the Python of a project's image."""

    KNOWN = auto()
    UNTOLD = auto()
    """It is that of the environment, which the project's own files do not name."""
    ANOTHER = auto()
    """The project asks for another than the environment has."""


def on_python(move: Move, python: str, told: Python, there: str) -> Move:
    """A project with what there is to say and to write of its Python; `there` is that of the environment."""
    if told is Python.KNOWN:
        return move
    if told is Python.UNTOLD:
        remark = (
            f"no file of the project names a Python: the patch has `{PYTHON}` say {python}, as the environment has it"
        )
        return replace(move, python=python, remarks=(*move.remarks, remark))
    remark = f"the environment has Python {there}, and the image gets {python}, which the project asks for"
    return replace(move, remarks=(*move.remarks, remark))


def remarked(done: Migration, unpatched: Mapping[str, str]) -> Migration:
    """A migration that says of which files there is no patch, and why."""

    def told(move: Move) -> tuple[str, ...]:
        return tuple(
            f"{path} {why}, so that the patch leaves it out: take over `{path}.new` by hand"
            for path, why in sorted(unpatched.items())
            if path in {posixpath.normpath(posixpath.join(move.root, name)) for name in (MANIFEST, CONSTRAINTS, PYTHON)}
        )

    return replace(done, moves=tuple(replace(one, remarks=(*one.remarks, *told(one))) for one in done.moves))


def lacking(done: Migration, findings: Sequence[Finding]) -> Migration:
    """A migration with what the images lack of the operating system, which the shared machine may have had."""

    def told(move: Move) -> tuple[str, ...]:
        return tuple(f"{one.message}: {one.hint}" for one in findings if move.project in one.projects)

    return replace(done, moves=tuple(replace(one, remarks=(*one.remarks, *told(one))) for one in done.moves))


def _contested(
    installed: InstalledEnvironment, readings: Sequence[Reading], environment: Environment
) -> Iterator[Contested]:
    versions = {one.name: one.version for one in installed.distributions}
    wants: defaultdict[NormalizedName, list[tuple[str, DeclaredRequirement]]] = defaultdict(list)
    for reading in readings:
        for manifest in reading.manifests:
            for line in manifest.requirements:
                if line.group == DEFAULT_GROUP and holds(line.requirement.marker, environment):
                    wants[line.name].append((reading.project.name, line))
    for name, lines in sorted(wants.items()):
        version = versions.get(name)
        refusing = [line for _, line in lines if version is not None and not _admits(line, version)]
        if refusing or _exclude(lines):
            told = tuple((project, without_marker(line.requirement), line.location) for project, line in lines)
            yield Contested(name=name, installed=version, wants=told)


def _exclude(lines: Sequence[tuple[str, DeclaredRequirement]]) -> bool:
    """Whether two lines have no version in common."""
    ranges = [
        line.requirement.specifier.to_range() for _, line in lines if "===" not in str(line.requirement.specifier)
    ]
    return any(one.is_disjoint(other) for number, one in enumerate(ranges) for other in ranges[:number])


def _admits(line: DeclaredRequirement, version: Version) -> bool:
    return SpecifierSet(str(line.requirement.specifier)).contains(version, prereleases=True)


def _declared(lines: Sequence[DeclaredRequirement], there: InstalledDistribution | None, *, is_refused: bool) -> Need:
    """One requirement for all lines that name a package: their extras together, pinned as it is installed."""
    first = next((line for line in lines if line.requirement.url), lines[0])
    if first.requirement.url:
        remark = f"`{without_marker(first.requirement)}` stays as it is"
        return Need(name=first.name, line=first.text, location=first.location, remark=remark)
    asked = sorted({extra for line in lines for extra in line.requirement.extras})
    extras = f"[{','.join(asked)}]" if asked else ""
    installed = there.version if there else None
    against = ((line, _against(line, there, is_refused=is_refused)) for line in lines)
    if found := next((one for one in against if one[1]), None):
        line, remark = found
        limits = SpecifierSet(",".join(filter(None, (str(one.requirement.specifier) for one in lines))))
        stated = f"{line.requirement.name}{extras}{limits}"
        return Need(name=line.name, line=stated, location=line.location, installed=installed, remark=remark)
    return Need(
        name=first.name, line=f"{first.name}{extras}=={installed}", location=first.location, installed=installed
    )


def _against(line: DeclaredRequirement, there: InstalledDistribution | None, *, is_refused: bool) -> str:
    """Why a line cannot be pinned as installed, "" where it can."""
    if there is None:
        return "declared, but not installed: is it needed?"
    if there.version is None:
        remark = f"at which version {there.name} is installed is not known"
        is_local = there.source.startswith("file:")
        return f"{remark} (from {there.source}): `pip list --format freeze` may tell" if is_local else remark
    if there.source:
        return f"installed from {there.source}, not from an index: it needs an address, or a wheel"
    if not _admits(line, there.version):
        stated = without_marker(line.requirement)
        return f"`{stated}` excludes the installed {there.version}: the project ran outside its own line"
    if is_refused:
        return f"{there.name} {there.version} is installed, but not what others that are installed require"
    return ""


def _imported(there: InstalledDistribution, one: Import, providers: Sequence[NormalizedName]) -> Need:
    """An import that nothing declares; of several distributions that install the module, none can be ruled out."""
    alone = f"`{one.module}` is imported and was not declared"
    several = f"; {' and '.join(providers)} install it, take the one that is meant" if len(providers) > 1 else ""
    pinned = there.version is not None and not there.source
    return Need(
        name=there.name,
        line=f"{there.name}=={there.version}" if pinned else _from(there),
        location=one.location,
        imported=True,
        installed=there.version,
        remark=alone + several,
    )


def _from(there: InstalledDistribution) -> str:
    """A requirement on what was installed at a version that is not known, or from an address."""
    return f"{there.name} @ {there.source}" if there.source else there.name
