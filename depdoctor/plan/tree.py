"""The layer tree: a maximum-weight hierarchical clustering of sets of packages.

Disks and classic pulls share layers only along an identical chain from the bottom, so a layout is a rooted tree over
the images. A node holds what all images below it have in common and no node above it holds; a layout costs the sum of
its nodes' weights. Each binary merge of two subtrees saves the weight of their intersection once, so the least cost is
the greatest sum of intersection weights over all merges.

`cluster` merges the pair with the heaviest intersection first, then `improve` prunes subtrees and regrafts them where
they save more. Both have a total order: images are numbered, and equal weights go by number.
"""

from __future__ import annotations

import heapq
import struct
from collections.abc import Iterator, Sequence

LANE_BITS = 64
MAX_VISITS = 600_000
"""Edges that the local search looks at, a microsecond or two each; a count, as no plan may depend on the clock."""


class Tree:
    """A binary tree over numbered sets: the sets themselves are leaves 0 to n - 1, merges are numbered from n.

    `common[v]` is what all leaves below v share, `mass[v]` its weight in bytes; `children[v]` is empty for a leaf;
    `parent[v]` is -1 for the root.
    """

    __slots__ = ("children", "common", "leaves", "mass", "parent", "weights")

    def __init__(self, sets: Sequence[frozenset[int]], weights: Sequence[int]) -> None:
        self.weights = weights
        self.leaves = len(sets)
        self.common: list[frozenset[int]] = list(sets)
        self.children: list[tuple[int, ...]] = [()] * len(sets)
        self.parent = [-1] * len(sets)
        self.mass = [self.weigh(items) for items in sets]

    def weigh(self, items: frozenset[int]) -> int:
        """The weight of a set, in bytes."""
        return sum(map(self.weights.__getitem__, items))

    def merge(self, left: int, right: int) -> int:
        """Join two roots under a new one, and return it."""
        new = len(self.common)
        self.common.append(frozenset())
        self.mass.append(0)
        self.put(new, self.common[left] & self.common[right])
        self.children.append((left, right))
        self.parent.append(-1)
        self.parent[left] = self.parent[right] = new
        return new

    def put(self, node: int, common: frozenset[int]) -> None:
        """Say what the leaves below a node share."""
        self.common[node] = common
        self.mass[node] = self.weigh(common)

    def sibling(self, node: int) -> int:
        """The other child of a node's parent."""
        left, right = self.children[self.parent[node]]
        return right if left == node else left

    def ancestors(self, node: int) -> Iterator[int]:
        """The nodes above a node, nearest first."""
        while (node := self.parent[node]) >= 0:
            yield node

    def held(self, node: int) -> frozenset[int]:
        """What a node holds that no node above it does."""
        above = self.parent[node]
        return self.common[node] - self.common[above] if above >= 0 else self.common[node]

    def cost(self) -> int:
        """The weight of the whole layout, in bytes."""
        return sum(self.weigh(self.held(node)) for node in range(len(self.common)))


def grow(sets: Sequence[frozenset[int]], weights: Sequence[int]) -> Tree:
    """A layout of numbered sets of items with these weights (positive, in bytes) that costs little."""
    tree = cluster(sets, weights)
    improve(tree)
    return tree


def cluster(sets: Sequence[frozenset[int]], weights: Sequence[int]) -> Tree:
    """Merge the pair that has most in common, and in the end those that have nothing, so that there is one root.

    What a cluster has in common with others only shrinks as they merge, so an old maximum is a bound: it is computed
    anew only when it comes up. The weights of one set's intersections with all others are one sum of big integers
    with a lane for each set.
    """
    tree = Tree(sets, weights)
    table = lanes(sets, weights)
    node_of = list(range(len(sets)))
    version = [0] * len(sets)
    heap: list[tuple[int, int, int, int, int]] = []

    def push(lane: int) -> None:
        shared = row(table, tree.common[node_of[lane]], len(sets))
        shared[lane] = 0
        heaviest = max(shared)
        if heaviest > 0:
            other = shared.index(heaviest)
            heapq.heappush(heap, (-heaviest, lane, other, version[lane], version[other]))

    for lane in range(len(sets)):
        push(lane)
    while heap:
        _, lane, other, seen, seen_other = heapq.heappop(heap)
        if version[lane] != seen:
            continue
        if version[other] != seen_other:
            push(lane)
            continue
        low, high = sorted((lane, other))
        new = tree.merge(node_of[low], node_of[high])
        _leave(table, weights, low, tree.common[node_of[low]] - tree.common[new])
        _leave(table, weights, high, tree.common[node_of[high]])
        node_of[low] = new
        version[low] += 1
        version[high] += 1
        push(low)
    roots = [node for node, parent in enumerate(tree.parent) if parent < 0]
    while len(roots) > 1:
        roots = [tree.merge(roots[0], roots[1]), *roots[2:]]
    return tree


def lanes(sets: Sequence[frozenset[int]], weights: Sequence[int]) -> list[int]:
    """For each item, its weight in the lane of every set that has it."""
    width = LANE_BITS // 8
    rows = [bytearray(width * len(sets)) for _ in weights]
    for lane, items in enumerate(sets):
        for item in items:
            rows[item][width * lane] = 1
    return [weight * int.from_bytes(row, "little") for weight, row in zip(weights, rows, strict=True)]


def _leave(table: list[int], weights: Sequence[int], lane: int, items: frozenset[int]) -> None:
    """Items that the set of a lane no longer has."""
    for item in items:
        table[item] -= weights[item] << (LANE_BITS * lane)


def row(table: list[int], items: frozenset[int], count: int) -> list[int]:
    """The weight of what a set has in common with the set of each lane."""
    total = sum(map(table.__getitem__, items))
    return list(struct.unpack(f"<{count}Q", total.to_bytes(LANE_BITS // 8 * count, "little")))


def improve(tree: Tree, visits: int = MAX_VISITS) -> None:
    """Prune each subtree in turn and graft it onto the edge where it saves most, until nothing moves.

    Stops early once `visits` edges have been looked at, which no fleet of a few hundred images comes near.
    """
    moved = True
    while moved:
        moved = False
        for node in range(len(tree.common)):
            if tree.parent[node] >= 0:
                graft = _Graft(tree, node)
                moved |= graft.move()
                visits -= graft.visits
                if visits < 0:
                    return


class _Graft:
    """One subtree, pruned from where it stands: `joint` above it gives way to its `sibling`.

    `without` holds what the nodes above the joint would then have in common.
    """

    def __init__(self, tree: Tree, pruned: int) -> None:
        self.tree = tree
        self.pruned = pruned
        self.joint = tree.parent[pruned]
        self.sibling = tree.sibling(pruned)
        self.without: dict[int, frozenset[int]] = {}
        self.visits = 0
        below, common = self.joint, tree.common[self.sibling]
        for above in tree.ancestors(self.joint):
            common &= tree.common[tree.sibling(below)]
            self.without[above] = common
            below = above
        self.root = self.sibling if below == self.joint else below

    def move(self) -> bool:
        """Graft it onto its best edge; whether that is another than where it was."""
        place = self._best()
        if place == self.sibling:
            return False
        self._detach()
        self._attach(place)
        return True

    def _best(self) -> int:
        """The node above which it saves most: what it shares there, less what the nodes above would lose.

        A branch that cannot beat the best is not entered, and of equals it stays where it was.
        """
        tree, without, joint = self.tree, self.without, self.joint
        weight_of = tree.weights.__getitem__
        own = tree.common[self.pruned]
        most = tree.mass[self.pruned]
        best = self.sibling
        gain = tree.weigh(own & tree.common[best]) - sum(tree.weigh(common - own) for common in without.values())
        stack = [(self.root, 0)]
        while stack:
            place, loss = stack.pop()
            if most - loss <= gain:
                continue
            self.visits += 1
            if place in without:
                common = without[place]
                mass = tree.weigh(common)
            else:
                common = tree.common[place]
                mass = tree.mass[place]
            shared = sum(map(weight_of, own & common))
            if shared - loss > gain:
                best, gain = place, shared - loss
            loss += mass - shared
            stack.extend((self.sibling if child == joint else child, loss) for child in tree.children[place])
        return best

    def _detach(self) -> None:
        tree, above = self.tree, self.tree.parent[self.joint]
        if above >= 0:
            tree.children[above] = (self.sibling, tree.sibling(self.joint))
        tree.parent[self.sibling] = above
        for node, common in self.without.items():
            tree.put(node, common)

    def _attach(self, place: int) -> None:
        tree, joint, above = self.tree, self.joint, self.tree.parent[place]
        if above >= 0:
            tree.children[above] = (joint, tree.sibling(place))
        tree.children[joint] = (place, self.pruned)
        tree.parent[joint], tree.parent[place] = above, joint
        own = tree.common[self.pruned]
        tree.put(joint, tree.common[place] & own)
        for node in tree.ancestors(joint):
            tree.put(node, tree.common[node] & own)
