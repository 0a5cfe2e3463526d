"""Cutting what a node of the tree holds into layers.

A heavy wheel is a layer of its own, so that a registry stores it once wherever it stands in a chain; the light ones of
a node are one layer together. An image may hold only so many layers, since engines refuse more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from depdoctor.model.distribution import Pin

OWN_LAYER_BYTES = 1_000_000
"""A wheel of this size (as downloaded) or more is a layer of its own."""

LAYER_LIMIT = 100
"""Layers of an image over its base. The classic engine fails over 125, the base included."""

RESERVED_LAYERS = 4
"""Of these, what is not wheels: the environment's root, the working directory, weights and code."""


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
    limit: int = LAYER_LIMIT - RESERVED_LAYERS,
) -> list[list[tuple[str, ...]]]:
    """The layers of every node, bottom first: the heavy wheels by falling size, then the light ones as one.

    `leaves` are the nodes that images stand on. Where a path from a root to one of them has more than `limit` layers,
    the lightest wheels of that path join the light ones of their nodes until it has not. Parents precede children.
    """

    def by_size(wheel: str) -> tuple[int, str, str]:
        pin = packages[wheel]
        return (-pin.download_bytes, pin.name, wheel)

    heavy = [
        sorted((wheel for wheel in node.wheels if packages[wheel].download_bytes >= OWN_LAYER_BYTES), key=by_size)
        for node in nodes
    ]
    for leaf in leaves:
        path = list(_path(nodes, leaf))
        while sum(_count(nodes[node], heavy[node]) for node in path) > limit:
            spare = [node for node in path if heavy[node] and len(nodes[node].wheels) > 1]
            if not spare:
                break
            heavy[max(spare, key=lambda node: by_size(heavy[node][-1]))].pop()
    return [
        [*((wheel,) for wheel in own), *filter(None, [tuple(sorted(node.wheels.difference(own)))])]
        for node, own in zip(nodes, heavy, strict=True)
    ]


def _light(node: Held, heavy: Sequence[str]) -> bool:
    return len(node.wheels) > len(heavy)


def _count(node: Held, heavy: Sequence[str]) -> int:
    return len(heavy) + _light(node, heavy)
