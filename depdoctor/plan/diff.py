"""What changes from one plan to the next, and what that costs to push and to pull. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from packaging.utils import NormalizedName

from depdoctor.model.cost import ImageDiff, Move, PlanDiff
from depdoctor.model.label import section_digest, weights_label
from depdoctor.model.plan import Image, Plan
from depdoctor.model.weights import Keep, layered

Sized = tuple[str, int, int]
"""A layer: its key, its bytes as downloaded, and how many blobs it is."""


def diff(before: Plan, after: Plan) -> PlanDiff:
    """What `after` changes, image by image in order of their names."""
    old = {image.name: image for image in before.images}
    new = {image.name: image for image in after.images}
    pushed = {key for image in before.images for key, _, _ in _chain(before, image)}
    changes: list[ImageDiff] = []
    for name in sorted(old.keys() | new.keys()):
        if name not in new:
            moves = _moves(_versions(before, old[name]), {})
            changes.append(ImageDiff(name=name, change="removed", moves=moves))
        elif name not in old or section_digest(before, old[name]) != section_digest(after, new[name]):
            changes.append(_image(before, old.get(name), after, new[name], pushed))
            pushed.update(key for key, _, _ in _chain(after, new[name]))
    return PlanDiff(images=tuple(changes), push_bytes=sum(change.push_bytes for change in changes))


def _image(before: Plan, old: Image | None, after: Plan, new: Image, pushed: set[str]) -> ImageDiff:
    chain = _chain(after, new)
    had = _chain(before, old) if old else ()
    held = {key for key, _, _ in had}
    shared = 0
    if old and old.base == new.base:
        while shared < min(len(had), len(chain)) and had[shared] == chain[shared]:
            shared += 1
    return ImageDiff(
        name=new.name,
        change="changed" if old else "added",
        moves=_moves(_versions(before, old) if old else {}, _versions(after, new)),
        besides=tuple(_besides(old, new)) if old else (),
        new_layers=sum(blobs for key, _, blobs in chain if key not in held),
        push_bytes=sum(size for key, size, _ in chain if key not in pushed),
        fetch_bytes=sum(size for key, size, _ in chain if key not in held),
        pull_bytes=sum(size for _, size, _ in chain[shared:]),
    )


def _chain(plan: Plan, image: Image) -> tuple[Sized, ...]:
    """The layers of packages and weights of an image, bottom first."""
    packages = plan.by_hash()
    wheels = tuple(
        (layer.key, sum(packages[wheel].download_bytes for wheel in layer.wheels), layer.parts)
        for layer in plan.layers(image)
    )
    groups = layered(image.weights) if image.keep is Keep.LAYER else ()
    weights = tuple((weights_label(files), sum(one.size_bytes for one in files), 1) for files in groups)
    return (*wheels, *weights)


def _besides(old: Image, new: Image) -> Iterator[str]:
    """What else than packages differs between two images of one name, in words."""
    if old.base != new.base:
        yield f"base {old.base.pinned} → {new.base.pinned}"
    if old.environment != new.environment:
        yield f"{old.environment} → {new.environment}"
    if (old.weights, old.keep) != (new.weights, new.keep):
        changed = sorted({one.path for one in set(old.weights) ^ set(new.weights)})
        yield f"weights {', '.join(changed)}" if changed else f"weights kept as {new.keep}"
    if old.model_version != new.model_version:
        yield f"model version {old.model_version or '(none)'} → {new.model_version or '(none)'}"
    if old.system_packages != new.system_packages:
        yield f"system packages {', '.join(sorted(set(old.system_packages) ^ set(new.system_packages)))}"
    if (old.command, old.port, old.health) != (new.command, new.port, new.health):
        yield "how it is started"
    if old.code != new.code:
        yield f"code {old.code} → {new.code}"
    if old.local != new.local:
        yield f"folders {_folders(old)} → {_folders(new)}"


def _versions(plan: Plan, image: Image) -> dict[NormalizedName, str]:
    return {pin.name: str(pin.version) for pin in plan.pins(image)}


def _moves(before: Mapping[NormalizedName, str], after: Mapping[NormalizedName, str]) -> tuple[Move, ...]:
    """The packages that differ, by name."""
    return tuple(
        Move(name=name, before=before.get(name, ""), after=after.get(name, ""))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    )


def _folders(image: Image) -> str:
    told = (
        one.folder if one.module else f"{one.folder} ({one.name} {one.version}, {one.source})" for one in image.local
    )
    return ", ".join(told) or "none"
