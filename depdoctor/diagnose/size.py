"""Images that are larger than where they must run can take."""

from __future__ import annotations

from collections.abc import Iterator

from depdoctor.diagnose.rule import Context, Rule
from depdoctor.diagnose.words import listed
from depdoctor.model.finding import Cause, Confidence, Evidence, Finding, Kind, default_severity
from depdoctor.model.graph import chains
from depdoctor.model.inventory import Entry
from depdoctor.model.lock import Lock
from depdoctor.model.target import Target

MOST_SAVINGS = 4
MB, GB = 10**6, 10**9


def check(context: Context) -> Iterator[Finding]:
    """Locks whose wheels, with the weights in the project's folder, are over what a target takes, base left out."""
    for entry in context.inventory.entries:
        for lock in entry.locks:
            for target in context.inventory.targets:
                if target.max_image_bytes is not None and target.platform == lock.environment.platform:
                    standing = _planned(context, lock, target)
                    yield from _too_large(context, entry, standing, target, target.max_image_bytes)


def _planned(context: Context, lock: Lock, target: Target) -> Lock:
    """The lock that a target is served by: that of another image of the same project where the plan says so."""
    for image in context.plan.images if context.plan else ():
        served = image.project == lock.project and target.name in image.targets
        if served and context.plan and (image.variant or image.environment != lock.environment):
            return Lock(project=lock.project, environment=image.environment, pins=context.plan.pins(image))
    return lock


def _too_large(context: Context, entry: Entry, lock: Lock, target: Target, most: int) -> Iterator[Finding]:
    sizes = {pin.name: pin.unpacked_bytes or pin.download_bytes for pin in lock.pins}
    weights = sum({one.sha256 or one.path: one.size_bytes for one in entry.reading.weights}.values())
    total = sum(sizes.values()) + weights
    if total <= most:
        return
    parts: list[tuple[int, str, tuple[str, ...]]] = [(weights, "weights kept outside the image", ())] if weights else []
    if not target.gpus and target.driver is None and target.driver_cuda is None:
        cuda = {name for name in sizes if (row := context.rules.cuda_package(name)) and row[0].role == "component"}
        if cuda:
            libraries = sum(sizes.pop(name) for name in cuda)
            parts.append((libraries, "builds without CUDA, as the target names no GPU", tuple(sorted(cuda))))
    parts += [(size, str(lock.by_name[name]), (name,)) for name, size in sizes.items()]
    parts.sort(key=lambda part: (-part[0], part[1]))
    needed, saved = 0, 0
    while needed < min(MOST_SAVINGS, len(parts)) and total - saved > most:
        saved += parts[needed][0]
        needed += 1
    named = listed(f"{what} ({_size(size)})" for size, what, _ in parts[:MOST_SAVINGS])
    enough = f"the largest {needed} are enough" if needed > 1 else "the first is enough"
    unknown = sum(not size for size in sizes.values())
    at_least = "at least " if unknown else ""
    largest = max(sizes, key=lambda name: (sizes[name], name), default=None)
    led = chains(lock, entry.requirements(), largest) if largest else ()
    yield Finding(
        kind=Kind.IMAGE_TOO_LARGE,
        severity=default_severity(Kind.IMAGE_TOO_LARGE),
        subject=entry.project.name,
        message=(
            f"the image of `{entry.project.name}` takes {at_least}{_size(total)} without its base, "
            f"and `{target.name}` takes {_size(most)}"
        ),
        hint=f"what would save most: {named}" + (f"; {enough}" if total - saved <= most else "; together not enough"),
        packages=tuple(sorted({name for _, _, names in parts[:needed] for name in names})),
        projects=(entry.project.name,),
        targets=(target.name,),
        causes=tuple(
            Cause(project=entry.project.name, location=one.location, requirement=chain[0], chain=chain)
            for one, chain in led[:1]
        ),
        evidence=(
            Evidence(
                fact=f"packages ({len(lock.pins)}) are {_size(total - weights)} once installed"
                + (f", weights {_size(weights)}" if weights else ""),
                source="the wheels' own directories",
                date=context.date,
                confidence=Confidence.PRIMARY,
            ),
        ),
    )


def _size(count: int) -> str:
    return f"{count / GB:.1f} GB" if count >= GB else f"{count / MB:.0f} MB"


RULE = Rule(
    kind=Kind.IMAGE_TOO_LARGE,
    title="An image is larger than its target takes",
    text="""\
Serverless platforms refuse images over a few GB, and boards at the edge have small disks: `max-image-bytes` of a
`[[target]]` says how much there is. What a project installs there, as the wheels themselves state it, and the weights
in its folder must fit. The base comes on top, and is not counted.

The hint names what would save most: weights kept outside, builds without CUDA where no GPU is named, the heaviest
packages.""",
    check=check,
)
