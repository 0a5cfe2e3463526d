"""Lockfiles that no longer hold what the manifests beside them ask for."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from depdoctor.diagnose.listed_twice import parted
from depdoctor.diagnose.rule import Context, Rule
from depdoctor.diagnose.words import listed
from depdoctor.model.distribution import LockedPackage
from depdoctor.model.finding import Cause, Finding, Kind, Severity
from depdoctor.model.graph import without_marker
from depdoctor.model.inventory import Entry
from depdoctor.model.noun import dataclass
from depdoctor.model.project import DEFAULT_GROUP, DeclaredRequirement, Location, Manifest

LOCKED_BY: Mapping[str, tuple[str, str]] = {
    "uv.lock": ("pyproject.toml", "uv lock"),
    "poetry.lock": ("pyproject.toml", "poetry lock"),
    "pdm.lock": ("pyproject.toml", "pdm lock"),
    "Pipfile.lock": ("Pipfile", "pipenv lock"),
    "pylock.toml": ("pyproject.toml", "uv export or pip lock"),
    "requirements.txt": ("requirements.txt", "pip-compile or uv pip compile"),
}
"""The format that each lockfile is made from, and what makes it anew."""

MOST_TOLD = 3
"""Lines that a message names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A line that a lockfile does not hold, what it has instead, and where.

    It is `broken` if what is locked is not what is asked for, and else has only moved.
    """

    line: DeclaredRequirement | None
    name: NormalizedName
    instead: str
    place: Location
    broken: bool


def check(context: Context) -> Iterator[Finding]:
    """One finding for each lockfile and manifest that have parted."""
    for entry in context.inventory.entries:
        yield from parted(entry)
        for lock in entry.reading.manifests:
            if lock.packages and lock.format in LOCKED_BY:
                for manifest in _locked(entry, lock):
                    if gaps := tuple(_gaps(entry, lock, manifest)):
                        yield _finding(entry, lock, manifest, gaps)
                    elif lock.digests and manifest.digests and set(lock.digests).isdisjoint(manifest.digests):
                        yield _of_another(entry, lock, manifest)


def _locked(entry: Entry, lock: Manifest) -> Iterator[Manifest]:
    """The manifests that a lockfile is made from."""
    wanted = LOCKED_BY[lock.format][0]
    stem, ending = posixpath.splitext(lock.path)
    for manifest in entry.reading.manifests:
        if manifest.format != wanted or manifest is lock or not manifest.requirements:
            continue
        if lock.format == "requirements.txt":
            if ending == ".txt" and manifest.path == f"{stem}.in":
                yield manifest
        elif lock.format == "uv.lock":
            if _own(lock, manifest):
                yield manifest
        elif posixpath.dirname(manifest.path) == posixpath.dirname(lock.path):
            yield manifest


def _own(lock: Manifest, manifest: Manifest) -> LockedPackage | None:
    """The package of a lockfile that is the project of a manifest."""
    name = canonicalize_name(manifest.name)
    return next((one for one in lock.packages if one.name == name and (one.is_root or one.declared is not None)), None)


def _gaps(entry: Entry, lock: Manifest, manifest: Manifest) -> Iterator[Gap]:
    by_name: dict[NormalizedName, list[LockedPackage]] = defaultdict(list)
    for package in lock.packages:
        by_name[package.name].append(package)
    overridden = {line.name for one in entry.reading.manifests for line in one.overrides}
    own = {canonicalize_name(one.name) for one in entry.reading.manifests if one.name}
    then = _declared_then(lock, manifest)
    lines = [line for line in manifest.requirements if line.name not in overridden | own and not line.requirement.url]
    for line in lines:
        packages = by_name.get(line.name, [])
        place = Location(path=lock.path, line=packages[0].line if packages else 0)
        if not packages:
            if line.group == DEFAULT_GROUP and line.requirement.marker is None:
                yield Gap(line=line, name=line.name, instead="not there", place=place, broken=True)
        elif not any(_meets(package, line.requirement) for package in packages):
            has = f"locked at {listed((package.version for package in packages), 'or')}"
            yield Gap(line=line, name=line.name, instead=has, place=place, broken=True)
        elif then is not None and not any(_same(line.requirement, one) for one in then.get(line.name, ())):
            was = listed((f"`{one}`" for one in then.get(line.name, ())), "or")
            yield Gap(line=line, name=line.name, instead=f"was {was}" if was else "is new", place=place, broken=False)
    named = {line.name for line in manifest.requirements}
    project = _own(lock, manifest)
    for name in sorted((then or {}).keys() - named - own):
        place = Location(path=lock.path, line=project.line if project else 0)
        yield Gap(line=None, name=name, instead="is asked for no more", place=place, broken=False)


def _declared_then(lock: Manifest, manifest: Manifest) -> Mapping[NormalizedName, Sequence[Requirement]] | None:
    """What the manifest declared when it was locked; None where the lockfile does not say, or only code would tell."""
    package = _own(lock, manifest)
    if package is None or package.declared is None or any(one.kind == "dynamic" for one in manifest.problems):
        return None
    found: dict[NormalizedName, list[Requirement]] = defaultdict(list)
    for requirement in package.declared:
        found[canonicalize_name(requirement.name)].append(requirement)
    return found


def _meets(package: LockedPackage, requirement: Requirement) -> bool:
    return bool(package.source) or requirement.specifier.contains(package.version, prereleases=True)


def _same(now: Requirement, then: Requirement) -> bool:
    """Whether a line stands as it did; one that had no version may come from a place of its own by now."""
    extras = {canonicalize_name(extra) for extra in now.extras}
    return extras == then.extras and (now.specifier == then.specifier or not then.specifier)


def _finding(entry: Entry, lock: Manifest, manifest: Manifest, gaps: Sequence[Gap]) -> Finding:
    broken = [gap for gap in gaps if gap.broken]
    told = broken or list(gaps)
    names = [f"`{_text(gap)}` ({gap.instead})" for gap in told[:MOST_TOLD]]
    more = f" and {len(told) - MOST_TOLD} more" if len(told) > MOST_TOLD else ""
    verb = "does not hold what" if broken else "was made before"
    ending = "asks for" if broken else "changed"
    name = entry.project.name
    causes = {Cause(project=name, location=gap.place, requirement=str(gap.name)) for gap in told if gap.place.line}
    causes |= {
        Cause(project=name, location=gap.line.location, requirement=gap.line.text, chain=(_text(gap),))
        for gap in told
        if gap.line
    }
    return Finding(
        kind=Kind.LOCK_DRIFT,
        severity=Severity.ERROR if broken else Severity.WARNING,
        subject=told[0].name,
        message=f"{lock.path} {verb} {manifest.path} {ending}: {listed(names)}{more}",
        hint=f"lock anew with {LOCKED_BY[lock.format][1]}: what is installed is what the lockfile says",
        packages=tuple(sorted({gap.name for gap in told})),
        projects=(name,),
        causes=tuple(sorted(causes)),
    )


def _of_another(entry: Entry, lock: Manifest, manifest: Manifest) -> Finding:
    """The lockfile still serves every line, and yet says that it was made from another manifest."""
    name = entry.project.name
    return Finding(
        kind=Kind.LOCK_DRIFT,
        severity=Severity.WARNING,
        subject=name,
        message=f"{lock.path} was made before {manifest.path} changed: its content hash is of another one",
        hint=f"lock anew with {LOCKED_BY[lock.format][1]}",
        projects=(name,),
        causes=(
            Cause(project=name, location=Location(path=lock.path), requirement=f"content-hash {lock.digests[0][:12]}"),
            Cause(project=name, location=Location(path=manifest.path), requirement=manifest.path),
        ),
    )


def _text(gap: Gap) -> str:
    return without_marker(gap.line.requirement) if gap.line else str(gap.name)


RULE = Rule(
    kind=Kind.LOCK_DRIFT,
    title="A lockfile no longer holds what the manifest asks for",
    text="""\
Somebody changed a manifest and did not lock anew, or the other way round. What is installed is what the lockfile says,
or the installer refuses: neither is what the manifest says now. It is an error where a locked version is not what is
asked for, and a warning where it still is but the manifest has moved since (uv.lock tells, and the content hash of a
poetry.lock, pdm.lock or Pipfile.lock). Lock anew, and commit both files together.

An environment file of conda and a requirements file that list the same packages are two ways to one environment, as
mlflow writes them beside a model. It is a warning where they pin other versions: what is installed depends on which of
the two is used.""",
    check=check,
)
