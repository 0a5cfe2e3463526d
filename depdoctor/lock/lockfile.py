"""Takes a lockfile as it is: what of it an environment and its groups want, and which file of each package."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache

from packaging.requirements import Requirement
from packaging.tags import Tag
from packaging.utils import NormalizedName, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from depdoctor.lock.declared import Declared
from depdoctor.lock.sourced import pins_of
from depdoctor.model.distribution import DistributionFile, LockedPackage, Pin
from depdoctor.model.finding import Kind
from depdoctor.model.graph import Extras, holds
from depdoctor.model.lock import Impossible, Lock, Question, Resolved, Unknown
from depdoctor.model.project import DEFAULT_GROUP, Location, Manifest, Project, in_groups
from depdoctor.model.reading import Reading
from depdoctor.model.seams import Resolver
from depdoctor.model.target import Environment

WHENEVER = datetime(9000, 1, 1, tzinfo=UTC)
"""The moment as of which the files of locked versions are looked up: they are wanted however new they are."""

_FIRST = ("pylock.toml", "uv.lock")
PINNED_LIST = "requirements.txt"
"""The format of a list that is a lock where every line is pinned: the last to be taken for one."""


def complete_lock(reading: Reading, groups: Sequence[str], wanted: Declared) -> Manifest | None:
    """The lockfile that holds all that is wanted, None if there is none.

    A pinned requirements file counts only if it pins everything that the other manifests ask for.
    """
    needed = {canonicalize_name(Requirement(text).name) for text in wanted.requirements}
    for manifest in sorted((manifest for manifest in reading.manifests if manifest.is_lock), key=_order):
        if manifest.format != PINNED_LIST:
            return manifest
        mine = all(in_groups(requirement.group, groups) for requirement in manifest.requirements)
        if mine and needed <= {package.name for package in manifest.packages}:
            return manifest
    return None


def _order(manifest: Manifest) -> tuple[int, str]:
    known = _FIRST.index(manifest.format) if manifest.format in _FIRST else len(_FIRST)
    return (known + (manifest.format == PINNED_LIST), manifest.path)


def from_lockfile(
    manifest: Manifest,
    project: Project,
    groups: Sequence[str],
    question: Question,
    resolver: Resolver,
    *,
    folders: Collection[str] = (),
    addresses: bool = False,
) -> Lock | Impossible | Unknown:
    """The lock that a lockfile gives for the environment of a question.

    A format that states hashes without files has them looked up, every version by itself. `addresses` says whether
    that goes for what comes from repositories, too. Packages in `folders` of the fleet are copied, and none of its
    pins.
    """
    chosen = tuple(_chosen(manifest, project, question, groups))
    installed = [package for package in chosen if not package.source]
    if any(not package.files for package in installed):
        pins = _looked_up(installed, manifest, question, resolver)
    else:
        pins = _with_files(installed, manifest, question.environment)
    if isinstance(pins, Impossible | Unknown):
        return pins
    copied = {_source(folder) for folder in (project.root, *folders)}
    others = [package for package in chosen if package.source and package.source not in copied]
    found = tuple(pins_of(others, question, resolver if addresses else None))
    return Lock(
        project=project.name,
        environment=question.environment,
        pins=tuple(sorted((*pins, *(pin for _, pin in found if isinstance(pin, Pin))), key=lambda pin: pin.name)),
        origin=Location(path=manifest.path),
        missing=tuple(
            f"{_place(package, manifest)}: {package.name} {why}" for package, why in found if isinstance(why, str)
        ),
    )


def best_file(files: Iterable[DistributionFile], environment: Environment) -> DistributionFile | None:
    """The file to install in an environment: the wheel with the best tag, else a source distribution, else None."""
    ranks = _ranks(environment)
    rated: list[tuple[int, int, DistributionFile]] = []
    for file in files:
        if not file.is_wheel:
            rated.append((len(ranks), 0, file))
        elif found := [ranks[tag] for tag in _tags(file) if tag in ranks]:
            build = parse_wheel_filename(file.filename)[2]
            rated.append((min(found), -build[0] if build else 1, file))
    return min(rated, key=lambda rating: rating[:2])[2] if rated else None


@lru_cache(maxsize=64)
def _ranks(environment: Environment) -> Mapping[Tag, int]:
    return {tag: rank for rank, tag in enumerate(environment.tags())}


def _tags(file: DistributionFile) -> frozenset[Tag]:
    return parse_wheel_filename(file.filename)[3]


def _chosen(manifest: Manifest, project: Project, question: Question, groups: Sequence[str]) -> Iterator[LockedPackage]:
    """The packages that count in the environment; where the lockfile does not say of each, those that lines lead to.

    PDM writes neither groups nor markers of packages unless its strategy is `inherit_metadata`.
    """
    packages, environment = manifest.packages, question.environment
    if any(package.is_root or package.optional_requires for package in packages):
        return _reached(packages, _roots(packages, project), environment, groups)
    if (
        manifest.format == "pdm.lock"
        and question.requirements
        and not any(one.groups or one.marker for one in packages)
    ):
        lines = tuple(_met_or_bare(Requirement(text), packages) for text in question.requirements)
        root = LockedPackage(name=canonicalize_name(project.name), version=Version("0"), requires=lines)
        return (package for package in _reached(packages, [root], environment, groups) if package is not root)
    return (package for package in packages if _selected(package, environment, groups))


def _met_or_bare(line: Requirement, packages: Sequence[LockedPackage]) -> Requirement:
    """A line; without its versions where none of them is locked: what is installed is what is locked all the same."""
    name = canonicalize_name(line.name)
    if any(one.name == name and line.specifier.contains(one.version, prereleases=True) for one in packages):
        return line
    return Requirement(f"{line.name}[{','.join(line.extras)}]")


def _selected(package: LockedPackage, environment: Environment, groups: Sequence[str]) -> bool:
    if package.groups and not any(in_groups(group, groups) for group in package.groups):
        return False
    if package.marker is None:
        return True
    # Markers of a pylock.toml may ask for whole sets of extras and groups.
    plain = frozenset(canonicalize_name(group.partition(":")[2] or group) for group in groups)
    sets = {"extras": plain, "dependency_groups": plain}
    return package.marker.evaluate({**environment.markers(), **sets}, context="lock_file")


def _roots(packages: Sequence[LockedPackage], project: Project) -> list[LockedPackage]:
    """The package in the project's own folder; where the lockfile has none there, the one that the lockfile is for."""
    own = [package for package in packages if _is_project(package, project)]
    return own or [package for package in packages if package.is_root] or list(packages)


def _reached(
    packages: Sequence[LockedPackage], roots: Sequence[LockedPackage], environment: Environment, groups: Sequence[str]
) -> Iterator[LockedPackage]:
    """The packages that the roots lead to, along edges that count in the environment."""
    by_name: dict[NormalizedName, list[LockedPackage]] = {}
    for package in packages:
        by_name.setdefault(package.name, []).append(package)
    active = frozenset(_conflict_extras(roots, groups))
    pending: list[tuple[LockedPackage, tuple[str, ...]]] = [
        (root, tuple(row for row, _ in root.optional_requires if in_groups(row, groups))) for root in roots
    ]
    seen: set[tuple[NormalizedName, str, str]] = set()
    found: dict[tuple[NormalizedName, str], LockedPackage] = {}
    while pending:
        package, rows = pending.pop()
        found.setdefault((package.name, str(package.version)), package)
        optional = dict(package.optional_requires)
        for row in (DEFAULT_GROUP, *rows):
            key = (package.name, str(package.version), row)
            if key in seen:
                continue
            seen.add(key)
            for edge in optional.get(row, ()) if row else package.requires or ():
                if holds(edge.marker, environment, active):
                    extras = tuple(f"extra:{canonicalize_name(extra)}" for extra in sorted(edge.extras))
                    pending += [(target, extras) for target in _targets(edge, by_name, environment, active)]
    return iter(found.values())


def _targets(
    edge: Requirement, by_name: Mapping[NormalizedName, list[LockedPackage]], environment: Environment, active: Extras
) -> list[LockedPackage]:
    candidates = [
        package
        for package in by_name.get(canonicalize_name(edge.name), ())
        if holds(package.marker, environment, active) and edge.specifier.contains(package.version, prereleases=True)
    ]
    return sorted(candidates, key=lambda package: package.version)[-1:]


def _conflict_extras(roots: Sequence[LockedPackage], groups: Sequence[str]) -> Iterator[str]:
    """The names under which uv's markers speak of the extras and groups of projects that declare conflicts."""
    for root in roots:
        for row, _ in root.optional_requires:
            if in_groups(row, groups):
                kind, _, name = row.partition(":")
                yield f"{kind}-{len(root.name)}-{root.name}-{name}"


def _place(package: LockedPackage, manifest: Manifest) -> Location:
    return Location(path=manifest.path, line=package.line)


def _is_project(package: LockedPackage, project: Project) -> bool:
    return package.source == _source(project.root)


def _source(folder: str) -> str:
    """How a lockfile's package names a folder as where it comes from."""
    return folder if folder == "." else f"./{folder}"


def _with_files(
    packages: Sequence[LockedPackage], manifest: Manifest, environment: Environment
) -> list[Pin] | Impossible:
    pins = []
    for package in packages:
        file = best_file(package.files, environment)
        if not file:
            return _no_file(package, manifest, environment)
        pins.append(
            Pin(
                name=package.name,
                version=package.version,
                file=file,
                index=package.index,
                requires=package.requires,
            )
        )
    return pins


def _no_file(package: LockedPackage, manifest: Manifest, environment: Environment) -> Impossible:
    """Why none of the files that a lockfile lists installs in an environment."""
    tags = {tag for file in package.files for tag in _tags(file)}
    platforms = {tag.platform for tag in _ranks(environment)}
    interpreters = {(tag.interpreter, tag.abi) for tag in _ranks(environment)}
    newer = replace(environment, platform=replace(environment.platform, libc="glibc", libc_version=(2, 99)))
    if environment.platform.system == "linux" and tags & _ranks(newer).keys():
        kind, what = Kind.GLIBC, f"the C library of {environment.platform}"
    elif any(tag.platform in platforms for tag in tags) and not any(
        (t.interpreter, t.abi) in interpreters for t in tags
    ):
        kind, what = Kind.PYTHON_UNSUPPORTED, f"Python {environment.python}"
    else:
        kind, what = Kind.NO_WHEEL, str(environment)
    place = _place(package, manifest)
    names = ", ".join(sorted(file.filename for file in package.files)[:6])
    message = f"{place}: {package.name}=={package.version} is locked without a file for {what}: {names}"
    return Impossible(kind=kind, message=message, blamed=(package.name,))


def _looked_up(
    packages: Sequence[LockedPackage], manifest: Manifest, question: Question, resolver: Resolver
) -> list[Pin] | Impossible | Unknown:
    """The pins of versions whose files the lockfile does not name, found by asking for just these versions."""
    asked = replace(
        question,
        requirements=tuple(sorted({f"{package.name}=={package.version}" for package in packages})),
        constraints=(),
        exclude_newer=WHENEVER,
        with_dependencies=False,
        hashes=tuple(sorted({hash_ for package in packages for hash_ in package.hashes})),
    )
    answer = resolver.resolve(asked)
    if not isinstance(answer, Resolved):
        return answer
    locked = {package.name: package for package in packages}
    for pin in answer.pins:
        if _is_another(pin, locked[pin.name]):
            return _unknown_hash(pin, locked[pin.name], manifest, question.environment)
    return list(answer.pins)


def _is_another(pin: Pin, package: LockedPackage) -> bool:
    """Whether none of the hashes that are locked is that of the file."""
    known = [hash_ for hash_ in package.hashes if hash_.startswith("sha256:")]
    return bool(known) and pin.file is not None and f"sha256:{pin.file.sha256}" not in known


def _unknown_hash(pin: Pin, package: LockedPackage, manifest: Manifest, environment: Environment) -> Impossible:
    place = _place(package, manifest)
    return Impossible(
        kind=Kind.VERSION_GONE,
        message=(
            f"{place}: {pin} is locked by hash, and no file that the index serves for {environment} has such a hash"
        ),
        blamed=(package.name,),
        location=place,
        line=str(pin),
        hint=(
            f"lock {package.name} again for this platform; if it was locked for it, find out first why the index "
            "serves other bytes under the same version"
        ),
    )
