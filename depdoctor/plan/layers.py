"""Cutting what a node of the tree holds into layers.

A heavy wheel is a layer of its own, so that a registry stores it once wherever it stands in a chain; the light ones of
a node are one layer together. An image may hold only so many layers, since engines refuse more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from depdoctor.model.distribution import Pin
from depdoctor.model.noun import dataclass
from depdoctor.plan.sizes import weight

OWN_LAYER_BYTES = 1_000_000
"""A wheel of this size (as downloaded) or more is a layer of its own."""

LAYER_LIMIT = 100
"""Layers of an image over its base. The classic engine fails over 125, the base included."""

RESERVED_LAYERS = 8
"""Of these, what is not wheels: the environment's root, system packages, up to five of weights, and code."""

Wheels = tuple[str, ...]
"""The wheels of one layer, by SHA-256, sorted."""

MOST_PARTS = 20
"""Layers that one wheel is split across at most."""


def parts_of(wheels: Wheels, packages: Mapping[str, Pin], most_bytes: int) -> int:
    """How many layers these wheels are split across: one, but for a wheel that is over `most_bytes` once installed."""
    if len(wheels) > 1:
        return 1
    return min(-(-weight(packages[wheels[0]]) // most_bytes), MOST_PARTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A node before it is cut: its place in the tree and the wheels that it holds, by SHA-256."""

    parent: int
    wheels: frozenset[str]


def flatten(
    nodes: Sequence[Held],
    leaves: Sequence[int],
    weights: Mapping[str, int],
    limit: int = LAYER_LIMIT - RESERVED_LAYERS,
) -> tuple[list[Held], list[int]]:
    """The same wheels for every leaf (-1: none), with no path longer than `limit` nodes.

    The children of the node whose copies weigh least take over what it holds, until the path is short enough.
    """
    flat = list(nodes)

    def copies(node: int) -> tuple[int, int]:
        children = sum(other.parent == node for other in flat)
        return (children * sum(weights[wheel] for wheel in flat[node].wheels), node)

    for leaf in leaves:
        while len(path := list(_path(flat, leaf))) > limit:
            lifted = min(path[1:], key=copies)
            for child, other in enumerate(flat):
                if other.parent == lifted:
                    wheels = other.wheels | flat[lifted].wheels
                    flat[child] = replace(other, parent=flat[lifted].parent, wheels=wheels)
    used = sorted({node for leaf in leaves for node in _path(flat, leaf)})
    number = {-1: -1} | {node: index for index, node in enumerate(used)}
    return [replace(flat[node], parent=number[flat[node].parent]) for node in used], [number[leaf] for leaf in leaves]


def _path(nodes: Sequence[Held], leaf: int) -> Iterator[int]:
    """The nodes from a leaf up to its root."""
    while leaf >= 0:
        yield leaf
        leaf = nodes[leaf].parent


def cut(
    nodes: Sequence[Held],
    leaves: Sequence[int],
    packages: Mapping[str, Pin],
    known: Sequence[Wheels] = (),
    limit: int = LAYER_LIMIT - RESERVED_LAYERS,
) -> list[list[Wheels]]:
    """The layers of every node, bottom first.

    Layers that are `known` from before stay whole where a node holds all of one, in the order given. Then come the
    heavy wheels by falling size, and the light ones as one layer. `leaves` are the nodes that images stand on: where a
    path from a root to one of them has more than `limit` layers, the lightest of them join the light ones of their
    nodes until it has not.
    """

    def by_size(layer: Wheels) -> tuple[int, Wheels]:
        return (-sum(packages[wheel].download_bytes for wheel in layer), layer)

    alone = [_alone(node.wheels, packages, known) for node in nodes]
    for leaf in leaves:
        path = list(_path(nodes, leaf))
        while sum(_count(nodes[node], alone[node]) for node in path) > limit:
            spare = [
                (by_size(layer), node) for node in path if _can_join(nodes[node], alone[node]) for layer in alone[node]
            ]
            if not spare:
                break
            (_, lightest), node = max(spare)
            alone[node].remove(lightest)
    return [
        [*layers, *filter(None, [tuple(sorted(node.wheels.difference(*layers)))])]
        for node, layers in zip(nodes, alone, strict=True)
    ]


def _alone(wheels: frozenset[str], packages: Mapping[str, Pin], known: Sequence[Wheels]) -> list[Wheels]:
    """The layers of a node other than that of its light wheels."""
    layers: list[Wheels] = []
    rest = set(wheels)
    for layer in known:
        if rest.issuperset(layer):
            layers.append(layer)
            rest.difference_update(layer)
    heavy = [wheel for wheel in rest if packages[wheel].download_bytes >= OWN_LAYER_BYTES]
    heavy.sort(key=lambda wheel: (-packages[wheel].download_bytes, packages[wheel].name, wheel))
    return layers + [(wheel,) for wheel in heavy]


def _can_join(node: Held, alone: Sequence[Wheels]) -> bool:
    return len(alone) > 1 or (len(alone) == 1 and _has_light(node, alone))


def _has_light(node: Held, alone: Sequence[Wheels]) -> bool:
    return len(node.wheels) > sum(map(len, alone))


def _count(node: Held, alone: Sequence[Wheels]) -> int:
    return len(alone) + _has_light(node, alone)
