"""What a plan costs, beside other layouts and beside bounds that no layout can beat. Pure functions over a plan."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import comb

from packaging.utils import NormalizedName

from depdoctor.model.cost import Costs, ImageCost, LayoutCost
from depdoctor.model.distribution import Pin
from depdoctor.model.plan import Base, Image, Node, Plan
from depdoctor.model.target import Environment
from depdoctor.model.weights import Keep, layered
from depdoctor.plan.layers import LAYER_LIMIT, RESERVED_LAYERS
from depdoctor.plan.sizes import weight
from depdoctor.plan.tree import lanes, row

LARGEST = 5

PRESENT = (0, 1, 2, 5)
"""Numbers of other images that a node may hold already."""

Cohort = tuple[Base, Environment]

Blob = tuple[object, int, int]
"""What a layer is told from others by, its bytes as downloaded, and its bytes on a disk."""


def costs(plan: Plan, is_cuda: Callable[[NormalizedName], bool] = lambda _: False) -> Costs:
    """Everything at once. About a second for 1,000 images. `is_cuda` knows the wheels that are CUDA libraries."""
    wheels = {image: _wheels(path) for image, path in _paths(plan).items()}
    packages = plan.by_hash()
    left = pulls(plan)
    unknown = sum(pin.unpacked_bytes is None and not pin.download_bytes for pin in plan.packages)
    return Costs(
        planned=planned(plan),
        single=_stored(
            {image: [_joined([*_blobs(image, [own], packages), *_weights(image)])] for image, own in wheels.items()}
        ),
        popularity=_stored(
            {image: [*_blobs(image, own, packages), *_weights(image)] for image, own in _by_popularity(wheels).items()}
        ),
        least=_least(wheels, packages),
        bound_bytes=disk_bound(plan),
        images=tuple(replace(one, pulls=left[one.name]) for one in _images(plan, is_cuda)),
        sizes_unknown=unknown,
    )


def planned(plan: Plan) -> LayoutCost:
    """The plan's own layout."""
    packages = plan.by_hash()
    return _stored(
        {
            image: [
                *_blobs(image, [layer.wheels for node in path for layer in node.layers], packages),
                *_weights(image),
            ]
            for image, path in _paths(plan).items()
        }
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
    weights = {blob for image in plan.images for blob in _weights(image)}
    return sum(_bound([own for own in sets if own], packages) for sets in cohorts.values()) + _disk(weights)


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


def _images(plan: Plan, is_cuda: Callable[[NormalizedName], bool]) -> tuple[ImageCost, ...]:
    packages = plan.by_hash()
    paths = _paths(plan)
    users = Counter(node.key for path in paths.values() for node in path)
    holders = Counter(blob for image in plan.images for blob in _weights(image))
    return tuple(_image(image, path, users, holders, packages, is_cuda) for image, path in paths.items())


def _image(
    image: Image,
    path: Sequence[Node],
    users: Mapping[str, int],
    holders: Mapping[Blob, int],
    packages: Mapping[str, Pin],
    is_cuda: Callable[[NormalizedName], bool],
) -> ImageCost:
    pins = [packages[wheel] for node in path for wheel in _node_wheels(node)]
    own = [packages[wheel] for node in path if users[node.key] == 1 for wheel in _node_wheels(node)]
    weights = _weights(image)
    held, alone = _disk(weights), _disk(blob for blob in weights if holders[blob] == 1)
    heaviest = sorted(pins, key=lambda pin: (-weight(pin), pin.name))[:LARGEST]
    return ImageCost(
        name=image.name,
        layers=sum(layer.parts for node in path for layer in node.layers) + len(weights),
        download_bytes=sum(pin.download_bytes for pin in pins) + held,
        unpacked_bytes=sum(map(weight, pins)) + held,
        own_download_bytes=sum(pin.download_bytes for pin in own) + alone,
        own_unpacked_bytes=sum(map(weight, own)) + alone,
        largest=tuple((pin.name, weight(pin)) for pin in heaviest),
        cuda_bytes=sum(pin.download_bytes for pin in pins if is_cuda(pin.name)),
        weights_bytes=held,
    )


def pulls(plan: Plan, present: Iterable[int] = PRESENT) -> dict[str, tuple[tuple[int, int], ...]]:
    """For each image, what is left to pull on a node that holds so many of the others, and all of them.

    Of n - 1 others u hold a node of the tree too; none of k that are there by chance does with the probability
    C(n - 1 - u, k) / C(n - 1, k). Bytes as downloaded, on average; an engine with a content store pulls no more.
    Weights lie above all packages, so that a classic engine pulls those of each image.
    """
    packages = plan.by_hash()
    paths = _paths(plan)
    users = Counter(node.key for path in paths.values() for node in path)
    mass = {node.key: sum(packages[wheel].download_bytes for wheel in _node_wheels(node)) for node in plan.nodes}
    others = len(plan.images) - 1
    counts = sorted({count for count in present if count < others} | {max(others, 0)})
    return {
        image.name: tuple(
            (
                count,
                sum(mass[node.key] * comb(others - users[node.key] + 1, count) // comb(others, count) for node in path)
                + _disk(_weights(image)),
            )
            for count in counts
        )
        for image, path in paths.items()
    }


def _stored(stacks: Mapping[Image, Sequence[Blob]]) -> LayoutCost:
    """What images cost whose layers are these, bottom first: blobs are shared anywhere, chains from the bottom."""
    blobs: set[object] = set()
    chains: dict[object, int] = {}
    registry = pull = disk = 0
    for image, stack in stacks.items():
        below: object = (image.base, image.environment)
        for identity, download, unpacked in stack:
            if identity not in blobs:
                blobs.add(identity)
                registry += download
            link = (chains.get(below, below), identity)
            if link not in chains:
                chains[link] = len(chains)
                pull += download
                disk += unpacked
            below = link
    return LayoutCost(registry_bytes=registry, pull_bytes=pull, disk_bytes=disk)


def _blobs(image: Image, layers: Iterable[Collection[str]], packages: Mapping[str, Pin]) -> Iterator[Blob]:
    """Layers of these wheels, but for empty ones: other bytes in another environment, as weights are not."""
    for wheels in filter(None, layers):
        pins = [packages[wheel] for wheel in wheels]
        yield (image.environment, frozenset(wheels)), sum(pin.download_bytes for pin in pins), sum(map(weight, pins))


def _joined(blobs: Sequence[Blob]) -> Blob:
    """All of these as one layer."""
    identities, downloads, unpacked = zip(*blobs, strict=True) if blobs else ((), (), ())
    return identities, sum(downloads), sum(unpacked)


def _weights(image: Image) -> tuple[Blob, ...]:
    """The layers of weights that an image holds; what does not compress is as large either way."""
    if image.keep is not Keep.LAYER:
        return ()
    sizes = [(files, sum(one.size_bytes for one in files)) for files in layered(image.weights)]
    return tuple((files, size, size) for files, size in sizes)


def _disk(blobs: Iterable[Blob]) -> int:
    return sum(unpacked for _, _, unpacked in blobs)


def _by_popularity(wheels: Mapping[Image, frozenset[str]]) -> dict[Image, list[tuple[str, ...]]]:
    """A layer per package, those that most images of the cohort have at the bottom; what is over the limit on top."""
    popularity: defaultdict[Cohort, Counter[str]] = defaultdict(Counter)
    for image, own in wheels.items():
        popularity[image.base, image.environment].update(own)
    stacks = {}
    for image, own in wheels.items():
        count = popularity[image.base, image.environment]
        order = sorted(own, key=lambda wheel: (-count[wheel], wheel))
        alone = LAYER_LIMIT - RESERVED_LAYERS - 1
        stacks[image] = [*((wheel,) for wheel in order[:alone]), tuple(order[alone:])]
    return stacks


def _least(wheels: Mapping[Image, Collection[str]], packages: Mapping[str, Pin]) -> LayoutCost:
    blobs = {(image.environment, wheel) for image, own in wheels.items() for wheel in own}
    chained = {(image.base, image.environment, wheel) for image, own in wheels.items() for wheel in own}
    weights = _disk({blob for image in wheels for blob in _weights(image)})
    return LayoutCost(
        registry_bytes=sum(packages[wheel].download_bytes for _, wheel in blobs) + weights,
        pull_bytes=sum(packages[wheel].download_bytes for _, _, wheel in chained) + weights,
        disk_bytes=sum(weight(packages[wheel]) for _, _, wheel in chained) + weights,
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
