"""One project put together: each of its files read once, includes followed, every requirement in its group."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field, replace

from packaging.utils import canonicalize_name

from depdoctor.model.distribution import LockedPackage
from depdoctor.model.formats import CONDA_GROUP, DOCKERFILE, ENVIRONMENT, POETRY_LOCK, REQUIREMENTS, format_of
from depdoctor.model.local_package import PackageFacts
from depdoctor.model.noun import dataclass
from depdoctor.model.project import (
    DEFAULT_GROUP,
    UNSETTLED,
    CondaRequirement,
    DeclaredRequirement,
    Include,
    Location,
    Manifest,
    Problem,
    Project,
    UnreadableManifest,
)
from depdoctor.read.encoding import LEGACY
from depdoctor.read.errors import ManifestError
from depdoctor.read.groups import groups_of
from depdoctor.read.local_packages import Asked

FOLDER_MANIFESTS = ("pyproject.toml", "setup.cfg", "setup.py")
"""Where a folder that is required by its path says what it requires itself."""

_ABSENT = frozenset({"missing", "outside"})

_SETUPTOOLS = ("setup.cfg", "setup.py")

_GROUPED_BY_NAME = frozenset({REQUIREMENTS, DOCKERFILE, ENVIRONMENT})
"""Formats that know no groups: the name of the file says which one it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Use:
    """What a file is drawn in for: the group that asks, whether it only constrains, and of a folder the extras.

    `whole` uses take a manifest as it is; others take its default group (if `with_default`) and the extras.
    """

    group: str = DEFAULT_GROUP
    constrains: bool = False
    whole: bool = True
    with_default: bool = True
    extras: tuple[str, ...] = ()

    def takes(self, declared: DeclaredRequirement) -> bool:
        """Whether a requirement of the file counts for this use."""
        if self.whole:
            return True
        return (self.with_default and declared.group == DEFAULT_GROUP) or declared.group in self.groups

    @property
    def groups(self) -> frozenset[str]:
        return frozenset(f"extra:{extra}" for extra in self.extras)


@dataclass(slots=True, kw_only=True)
class Assembly:
    """Reads the manifests of a project. `open_text` gives a file's text and encoding or raises `ManifestError`."""

    project: Project
    open_text: Callable[[str], tuple[str, str]]
    readers: Mapping[str, Callable[[str, str], Manifest]]
    outside_allowed: bool = False
    _parsed: dict[str, Manifest] = field(default_factory=dict)
    _failed: dict[str, UnreadableManifest] = field(default_factory=dict)
    _uses: dict[str, dict[_Use, None]] = field(default_factory=dict)
    _problems: dict[str, dict[Problem, None]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    """The folders that are installed by their paths, as they are come upon."""

    def run(self) -> None:
        """Read everything, the default group first, so that what it holds is not repeated for other groups."""
        groups = dict(groups_of(self.project.manifests, self.project.root))
        groups |= dict.fromkeys(self._listed_twice(groups), CONDA_GROUP)
        for path in sorted(self.project.manifests, key=lambda path: (groups.get(path, DEFAULT_GROUP), path)):
            self._reach(path, _Use(group=groups.get(path, DEFAULT_GROUP)), ())

    def _listed_twice(self, groups: Mapping[str, str]) -> Iterator[str]:
        """The environment files that list most of what a requirements file lists, which is so installed either way."""
        default = [path for path in self.project.manifests if groups.get(path, DEFAULT_GROUP) == DEFAULT_GROUP]
        parsed = [manifest for path in default if (manifest := self._parse(path))]
        lists = [manifest for manifest in parsed if manifest.format == REQUIREMENTS and manifest.requirements]
        for manifest in parsed:
            if manifest.format == ENVIRONMENT:
                included = {include.path for include in manifest.includes}
                if any(one.path not in included and _lists_the_same(one, manifest) for one in lists):
                    yield manifest.path

    def manifests(self) -> Iterator[Manifest]:
        """What was read, in the order in which it was reached."""
        placed = [self._placed(self._parsed[path], uses) for path, uses in self._uses.items() if path in self._parsed]
        for manifest in placed:
            project = _beside(manifest, "pyproject.toml", placed)
            if manifest.format == POETRY_LOCK and project is not None:
                folder = posixpath.dirname(manifest.path)
                from depdoctor.read import poetry_lock

                yield poetry_lock.with_root(manifest, project, f"./{folder}" if folder else ".")
                continue
            compiled = _is_compiled(manifest, placed) or _is_overruled(manifest, placed)
            yield replace(manifest, requirements=()) if compiled else _without_solved(manifest, placed)

    def facts(self, folder: str) -> list[PackageFacts]:
        """What the manifests of a folder say of it as a package."""
        paths = (posixpath.normpath(posixpath.join(folder, name)) for name in FOLDER_MANIFESTS)
        manifests = [self._parsed[path] for path in paths if path in self._parsed]
        return [manifest.package for manifest in manifests if manifest.package]

    def unreadable(self) -> Iterator[UnreadableManifest]:
        """What could not be read, without includes that are not there: those are problems of the including file."""
        for path, failed in sorted(self._failed.items()):
            if path in self.project.manifests or failed.problem.kind not in _ABSENT:
                yield replace(failed, groups=_drawing(self._uses[path]))

    def _reach(self, path: str, use: _Use, above: tuple[str, ...]) -> Manifest | None:
        """Read a file and what it includes for a use, unless that is done."""
        uses = self._uses.setdefault(path, {})
        manifest = self._parse(path)
        if use in uses or replace(use, group=DEFAULT_GROUP) in uses:
            return manifest
        uses[use] = None
        for include in manifest.includes if manifest else ():
            if use.whole or include.group == DEFAULT_GROUP or include.group in use.groups:
                self._follow(include, use, (*above, path))
        return manifest

    def _follow(self, include: Include, use: _Use, above: tuple[str, ...]) -> None:
        group = include.group if use.whole and include.group else use.group
        if include.role in {"project", "member"}:
            self._folder(include, group, above)
            return
        if include.path in above:
            self._problem(include, f"`{include.path}` includes itself", "cycle")
            return
        inner = _Use(group=group, constrains=use.constrains or include.role == "constraints")
        path = self._in_context(include)
        if self._reach(path, inner, above) is None:
            failed = self._failed[path].problem
            if failed.kind in _ABSENT:
                docker = format_of(include.location.path) == DOCKERFILE and failed.kind == "missing"
                reason = "is not there: is it made by the build, or in another context?" if docker else failed.reason
                self._problem(include, f"`{include.path}` {reason}", failed.kind)

    def _in_context(self, include: Include) -> str:
        """The path of an include; of a Dockerfile's, from the nearest folder above it that may be the build context."""
        if format_of(include.location.path) != DOCKERFILE:
            return include.path
        context = posixpath.dirname(include.location.path)
        inner = posixpath.relpath(include.path, context or ".")
        while self._parse(posixpath.join(context, inner)) is None and context:
            context = posixpath.dirname(context)
        found = posixpath.join(context, inner)
        return found if found in self._parsed else include.path

    def _folder(self, include: Include, group: str, above: tuple[str, ...]) -> None:
        """Draw in what a folder requires, and what the extras of it that are asked for do."""
        folder = include.path if include.role == "project" else self._member(include.path)
        if folder is None:
            self._problem(include, f"no member of the workspace is called `{include.path}`", "missing")
            return
        own = folder == self.project.root
        asked = Asked(folder=folder, group=group, location=include.location)
        if own and not include.extras:
            self.asked.append(asked)
            return  # read anyway
        use = _Use(group=group, whole=False, with_default=not own, extras=include.extras)
        paths = [posixpath.normpath(posixpath.join(folder, name)) for name in FOLDER_MANIFESTS]
        listed = ", ".join(FOLDER_MANIFESTS)
        read = [path for path in paths if path in above or self._reach(path, use, above) is not None]
        if read or own:
            self.asked.append(asked)
        else:
            self._problem(include, f"the folder `{folder}` has no {listed}, or is not there", "missing")

    def _member(self, name: str) -> str | None:
        """The folder of a workspace member by its normalized name."""
        for folder in self.project.workspace:
            manifest = self._parse(posixpath.normpath(posixpath.join(folder, "pyproject.toml")))
            if manifest and canonicalize_name(manifest.name) == name:
                return folder
        return None

    def _parse(self, path: str) -> Manifest | None:
        if path in self._parsed or path in self._failed:
            return self._parsed.get(path)
        format_name = format_of(path) or REQUIREMENTS
        try:
            text, encoding = self.open_text(path)
            _refuse_unsettled(text)
            manifest = self.readers[format_name](text, path)
            self._parsed[path] = _with_outside(manifest) if self.outside_allowed else manifest
        except ManifestError as error:
            location = Location(path=path, line=error.line)
            problem = Problem(location=location, reason=error.message, hint=error.hint, kind=error.kind)
            self._failed[path] = UnreadableManifest(path=path, format=format_name, problem=problem)
            return None
        if encoding == LEGACY:
            reason = f"not UTF-8, so it was read as {LEGACY}"
            problem = Problem(location=Location(path=path), reason=reason, hint="save it as UTF-8", kind="encoding")
            self._problems.setdefault(path, {})[problem] = None
        return self._parsed[path]

    def _problem(self, include: Include, reason: str, kind: str) -> None:
        problem = Problem(location=include.location, reason=reason, kind=kind)
        self._problems.setdefault(include.location.path, {})[problem] = None

    def _placed(self, manifest: Manifest, uses: Mapping[_Use, None]) -> Manifest:
        """A manifest as this project uses it: its requirements once per group that draws them in."""
        requirements: dict[int, list[DeclaredRequirement]] = {False: [], True: []}
        for use in uses:
            for declared in filter(use.takes, manifest.requirements):
                own_group = use.whole and manifest.format not in _GROUPED_BY_NAME
                placed = declared if own_group else replace(declared, group=use.group)
                requirements[use.constrains].append(placed)
        return replace(
            manifest,
            includes=tuple(dict.fromkeys(_included(manifest, uses))),
            groups=_drawing(uses),
            requirements=tuple(requirements[False]),
            constraints=(*manifest.constraints, *requirements[True]),
            conda=self._conda(manifest, uses),
            packages=tuple(self._rooted(package, manifest) for package in manifest.packages),
            problems=(*manifest.problems, *self._problems.get(manifest.path, ())),
        )

    @staticmethod
    def _conda(manifest: Manifest, uses: Mapping[_Use, None]) -> tuple[CondaRequirement, ...]:
        if manifest.format != ENVIRONMENT:
            return manifest.conda
        return tuple(replace(one, group=use.group) for use in uses for one in manifest.conda)

    def _rooted(self, package: LockedPackage, manifest: Manifest) -> LockedPackage:
        """A package of a lockfile that several projects share, marked if it is this project."""
        folder = posixpath.dirname(manifest.path) or "."
        if folder == self.project.root or not package.source:
            return package
        is_root = posixpath.normpath(package.source) == self.project.root
        return package if is_root == package.is_root else replace(package, is_root=is_root)


def _drawing(uses: Iterable[_Use]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(use.group for use in uses))


def _included(manifest: Manifest, uses: Iterable[_Use]) -> Iterator[Include]:
    """What a manifest draws in, once per group that does so."""
    for use in uses:
        for include in manifest.includes:
            if use.whole or include.group == DEFAULT_GROUP or include.group in use.groups:
                yield include if use.whole and include.group else replace(include, group=use.group)


def _lists_the_same(requirements: Manifest, environment: Manifest) -> bool:
    asked = {one.name for one in requirements.requirements}
    others = {one.name for one in environment.requirements} | {canonicalize_name(one.name) for one in environment.conda}
    others -= {"python", "pip"}
    return bool(others) and 2 * len(asked & others) >= min(len(asked), len(others))


def _refuse_unsettled(text: str) -> None:
    """Raise `ManifestError` for a file with the marks that git leaves where two sides of a merge differ."""
    if "<<<<<<< " not in text:
        return
    lines = text.splitlines()
    start = next((number for number, line in enumerate(lines, 1) if line.startswith("<<<<<<< ")), 0)
    if start and any(line.startswith(">>>>>>> ") for line in lines[start:]):
        message, hint = "holds the marks of a merge that is not settled", "take what is meant of both sides"
        raise ManifestError(message, line=start, hint=hint, kind=UNSETTLED)


def _with_outside(manifest: Manifest) -> Manifest:
    """A manifest for which files outside of the scan root are files like any others."""
    if not manifest.outside:
        return manifest
    places = {include.location for include in manifest.outside}
    left = tuple(each for each in manifest.problems if each.kind != "outside" or each.location not in places)
    return replace(manifest, includes=(*manifest.includes, *manifest.outside), outside=(), problems=left)


def _is_compiled(manifest: Manifest, manifests: list[Manifest]) -> bool:
    """Whether a requirements file is the lock of what others declare, so that its lines are no declarations.

    It is where it lies beside a `.in` file of its name, or pins all that another manifest declares for the same group.
    """
    if manifest.format != REQUIREMENTS or not manifest.is_lock:
        return False
    pinned = {package.name for package in manifest.packages}
    groups = {declared.group for declared in manifest.requirements}
    stem = posixpath.splitext(manifest.path)[0]
    for other in manifests:
        if other is manifest or other.is_lock:
            continue
        declared = {requirement.name for requirement in other.requirements if requirement.group in groups}
        if other.path == f"{stem}.in" or (declared and declared <= pinned):
            return True
    return False


def _beside(manifest: Manifest, name: str, manifests: list[Manifest]) -> Manifest | None:
    """Another manifest of the same folder, by its file name."""
    path = posixpath.join(posixpath.dirname(manifest.path), name)
    return next((other for other in manifests if other.path == path), None)


def _is_overruled(manifest: Manifest, manifests: list[Manifest]) -> bool:
    """Whether setuptools looks past a `setup.cfg` or `setup.py`, since `pyproject.toml` leaves nothing dynamic."""
    if manifest.format not in _SETUPTOOLS:
        return False
    project = _beside(manifest, "pyproject.toml", manifests)
    return project is not None and bool(project.name) and not any(each.kind == "dynamic" for each in project.problems)


def _without_solved(manifest: Manifest, manifests: list[Manifest]) -> Manifest:
    """A `pyproject.toml` without the problem of being dynamic, where a file beside it tells what it leaves open."""
    if manifest.format != "pyproject.toml" or not any(_beside(manifest, name, manifests) for name in _SETUPTOOLS):
        return manifest
    return replace(manifest, problems=tuple(each for each in manifest.problems if each.kind != "dynamic"))
