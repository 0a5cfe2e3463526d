"""The tree of layers with its bytes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from depdoctor.model.alignment import Advice
from depdoctor.model.cohort import cohorts
from depdoctor.model.cost import Costs, ImageCost, LayoutCost, PlanDiff
from depdoctor.model.distribution import Pin
from depdoctor.model.finding import Diagnosis, Finding
from depdoctor.model.memory import Need
from depdoctor.model.plan import Image, Node, Plan
from depdoctor.report.amounts import many, size
from depdoctor.report.console import findings as detailed

MOST_NAMES = 4
MOST_MOVES = 8
MOST_IMAGES = 12
MOST_FINDINGS = 5

LEAST_LARGEST = 24
"""Columns that the largest packages of an image are worth showing in."""

PULL_BYTES_PER_S = 100_000_000
"""What a link of 1 Gbit/s brings."""


def plan(  # noqa: PLR0913 - all that a plan tells, by name
    console: Console,
    made: Plan,
    costs: Costs,
    *,
    path: str,
    state: str,
    advice: Sequence[Advice] = (),
    afresh: LayoutCost | None = None,
    needs: Sequence[Need] = (),
    findings: Sequence[Finding] = (),
) -> None:
    """Print the tree of layers, who shares what, what each image takes, and what is saved against one image each."""
    for tree in _trees(made):
        console.print(tree)
    for cohort in cohorts(made)[1:]:
        names = ", ".join(cohort.images[:MOST_NAMES]) + (" ..." if len(cohort.images) > MOST_NAMES else "")
        console.print(Text.assemble(("apart ", "cyan"), names, (f": {cohort.apart}", "dim")))
    for image in made.images:
        if image.why:
            console.print(Text.assemble(("variant ", "cyan"), image.name, (f": {image.why}", "dim")))
    for one in made.skipped:
        where = f" on {', '.join(one.targets)}" if one.targets else ""
        console.print(Text.assemble(("no image for ", "yellow"), f"{one.project}{where}", (f": {one.reason}", "dim")))
    console.print()
    _aligned(console, made, advice)
    if costs.images:
        console.print(_images(costs, console.width))
        console.print(Text(PULLS, style="dim"))
        console.print()
    _memory(console, needs)
    if costs.images:
        console.print(_costs(costs))
        if afresh:
            console.print(Text(_distance(costs.planned, afresh), style="dim"))
        console.print()
    _wrong(console, findings)
    console.print(Text.assemble((path, "bold"), f" {state}"))


def _wrong(console: Console, found: Sequence[Finding]) -> None:
    """Print what stands in the way of these images, worst first, a few in full."""
    detailed(console, Diagnosis(findings=tuple(found[:MOST_FINDINGS]), rules_run=()))
    if len(found) > MOST_FINDINGS:
        console.print(Text(f"and {many(len(found) - MOST_FINDINGS, 'finding')} more: `depdoctor scan` tells all\n"))


def _aligned(console: Console, made: Plan, advice: Sequence[Advice]) -> None:
    """Print which versions moved so that images share more, and what an edit would allow."""
    heaviest = sorted(made.moves, key=lambda move: (-move.saved_bytes, move.package))[:MOST_MOVES]
    if heaviest:
        saved = sum(move.saved_bytes for move in made.moves)
        console.print(Text.assemble(("aligned ", "bold"), f"{size(saved)} less in all images together"))
    for move in heaviest:
        many = f"{len(move.projects)} projects" if len(move.projects) > 1 else move.projects[0]
        line = f"  {move.package} {move.before or '(none)'} → {move.after or '(none)'} in {many}, {move.reason}"
        console.print(Text.assemble(line, (f"  {_signed(move.saved_bytes)}", "dim")))
    if len(made.moves) > len(heaviest):
        console.print(Text(f"  and {len(made.moves) - len(heaviest)} more, in the plan file", style="dim"))
    for line in dict.fromkeys(map(_advised, advice)):
        console.print(Text(f"  {line}", style="cyan"))
    if heaviest or advice:
        console.print()


def _signed(saved_bytes: int) -> str:
    return f"-{size(saved_bytes)}" if saved_bytes > 0 else f"+{size(-saved_bytes)}" if saved_bytes else ""


def _advised(one: Advice) -> str:
    """One advice in words."""
    if not one.edits:
        who = f"{len(one.projects)} projects" if len(one.projects) > 1 else f"`{one.projects[0]}`"
        way = f"{one.package} {one.before} to {one.after}"
        return f"`--align deep` would take {who} from {way}: {size(one.saved_bytes)} less"
    named = [f"`{edit.project}` ({edit.location})" for edit in one.edits]
    shown = ", ".join(named[:MOST_NAMES]) + (f" and {len(named) - MOST_NAMES} more" if len(named) > MOST_NAMES else "")
    return (
        f"if {shown} allowed {one.package} {one.after} instead of {one.before}, {size(one.saved_bytes)} would be saved"
    )


def diff(console: Console, change: PlanDiff) -> None:
    """Print what changes from the committed plan, image by image."""
    for image in change.images:
        cost = f"  {many(image.new_layers, 'new layer')}, {size(image.push_bytes) or '0 B'} to push, "
        cost += f"{size(image.pull_bytes) or '0 B'} to pull"
        told = (cost, "dim") if image.change != "removed" else ""
        console.print(Text.assemble(f"{image.change} ", (image.name, "bold"), told))
        for line in image.besides:
            console.print(Text(f"  {line}"))
        for move in image.moves if image.change != "removed" else ():
            console.print(Text(f"  {move.name} {move.before or '(none)'} → {move.after or '(none)'}"))
    console.print(Text(_changed(change)) if change.images else "no image changes")
    console.print()


def _changed(change: PlanDiff) -> str:
    count = len(change.images)
    pull = sum(image.pull_bytes for image in change.images)
    return (
        f"{many(count, 'image')} {'changes' if count == 1 else 'change'}: {size(change.push_bytes) or '0 B'} to push, "
        f"{size(pull) or '0 B'} to pull by nodes that hold the earlier images"
    )


def _trees(made: Plan) -> list[Tree]:
    files = made.by_hash()
    children: defaultdict[str, list[Node]] = defaultdict(list)
    users: defaultdict[str, list[Image]] = defaultdict(list)
    for node in made.nodes:
        children[node.parent].append(node)
    for image in made.images:
        for node in made.path(image):
            users[node.key].append(image)

    def grow(tree: Tree, parent: str) -> None:
        for node in children[parent]:
            if any(image in standing for image in users[node.key]):
                grow(tree.add(_label(node, users[node.key], files)), node.key)

    trees = []
    for base, environment in dict.fromkeys((image.base, image.environment) for image in made.images):
        standing = [image for image in made.images if (image.base, image.environment) == (base, environment)]
        tree = Tree(Text.assemble((base.reference, "bold"), (f"  {environment}", "dim")))
        for line in _without_layers(standing):
            tree.add(line)
        grow(tree, "")
        trees.append(tree)
    return trees


def _without_layers(images: Sequence[Image]) -> Iterator[Text]:
    """What images on one base have without any layer of wheels: what comes with the base, or nothing."""
    if provided := dict.fromkeys(one for image in images for one in image.provided):
        yield Text.assemble(("from base  ", "green"), (", ".join(provided), "dim"))
    for image in images:
        if not image.node:
            yield Text.assemble((image.name, "bold green"), ("  nothing to install", "dim"))


def _label(node: Node, users: Sequence[Image], files: Mapping[str, Pin]) -> Text:
    pins = [files[wheel] for layer in node.layers for wheel in layer.wheels]
    largest = sorted(pins, key=lambda pin: (-pin.download_bytes, pin.name))[:MOST_NAMES]
    names = ", ".join(f"{pin.name} {pin.version}" for pin in largest)
    more = f" and {len(pins) - len(largest)} more" if len(pins) > len(largest) else ""
    own = [image.name for image in users if image.node == node.key]
    who = (", ".join(own), "bold green") if len(users) == len(own) else (f"shared by {len(users)}", "cyan")
    extra = [(f"  = {', '.join(own)}", "bold green")] if own and len(users) != len(own) else []
    count = sum(layer.parts for layer in node.layers)
    bytes_of_all = size(sum(pin.download_bytes for pin in pins))
    return Text.assemble(who, *extra, f"  {bytes_of_all} in {many(count, 'layer')}  ", (names + more, "dim"))


PULLS = "s to pull: at 1 Gbit/s, for a node that has none, one or all of the other images"


def _images(costs: Costs, width: int) -> Table:
    """What each image takes, the largest first, and how long a node has to pull it; no name broken that has room."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    ordered = sorted(costs.images, key=lambda one: (-one.download_bytes, one.name))
    some = {
        "CUDA": any(one.cuda_bytes for one in ordered),
        "weights": any(one.weights_bytes for one in ordered),
    }
    numbers = [_numbers(one) for one in ordered[:MOST_IMAGES]]
    headings = [heading for heading in numbers[0] if some.get(heading, True)]
    rows = [[row[heading] for heading in headings] for row in numbers]
    taken = sum(max(len(cell) for cell in column) + 2 for column in zip(headings, *rows, strict=True))
    longest = max(len(one.name) for one in ordered[:MOST_IMAGES])
    room = width - taken
    with_largest = room >= longest + 2 + LEAST_LARGEST
    left = room - longest - 2
    table.add_column("image", overflow="fold", min_width=min(longest, max(room, len("image"))))
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    if with_largest:
        table.add_column("largest", overflow="ellipsis", no_wrap=True)
    for one, cells in zip(ordered, rows, strict=False):
        largest = [Text(_largest(one, left), style="dim")] if with_largest else []
        table.add_row(Text(one.name, style="bold"), *cells, *largest)
    if len(ordered) > MOST_IMAGES:
        table.caption = f"and {len(ordered) - MOST_IMAGES} more, in --format json; {table.caption}"
    return table


def _largest(one: ImageCost, width: int) -> str:
    """The largest packages of an image, as many as there is room for, and two at most."""
    first, *others = [f"{name} {size(count)}" for name, count in one.largest[:2]] or [""]
    both = ", ".join([first, *others])
    return both if len(both) <= width else first


def _numbers(one: ImageCost) -> dict[str, str]:
    left = dict(one.pulls)
    seconds = [_seconds(left[count]) for count in dict.fromkeys((0, 1, max(left, default=0))) if count in left]
    return {
        "to pull": size(one.download_bytes) or "0 B",
        "its own": size(one.own_download_bytes) or "0 B",
        "CUDA": f"{one.cuda_bytes / one.download_bytes:.0%}" if one.cuda_bytes else "",
        "weights": size(one.weights_bytes),
        "on disk": size(one.unpacked_bytes) or "0 B",
        "s to pull": " / ".join(seconds),
    }


def _memory(console: Console, needs: Sequence[Need]) -> None:
    """Print what the parameters of models take, and where only a narrower type than float32 fits."""
    for one in needs:
        sizes = ", ".join(f"{size(count)} at {name}" for name, count in one.needed)
        line = f"weights of {one.project}: {one.parameters / 1e6:,.0f} M parameters, {sizes}"
        console.print(Text(line))
        for target, memory, widest in one.fits:
            if widest != one.needed[0][0]:
                what = f"{widest} does" if widest else "neither does a narrower type"
                note = f"  the GPU of {target} has {size(memory)}: {one.needed[0][0]} does not fit, {what}"
                console.print(Text(note, style="yellow"))
    if needs:
        console.print()


def _seconds(count: int) -> str:
    return f"{count / PULL_BYTES_PER_S:.1f}"


def _distance(planned: LayoutCost, afresh: LayoutCost) -> str:
    """How far a plan that keeps what stands is from one made afresh."""
    more = {
        "on the disk": planned.disk_bytes - afresh.disk_bytes,
        "in the registry": planned.registry_bytes - afresh.registry_bytes,
    }
    parts = [f"{size(count)} less {where}" for where, count in more.items() if count > 0]
    if not parts:
        return "a plan made afresh would take no less"
    return f"a plan made afresh (`--fresh`) would take {' and '.join(parts)}, and be pulled anew"


def _costs(costs: Costs) -> Table:
    """All images together, by how layers could be cut, beside what no way of cutting can beat."""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    table.add_column("all images, without base and code")
    for column in ("in a registry", "to pull", "on a disk"):
        table.add_column(column, justify="right", no_wrap=True)
    least = replace(costs.least, disk_bytes=costs.bound_bytes)
    for label, way in (
        ("as planned", costs.planned),
        ("at least", least),
        ("a layer per package, by popularity", costs.popularity),
        ("one layer each", costs.single),
    ):
        table.add_row(label, *(size(count) or "0 B" for count in _bytes(way)))
    table.add_row(
        "saved against one layer each",
        *(
            f"{1 - ours / single:.0%}" if single else ""
            for ours, single in zip(_bytes(costs.planned), _bytes(costs.single), strict=True)
        ),
    )
    return table


def _bytes(way: LayoutCost) -> tuple[int, int, int]:
    return way.registry_bytes, way.pull_bytes, way.disk_bytes
