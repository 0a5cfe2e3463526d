"""Images as bars of layers, to scale: what images have in common stands first, at the same place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from depdoctor.model.distribution import Pin
from depdoctor.model.plan import Image, Node, Plan
from depdoctor.report.amounts import many, size
from depdoctor.report.html.elements import Markup, joined, scrolling, tag

MOST_NAMES = 6


def layers(plan: Plan | None) -> Markup:
    """Every image of a plan with its layers, sizes as downloaded."""
    if plan is None:
        return tag("p", "No plan stands beside the projects yet: ", tag("code", "depdoctor plan"), " makes one.")
    if not plan.images:
        return tag("p", "The plan has no image.")
    files = plan.by_hash()
    bytes_of = {node.key: sum(pin.download_bytes for pin in _pins(node, files)) for node in plan.nodes}
    users = Counter(node.key for image in plan.images for node in plan.path(image))
    largest = max(sum(bytes_of[node.key] for node in plan.path(image)) for image in plan.images) or 1
    ordered = sorted(plan.images, key=lambda image: _place(plan, image, users))
    stored = sum(bytes_of[node.key] for node in plan.nodes)
    alone = sum(bytes_of[node.key] for image in plan.images for node in plan.path(image))
    rows = [_row(image, plan, files, bytes_of, users, largest) for image in ordered]
    about = (
        f"{many(len(plan.images), 'image')}, without base and code: {size(stored) or '0 B'} stored, "
        f"{size(alone) or '0 B'} if nothing were shared. Full bars are shared with other images, hatched ones are not."
    )
    heads = [tag("th", name, scope="col") for name in ("image", "size", "of it shared", "layers, bottom first")]
    table = tag("table", tag("thead", tag("tr", heads)), tag("tbody", rows), class_="list bars", data_filter=True)
    return joined([tag("p", about), scrolling("Layers", table)])


def _place(plan: Plan, image: Image, users: Mapping[str, int]) -> tuple[object, ...]:
    """What sorts images of one branch beside one another, the largest branch first, and empty images last."""
    way = [(-users[node.key], node.key) for node in plan.path(image)]
    return (image.base, image.environment, not way, way, image.name)


def _row(
    image: Image,
    plan: Plan,
    files: Mapping[str, Pin],
    bytes_of: Mapping[str, int],
    users: Mapping[str, int],
    largest: int,
) -> Markup:
    path = plan.path(image)
    whole = sum(bytes_of[node.key] for node in path)
    shared = sum(bytes_of[node.key] for node in path if users[node.key] > 1)
    bar = [_segment(node, files, bytes_of[node.key], users[node.key], largest) for node in path]
    return tag(
        "tr",
        tag("th", image.name, scope="row"),
        tag("td", size(whole) or "0 B", class_="number"),
        tag("td", f"{shared / whole:.0%}" if whole else "", class_="number"),
        tag("td", tag("div", bar, class_="bar")),
    )


def _segment(node: Node, files: Mapping[str, Pin], count_bytes: int, shared_by: int, largest: int) -> Markup:
    pins = sorted(_pins(node, files), key=lambda pin: (-pin.download_bytes, pin.name))
    names = ", ".join(f"{pin.name} {pin.version}" for pin in pins[:MOST_NAMES])
    more = f" and {len(pins) - MOST_NAMES} more" if len(pins) > MOST_NAMES else ""
    who = f"shared by {shared_by}" if shared_by > 1 else "own"
    told = f"{size(count_bytes) or '0 B'} in {many(len(node.layers), 'layer')}, {who}: {names}{more}"
    return tag(
        "span",
        tag("span", told, class_="hidden"),
        class_="shared" if shared_by > 1 else "own",
        style=f"width:{100 * count_bytes / largest:.2f}%",
        title=told,
    )


def _pins(node: Node, files: Mapping[str, Pin]) -> list[Pin]:
    return [files[wheel] for layer in node.layers for wheel in layer.wheels]
