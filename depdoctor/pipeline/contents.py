"""`explain IMAGE`: what each package in an image is for, down to file and line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from depdoctor import rules
from depdoctor.errors import PlanFileError
from depdoctor.model.explanation import Contents, Purpose
from depdoctor.model.finding import Cause
from depdoctor.model.graph import chains
from depdoctor.model.inventory import Entry
from depdoctor.model.lock import Lock
from depdoctor.model.plan import Image, Plan
from depdoctor.model.project import DeclaredRequirement, Location, in_groups
from depdoctor.pipeline.scanning import LockedFleet
from depdoctor.pipeline.standing import Settings, committed_plan


def contents(fleet: LockedFleet, settings: Settings, what: str, package: str = "") -> Contents | None:
    """What an image of the committed plan holds, and why, or one package of it; None where there is none such.

    `what` is an image's name, or a reference that ends with it; a project of that name comes first where no package is
    named.
    """
    projects = {entry.project.name: entry for entry in fleet.inventory.entries}
    if package in projects or (what in projects and not package):
        return None
    try:
        plan = committed_plan(settings)
    except PlanFileError:
        return None
    name = what.partition("@")[0].rpartition("/")[2].partition(":")[0]
    found = [image for image in plan.images if what == image.project or name == image.name] if plan else []
    if not plan or not found or found[0].project not in projects:
        return None
    image = found[0]
    entry = projects[image.project]
    held = _purposes(fleet, plan, image, entry)
    wanted = canonicalize_name(package)
    if package:
        held = tuple(one for one in held if one.package == wanted)
    return Contents(image=image.name, project=image.project, base=image.base.pinned, purposes=held) if held else None


def _purposes(fleet: LockedFleet, plan: Plan, image: Image, entry: Entry) -> tuple[Purpose, ...]:
    """Every package of an image with the lines that lead to it, the heaviest first."""
    own = Lock(project=image.project, environment=image.environment, pins=plan.pins(image))
    entries, _, _ = fleet.locking.with_facts([Entry(reading=entry.reading, outcomes=(own,))], ())
    (lock,) = entries[0].locks
    groups = fleet.config.project(entry.project.root).groups
    return purposes(plan, image, lock, [one for one in entry.requirements() if in_groups(one.group, groups)])


def purposes(plan: Plan, image: Image, lock: Lock, declared: Sequence[DeclaredRequirement]) -> tuple[Purpose, ...]:
    """Every package of a lock with the declared lines that lead to it, the heaviest first.

    In an image without CUDA a line leads to the build that stands in for what it names.
    """
    renamed: dict[Location, str] = {}
    if image.variant:
        builds = {row.package: row.instead for row in rules.load().cpu_builds if row.instead in lock.by_name}
        renamed = {one.location: one.text for one in declared if one.name in builds}
        declared = [_as_built(one, builds) for one in declared]
    users = Counter(wheel for other in plan.images for layer in plan.layers(other) for wheel in layer.wheels)
    found = []
    for pin in lock.pins:
        causes = tuple(
            Cause(
                project=image.project,
                location=one.location,
                requirement=one.text,
                chain=(renamed[one.location], *chain) if one.location in renamed else chain,
            )
            for one, chain in sorted(
                chains(lock, declared, pin.name), key=lambda pair: (len(pair[1]), pair[0].location)
            )
        )
        others = users[pin.file.sha256] - 1 if pin.file else 0
        size = pin.unpacked_bytes or pin.download_bytes
        found.append(Purpose(package=pin.name, version=pin.version, size_bytes=size, others=others, causes=causes))
    return tuple(sorted(found, key=lambda one: (-one.size_bytes, one.package)))


def _as_built(line: DeclaredRequirement, builds: Mapping[NormalizedName, str]) -> DeclaredRequirement:
    """A line with the name of the build that stands in for what it asks for; its text stays."""
    if line.name not in builds:
        return line
    requirement = Requirement(str(line.requirement))
    requirement.name, requirement.extras = builds[line.name], set()
    return replace(line, requirement=requirement)
