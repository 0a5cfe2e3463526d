"""The committed plan against what projects declare now: a plan that does not serve a line is out of date."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from depdoctor.diagnose.rule import Context
from depdoctor.model.finding import Cause, Confidence, Evidence, Finding, Kind, Severity
from depdoctor.model.graph import holds, without_marker
from depdoctor.model.inventory import Entry
from depdoctor.model.project import DEFAULT_GROUP, DeclaredRequirement, Location

if TYPE_CHECKING:
    from depdoctor.model.plan import Image, Plan

MOST_NAMED = 3
"""Requirements that a message names."""


def stale_plan(context: Context, path: str) -> Iterator[Finding]:
    """A finding for each project that the plan at `path` does not know, or whose image lacks what its lines ask for."""
    if context.plan is None:
        return
    images = {image.project: image for image in context.plan.images if not image.variant}
    skipped = {one.project for one in context.plan.skipped}
    for entry in context.inventory.entries:
        image = images.get(entry.project.name)
        if image is None:
            if entry.project.name not in skipped:
                yield _unplanned(entry, path)
            continue
        asked = dict(_unserved(context.plan, image, entry))
        if asked:
            yield _finding(context, image, asked, path)


def _unplanned(entry: Entry, path: str) -> Finding:
    name = entry.project.name
    return Finding(
        kind=Kind.LOCK_DRIFT,
        severity=Severity.ERROR,
        subject=path,
        message=f"the committed plan does not know the project {name}",
        hint=f"run `depdoctor plan` and commit {path} with the change",
        projects=(name,),
        causes=tuple(
            Cause(project=name, location=Location(path=manifest), requirement="")
            for manifest in entry.project.manifests
        ),
    )


def _finding(context: Context, image: Image, asked: Mapping[NormalizedName, Cause], path: str) -> Finding:
    names = tuple(asked)
    texts = ", ".join(f"`{cause.chain[0]}`" for cause in list(asked.values())[:MOST_NAMED])
    more = f" and {len(asked) - MOST_NAMED} more" if len(asked) > MOST_NAMED else ""
    return Finding(
        kind=Kind.LOCK_DRIFT,
        severity=Severity.ERROR,
        subject=names[0],
        message=f"the committed plan does not have what {image.project} asks for: {texts}{more}",
        hint=f"run `depdoctor plan` and commit {path} with the change",
        packages=names,
        projects=(image.project,),
        causes=tuple(asked.values()),
        evidence=(
            Evidence(
                fact=f"{path} has {_planned(context.plan, image, names[0])}",
                source="the committed plan",
                date=context.date,
                confidence=Confidence.PRIMARY,
            ),
        ),
    )


def _unserved(plan: Plan, image: Image, entry: Entry) -> Iterator[tuple[NormalizedName, Cause]]:
    """Lines and pins of lockfiles that the image does not have, by package."""
    planned: dict[NormalizedName, Version | None] = {pin.name: pin.version for pin in plan.pins(image)}
    planned |= _provided(image)
    for line in entry.requirements():
        if not _serves(planned, image, line):
            text = without_marker(line.requirement)
            yield line.name, Cause(project=image.project, location=line.location, requirement=line.text, chain=(text,))
    lockfiles = [manifest for manifest in entry.reading.manifests if manifest.is_lock]
    # of several lockfiles only a resolver's answer would tell which one the plan follows
    for package in lockfiles[0].packages if len(lockfiles) == 1 else ():
        moved = planned.get(package.name, package.version) != package.version
        if moved and not package.source and holds(package.marker, image.environment):
            text = f"{package.name}=={package.version}"
            location = Location(path=lockfiles[0].path, line=package.line)
            yield package.name, Cause(project=image.project, location=location, requirement=text, chain=(text,))


def _provided(image: Image) -> Iterator[tuple[NormalizedName, Version | None]]:
    """What comes with the base, each with its version where that is known."""
    for text in image.provided:
        brought = Requirement(text)
        exact = next((Version(one.version) for one in brought.specifier if one.operator == "=="), None)
        yield canonicalize_name(brought.name), exact


def _serves(planned: Mapping[NormalizedName, Version | None], image: Image, line: DeclaredRequirement) -> bool:
    """Whether an image has what a line asks for; lines that name no version by index cannot be held against it."""
    if line.group != DEFAULT_GROUP or line.requirement.url or not holds(line.requirement.marker, image.environment):
        return True
    if line.name not in planned:
        return False
    version = planned[line.name]
    return version is None or line.requirement.specifier.contains(version, prereleases=True)


def _planned(plan: Plan | None, image: Image, name: str) -> str:
    pins = plan.pins(image) if plan else ()
    return next((str(pin) for pin in pins if pin.name == name), f"no {name} for {image.name}")
