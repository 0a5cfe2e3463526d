"""What a plan costs, beside other layouts and beside bounds that no layout can beat. Pure functions over a plan."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from depdoctor.model.cost import Costs, ImageCost, LayoutCost
from depdoctor.model.distribution import Pin
from depdoctor.model.plan import Base, Image, Node, Plan
from depdoctor.model.target import Environment
from depdoctor.plan.layers import LAYER_LIMIT, RESERVED_LAYERS
from depdoctor.plan.sizes import weight
from depdoctor.plan.tree import lanes, row

LARGEST = 5

Cohort = tuple[Base, Environment]


def costs(plan: Plan) -> Costs:
    """Everything at once. About a second for 1,000 images."""
    wheels = {image: _wheels(path) for image, path in _paths(plan).items()}
    packages = plan.by_hash()
    unknown = sum(pin.unpacked_bytes is None and not pin.download_bytes for pin in plan.packages)
    return Costs(
        planned=planned(plan),
        single=_stored([[tuple(sorted(own))] for own in wheels.values()], list(wheels), packages),
        popularity=_stored(_by_popularity(wheels), list(wheels), packages),
        least=_least(wheels, packages),
        bound_bytes=disk_bound(plan),
        images=_images(plan),
        sizes_unknown=unknown,
    )


def planned(plan: Plan) -> LayoutCost:
    """The plan's own layout."""
    packages = plan.by_hash()
    blobs = {layer.key: layer.wheels for node in plan.nodes for layer in node.layers}
    chained = [wheel for node in plan.nodes for layer in node.layers for wheel in layer.wheels]
    return LayoutCost(
        registry_bytes=sum(packages[wheel].download_bytes for own in blobs.values() for wheel in own),
        pull_bytes=sum(packages[wheel].download_bytes for wheel in chained),
        disk_bytes=sum(weight(packages[wheel]) for wheel in chained),
    )


def disk_bound(plan: Plan) -> int:
    """A bound on the disk, in bytes: no chain of layers takes less.

    A tree of n images saves at most the weight of a maximum spanning tree over what each two of them have in common;
    and nothing takes less than every package once.
    """
    packages = plan.by_hash()
    cohorts: defaultdict[Cohort, set[frozenset[str]]] = defaultdict(set)
    for image, path in _paths(plan).items():
        cohorts[image.base, image.environment].add(_wheels(path))
    return sum(_bound([own for own in sets if own], packages) for sets in cohorts.values())


def missing(plan: Plan, image: Image, present: Iterable[Image]) -> LayoutCost:
    """What a node that holds the images `present` has yet to pull and store for another.

    `registry_bytes` are the blobs that it lacks, which is what an engine with a content store fetches; `pull_bytes`
    the layers beyond the longest chain that it has, which is what a classic engine fetches.
    """
    packages = plan.by_hash()
    chains = {node.key for other in present for node in plan.path(other)}
    blobs = {layer.key for other in present for layer in plan.layers(other)}
    lacking = [wheel for layer in plan.layers(image) if layer.key not in blobs for wheel in layer.wheels]
    beyond = [wheel for node in plan.path(image) if node.key not in chains for wheel in _node_wheels(node)]
    return LayoutCost(
        registry_bytes=sum(packages[wheel].download_bytes for wheel in lacking),
        pull_bytes=sum(packages[wheel].download_bytes for wheel in beyond),
        disk_bytes=sum(weight(packages[wheel]) for wheel in beyond),
    )


def _paths(plan: Plan) -> dict[Image, tuple[Node, ...]]:
    """The nodes of every image, root first."""
    paths: dict[str, tuple[Node, ...]] = {"": ()}
    for node in plan.nodes:
        paths[node.key] = (*paths[node.parent], node)
    return {image: paths[image.node] for image in plan.images}


def _node_wheels(node: Node) -> list[str]:
    return [wheel for layer in node.layers for wheel in layer.wheels]


def _wheels(path: Iterable[Node]) -> frozenset[str]:
    return frozenset(wheel for node in path for wheel in _node_wheels(node))


def _images(plan: Plan) -> tuple[ImageCost, ...]:
    packages = plan.by_hash()
    paths = _paths(plan)
    users = Counter(node.key for path in paths.values() for node in path)
    return tuple(_image(image, path, users, packages) for image, path in paths.items())


def _image(image: Image, path: Sequence[Node], users: Mapping[str, int], packages: Mapping[str, Pin]) -> ImageCost:
    pins = [packages[wheel] for node in path for wheel in _node_wheels(node)]
    own = [packages[wheel] for node in path if users[node.key] == 1 for wheel in _node_wheels(node)]
    heaviest = sorted(pins, key=lambda pin: (-weight(pin), pin.name))[:LARGEST]
    return ImageCost(
        name=image.name,
        layers=sum(len(node.layers) for node in path),
        download_bytes=sum(pin.download_bytes for pin in pins),
        unpacked_bytes=sum(map(weight, pins)),
        own_download_bytes=sum(pin.download_bytes for pin in own),
        own_unpacked_bytes=sum(map(weight, own)),
        largest=tuple((pin.name, weight(pin)) for pin in heaviest),
    )


def _stored(
    stacks: Sequence[Sequence[tuple[str, ...]]], images: Sequence[Image], packages: Mapping[str, Pin]
) -> LayoutCost:
    """What images cost whose layers are these, bottom first: blobs are shared anywhere, chains from the bottom."""
    blobs: set[tuple[Environment, tuple[str, ...]]] = set()
    chains: dict[object, int] = {}
    registry = pull = disk = 0
    for image, stack in zip(images, stacks, strict=True):
        below: object = (image.base, image.environment)
        for layer in filter(None, stack):
            download = sum(packages[wheel].download_bytes for wheel in layer)
            if (image.environment, layer) not in blobs:
                blobs.add((image.environment, layer))
                registry += download
            link = (chains.get(below, below), layer)
            if link not in chains:
                chains[link] = len(chains)
                pull += download
                disk += sum(weight(packages[wheel]) for wheel in layer)
            below = link
    return LayoutCost(registry_bytes=registry, pull_bytes=pull, disk_bytes=disk)


def _by_popularity(wheels: Mapping[Image, frozenset[str]]) -> list[list[tuple[str, ...]]]:
    """A layer per package, those that most images of the cohort have at the bottom; what is over the limit on top."""
    popularity: defaultdict[Cohort, Counter[str]] = defaultdict(Counter)
    for image, own in wheels.items():
        popularity[image.base, image.environment].update(own)
    stacks = []
    for image, own in wheels.items():
        count = popularity[image.base, image.environment]
        order = sorted(own, key=lambda wheel: (-count[wheel], wheel))
        alone = LAYER_LIMIT - RESERVED_LAYERS - 1
        stacks.append([*((wheel,) for wheel in order[:alone]), tuple(order[alone:])])
    return stacks


def _least(wheels: Mapping[Image, Collection[str]], packages: Mapping[str, Pin]) -> LayoutCost:
    blobs = {(image.environment, wheel) for image, own in wheels.items() for wheel in own}
    chained = {(image.base, image.environment, wheel) for image, own in wheels.items() for wheel in own}
    return LayoutCost(
        registry_bytes=sum(packages[wheel].download_bytes for _, wheel in blobs),
        pull_bytes=sum(packages[wheel].download_bytes for _, _, wheel in chained),
        disk_bytes=sum(weight(packages[wheel]) for _, _, wheel in chained),
    )


def _bound(sets: Sequence[frozenset[str]], packages: Mapping[str, Pin]) -> int:
    """All sets less their maximum spanning tree (Prim's algorithm), or everything once if that is more."""
    names = sorted(frozenset[str]().union(*sets))
    number = {wheel: index for index, wheel in enumerate(names)}
    weights = [weight(packages[wheel]) for wheel in names]
    numbered = [frozenset(number[wheel] for wheel in own) for own in sets]
    table = lanes(numbered, weights)
    nearest = [0] * len(sets)
    outside = set(range(len(sets)))
    saved = 0
    while outside:
        nearer = max(outside, key=nearest.__getitem__)
        outside.remove(nearer)
        saved += nearest[nearer]
        nearest = [max(pair) for pair in zip(nearest, row(table, numbered[nearer], len(sets)), strict=True)]
    return max(sum(weights), sum(weights[item] for own in numbered for item in own) - saved)
