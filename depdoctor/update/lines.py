"""Which lines of a project hold a package at a version, what they would say instead, and how that is written."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from packaging.requirements import Requirement
from packaging.specifiers import Specifier, SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import Version

from depdoctor.model.graph import without_marker
from depdoctor.model.noun import dataclass
from depdoctor.model.project import CondaRequirement, DeclaredRequirement, Manifest
from depdoctor.model.reading import Reading
from depdoctor.model.update import Unmoved

Bounds = Mapping[NormalizedName, SpecifierSet]
"""What is asked of a package instead of the version that a line holds it at."""

_PINS = ("==", "===", "~=")
_UPPER = ("<", "<=")


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A line that holds a package at a version, in the manifest that it stands in."""

    line: DeclaredRequirement
    manifest: Manifest


def holding(reading: Reading, named: Collection[NormalizedName] = ()) -> Iterator[Held]:
    """The lines that hold a package back and may be changed.

    Those are pins (`==`, `~=`, `==1.*`); a range is what somebody meant, and moves only where its package is `named`.
    What a lockfile holds is not written by hand, and a line with hashes must be made anew by what made it.
    """
    for manifest in reading.manifests:
        if manifest.is_lock:
            continue
        for line in (*manifest.requirements, *manifest.constraints):
            if line.requirement.url or line.editable or line.hashes or not line.location.line:
                continue
            if pin(line) or (line.name in named and _uppers(line)):
                yield Held(line=line, manifest=manifest)


def unmoved(reading: Reading, named: Collection[NormalizedName] = ()) -> Iterator[Unmoved]:
    """The lines that hold versions and that nothing here moves: those with hashes (a row a file), and conda's own."""
    paths = {manifest.path for manifest in reading.manifests}
    for manifest in reading.manifests:
        if manifest.format == "requirements.txt" and f"{posixpath.splitext(manifest.path)[0]}.in" not in paths:
            hashed = [one for one in manifest.requirements if one.hashes and (not named or one.name in named)]
            if hashed:
                yield Unmoved(
                    location=hashed[0].location,
                    text=hashed[0].text,
                    reason="has hashes of its version, and what it was compiled from is not here: compile it again "
                    f"from its source (`uv pip compile SOURCE -o {shlex.quote(posixpath.basename(manifest.path))} "
                    f"--generate-hashes --upgrade-package {hashed[0].name}`)",
                    count=len(hashed),
                )
        for each in manifest.conda:
            if _of_conda(each) and (not named or each.name in named):
                yield Unmoved(
                    location=each.location,
                    text=f"{each.name}{each.constraint}",
                    reason="is a package of conda: its channels are not asked, only lines under `pip:` move "
                    f"(`conda search {shlex.quote(each.name)}` lists what there is)",
                )


def _of_conda(one: CondaRequirement) -> bool:
    """Whether a line holds a package of conda at a version (`=1.2`, `==1.2`, `1.2.*`); Python is no package here."""
    is_held = one.constraint.startswith("=") or one.constraint[:1].isdigit()
    return one.name != "python" and bool(one.location.line) and is_held


def pin(line: DeclaredRequirement) -> Specifier | None:
    """What pins the package of a line, None for nothing. Two pins of one line pin nothing that could be moved."""
    pins = [one for one in line.requirement.specifier if one.operator in _PINS and one.operator != "==="]
    return pins[0] if len(pins) == 1 and len(list(line.requirement.specifier)) == 1 else None


def base(one: Specifier) -> Version:
    """The version that a specifier names."""
    return Version(one.version.removesuffix(".*"))


def floor(line: DeclaredRequirement, locked: Version | None) -> Version | None:
    """Below what a package must not go: the version that is pinned, or that the project has now."""
    one = pin(line)
    if one is not None and one.operator == "==" and not one.version.endswith(".*"):
        return base(one)
    if locked is not None:
        return Version(locked.public)
    if one is not None:
        return base(one)
    return max((base(each) for each in line.requirement.specifier if each.operator in {">=", ">"}), default=None)


def loosened(reading: Reading, bounds: Bounds, named: Collection[NormalizedName] = ()) -> Reading:
    """The project with each of these packages held to its bounds alone, and without its lockfiles."""
    held = {(one.line.location, one.line.text) for one in holding(reading, named)}
    return _changed(
        reading, lambda line: _within(line, bounds[line.name], held) if line.name in bounds else line.requirement
    )


def moved(
    reading: Reading, targets: Mapping[NormalizedName, Version], named: Collection[NormalizedName] = ()
) -> Reading:
    """The project as its lines would be, and without its lockfiles."""
    held = {(one.line.location, one.line.text) for one in holding(reading, named)}

    def said(line: DeclaredRequirement) -> Requirement:
        target = targets.get(line.name)
        if target is None or (line.location, line.text) not in held:
            return line.requirement
        return _with(line.requirement, after(line, target))

    return _changed(reading, said)


def after(line: DeclaredRequirement, target: Version) -> SpecifierSet:
    """What a line would say to admit a version: a pin of the same kind, or a range with its upper end moved."""
    one = pin(line)
    if one is not None:
        if line.requirement.specifier.contains(target, prereleases=True):
            return line.requirement.specifier
        return SpecifierSet(f"{one.operator}{_like(one, target)}")
    if line.requirement.specifier.contains(target, prereleases=True):
        return line.requirement.specifier
    kept = [str(each) for each in line.requirement.specifier if each not in _uppers(line)]
    ends = (
        f"<={target.public}" if each.operator == "<=" else f"<{_next(target, len(base(each).release))}"
        for each in _uppers(line)
        if not each.contains(target, prereleases=True)
    )
    stays = (str(each) for each in _uppers(line) if each.contains(target, prereleases=True))
    return SpecifierSet(",".join([*kept, *ends, *stays]))


def written(text: str, line: DeclaredRequirement, target: Version) -> str | None:
    """A line of a file with what it says of a package changed; None where it cannot be found there.

    Only the version itself is replaced, so that quotes, markers, comments and the way of the file stay as they are.
    """
    name = re.search(_pattern(line.name), text, re.IGNORECASE)
    if name is None:
        return None
    head, rest = text[: name.end()], text[name.end() :]
    for old, new in _literals(line, target):
        found = re.search(rf"(?<![\w.]){re.escape(old)}(?![\w+]|\.[\w*])", rest)
        if found is None:
            return None
        rest = f"{rest[: found.start()]}{new}{rest[found.end() :]}"
    return head + rest


def _literals(line: DeclaredRequirement, target: Version) -> Iterator[tuple[str, str]]:
    """The versions to be written, each with what stands there now."""
    one = pin(line)
    if one is not None:
        yield one.version, _like(one, target)
        return
    for old in _uppers(line):
        if not old.contains(target, prereleases=True):
            new = target.public if old.operator == "<=" else _next(target, len(base(old).release))
            yield old.version, new


def _like(one: Specifier, target: Version) -> str:
    """A version as a pin writes it: with a local part only if it had one, and for a series as many numbers."""
    if one.version.endswith(".*"):
        return ".".join(map(str, _numbers(target, len(base(one).release)))) + ".*"
    if one.operator == "~=":
        return target.public if target.is_prerelease else ".".join(map(str, _numbers(target, len(base(one).release))))
    return str(target) if base(one).local else target.public


def _next(target: Version, numbers: int) -> str:
    """The first version after the series that a version belongs to, with so many numbers at most."""
    if numbers <= 1:
        return str(target.major + 1)
    return ".".join(map(str, (target.major + 1, *(0 for _ in range(numbers - 1)))))


def _numbers(target: Version, count: int) -> tuple[int, ...]:
    return (*target.release, *(0 for _ in range(count)))[:count]


def _pattern(name: NormalizedName) -> str:
    return r"(?<![\w.-])" + r"[-_.]+".join(map(re.escape, name.split("-"))) + r"(?![\w-])"


def _uppers(line: DeclaredRequirement) -> tuple[Specifier, ...]:
    return tuple(one for one in line.requirement.specifier if one.operator in _UPPER)


def _within(line: DeclaredRequirement, bounds: SpecifierSet, held: Collection[tuple[object, str]]) -> Requirement:
    if (line.location, line.text) not in held:
        return _with(line.requirement, line.requirement.specifier & bounds)
    kept = [] if pin(line) else [str(each) for each in line.requirement.specifier if each not in _uppers(line)]
    return _with(line.requirement, SpecifierSet(",".join(kept)) & bounds)


def _with(requirement: Requirement, specifier: SpecifierSet) -> Requirement:
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    marker = f"; {requirement.marker}" if requirement.marker else ""
    return Requirement(f"{requirement.name}{extras}{specifier}{marker}")


def _changed(reading: Reading, said: Callable[[DeclaredRequirement], Requirement]) -> Reading:
    def anew(lines: Iterable[DeclaredRequirement]) -> tuple[DeclaredRequirement, ...]:
        return tuple(_as(line, said(line)) for line in lines)

    return replace(
        reading,
        manifests=tuple(
            replace(one, requirements=anew(one.requirements), constraints=anew(one.constraints), packages=())
            for one in reading.manifests
            if not _only_locks(one)
        ),
    )


def _only_locks(manifest: Manifest) -> bool:
    """Whether a list of requirements is nothing but a lock that another file asks for."""
    return manifest.is_lock and manifest.format == "requirements.txt"


def _as(line: DeclaredRequirement, requirement: Requirement) -> DeclaredRequirement:
    if requirement is line.requirement or requirement == line.requirement:
        return line
    return replace(line, requirement=requirement, text=without_marker(requirement), hashes=())
