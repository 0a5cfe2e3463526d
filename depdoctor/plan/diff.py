"""What changes from one plan to the next, and what that costs to push and to pull. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from packaging.utils import NormalizedName

from depdoctor.model.cost import ImageDiff, Move, PlanDiff
from depdoctor.model.distribution import Pin
from depdoctor.model.label import section_digest
from depdoctor.model.plan import Image, Layer, Plan


def diff(before: Plan, after: Plan) -> PlanDiff:
    """What `after` changes, image by image in order of their names."""
    old = {image.name: image for image in before.images}
    new = {image.name: image for image in after.images}
    pushed = {layer.key for node in before.nodes for layer in node.layers}
    changes: list[ImageDiff] = []
    for name in sorted(old.keys() | new.keys()):
        if name not in new:
            moves = _moves(_versions(before, old[name]), {})
            changes.append(ImageDiff(name=name, change="removed", moves=moves))
        elif name not in old or section_digest(before, old[name]) != section_digest(after, new[name]):
            changes.append(_image(before, old.get(name), after, new[name], pushed))
            pushed.update(layer.key for layer in after.layers(new[name]))
    return PlanDiff(images=tuple(changes), push_bytes=sum(change.push_bytes for change in changes))


def _image(before: Plan, old: Image | None, after: Plan, new: Image, pushed: set[str]) -> ImageDiff:
    packages = after.by_hash()
    chain = after.layers(new)
    had = before.layers(old) if old else ()
    held = {layer.key for layer in had}
    shared = 0
    if old and old.base == new.base:
        while shared < min(len(had), len(chain)) and had[shared].key == chain[shared].key:
            shared += 1
    return ImageDiff(
        name=new.name,
        change="changed" if old else "added",
        moves=_moves(_versions(before, old) if old else {}, _versions(after, new)),
        new_layers=sum(layer.parts for layer in chain if layer.key not in held),
        push_bytes=_bytes((layer for layer in chain if layer.key not in pushed), packages),
        fetch_bytes=_bytes((layer for layer in chain if layer.key not in held), packages),
        pull_bytes=_bytes(chain[shared:], packages),
    )


def _bytes(layers: Iterable[Layer], packages: Mapping[str, Pin]) -> int:
    return sum(packages[wheel].download_bytes for layer in layers for wheel in layer.wheels)


def _versions(plan: Plan, image: Image) -> dict[NormalizedName, str]:
    return {pin.name: str(pin.version) for pin in plan.pins(image)}


def _moves(before: Mapping[NormalizedName, str], after: Mapping[NormalizedName, str]) -> tuple[Move, ...]:
    """The packages that differ, by name."""
    return tuple(
        Move(name=name, before=before.get(name, ""), after=after.get(name, ""))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    )
