"""Chains: the layers of an image, bottom first. Images share what their chains begin with.

With an earlier plan, a set of wheels that it laid out keeps its chain. A new set goes on top of the earlier chain whose
beginning it can use most of, and takes over whole layers wherever it can; sets that start from the same place are
planned together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from depdoctor.model.config import MAX_LAYER_BYTES
from depdoctor.model.distribution import Pin
from depdoctor.model.noun import dataclass, field
from depdoctor.model.plan import Base, Layer, Node, layer_key, node_key
from depdoctor.model.target import Environment
from depdoctor.plan.layers import LAYER_LIMIT, RESERVED_LAYERS, Held, Wheels, cut, flatten, parts_of
from depdoctor.plan.sizes import weight
from depdoctor.plan.tree import Tree, grow

Chain = tuple[Wheels, ...]

LIMIT = LAYER_LIMIT - RESERVED_LAYERS

ROOM = 16
"""Layers that a chain which others continue must leave free."""


@dataclass(slots=True)
class _Link:
    """What may follow a beginning of a chain, and whether an image ends there."""

    following: dict[Wheels, _Link] = field(default_factory=dict)
    is_end: bool = False


def lay_out(
    sets: Iterable[frozenset[str]],
    packages: Mapping[str, Pin],
    standing: Sequence[Chain] = (),
    most_bytes: int = MAX_LAYER_BYTES,
) -> dict[frozenset[str], Chain]:
    """A chain for each set of wheels. The chains that are `standing` are kept where they fit, and built upon.

    Room is left for the parts of wheels that are over `most_bytes` once installed.
    """
    kept = {frozenset(wheel for layer in chain for wheel in layer): chain for chain in reversed(standing)}
    wanted = list(dict.fromkeys(sets))
    split = {wheel: parts - 1 for wheel in packages if (parts := parts_of((wheel,), packages, most_bytes)) > 1}
    limit = max(LIMIT - max((sum(split.get(wheel, 0) for wheel in own) for own in wanted), default=0), 1)
    chains = {own: kept[own] for own in wanted if own in kept}
    known = list(dict.fromkeys(layer for chain in standing for layer in chain))
    links = _links(standing)
    together: defaultdict[Chain, list[frozenset[str]]] = defaultdict(list)
    for own in wanted:
        if own not in chains:
            together[_beginning(own, links, packages, limit - ROOM)].append(own)
    for beginning, own_sets in together.items():
        below = frozenset(wheel for layer in beginning for wheel in layer)
        grown = _grown([own - below for own in own_sets], packages, known, limit - len(beginning))
        chains |= {own: (*beginning, *chain) for own, chain in zip(own_sets, grown, strict=True)}
    return {own: chains[own] for own in wanted}


def nodes_of(
    chains: Sequence[Chain], environment: Environment, base: Base, parts: Callable[[Wheels], int]
) -> tuple[list[Node], dict[Chain, str]]:
    """The tree of these chains, parents first, and the node that each chain ends with ("" for an empty one).

    A node is as long a run of layers as all chains that begin with it share. `parts` tells how many each is split
    across.
    """
    nodes: list[Node] = []
    ends: dict[Chain, str] = {}
    stack: list[tuple[_Link, Chain, str]] = [(_links(chains), (), "")]
    while stack:
        link, chain, parent = stack.pop()
        run: list[Wheels] = []
        while len(link.following) == 1 and not link.is_end:
            ((layer, link),) = link.following.items()
            run.append(layer)
        if run:
            layers = tuple(
                Layer(key=layer_key(environment, own, parts(own)), wheels=own, parts=parts(own)) for own in run
            )
            nodes.append(Node(key=node_key(parent, base, layers), parent=parent, layers=layers))
            chain, parent = (*chain, *run), nodes[-1].key
        if link.is_end:
            ends[chain] = parent
        stack.extend((_Link({layer: after}), chain, parent) for layer, after in reversed(link.following.items()))
    return nodes, ends


def _links(chains: Iterable[Chain]) -> _Link:
    root = _Link()
    for chain in chains:
        link = root
        for layer in chain:
            link = link.following.setdefault(layer, _Link())
        link.is_end = True
    return root


def _beginning(own: frozenset[str], links: _Link, packages: Mapping[str, Pin], longest: int) -> Chain:
    """The heaviest beginning of a chain of which a set has every wheel, of no more than so many layers."""
    best: Chain = ()
    most = -1
    stack: list[tuple[_Link, Chain, int]] = [(links, (), 0)]
    while stack:
        link, chain, mass = stack.pop()
        if mass > most:
            best, most = chain, mass
        if len(chain) < longest:
            for layer, after in link.following.items():
                if own.issuperset(layer):
                    stack.append((after, (*chain, layer), mass + sum(weight(packages[wheel]) for wheel in layer)))
    return best


def _grown(
    sets: Sequence[frozenset[str]], packages: Mapping[str, Pin], known: Sequence[Wheels], limit: int
) -> list[Chain]:
    """A chain for each of these sets, planned afresh from the tree of what they have in common."""
    distinct = list(dict.fromkeys(sets))
    atoms = _atoms(distinct)
    items = {wheel: number for number, atom in enumerate(atoms) for wheel in atom}
    sizes = {wheel: weight(packages[wheel]) for wheel in items}
    tree = grow(
        [frozenset(items[wheel] for wheel in wheels) for wheels in distinct],
        [sum(sizes[wheel] for wheel in atom) for atom in atoms],
    )
    held, leaves = flatten(*_held(tree, atoms), sizes, limit)
    chains: list[Chain] = []
    for node, layers in zip(held, cut(held, leaves, packages, known, limit), strict=True):
        chains.append((*(chains[node.parent] if node.parent >= 0 else ()), *layers))
    chain_of = {own: chains[leaf] if leaf >= 0 else () for own, leaf in zip(distinct, leaves, strict=True)}
    return [chain_of[own] for own in sets]


def _atoms(sets: Sequence[frozenset[str]]) -> list[tuple[str, ...]]:
    """Wheels that always come together, since the planner may treat them as one."""
    users: defaultdict[str, list[int]] = defaultdict(list)
    for number, wheels in enumerate(sets):
        for wheel in wheels:
            users[wheel].append(number)
    together: defaultdict[tuple[int, ...], list[str]] = defaultdict(list)
    for wheel, numbers in users.items():
        together[tuple(numbers)].append(wheel)
    return sorted(tuple(sorted(wheels)) for wheels in together.values())


def _held(tree: Tree, atoms: Sequence[Sequence[str]]) -> tuple[list[Held], list[int]]:
    """The tree without its empty nodes, parents first, and for each leaf the node that it stands on (-1: none)."""
    held: list[Held] = []
    leaves = [-1] * tree.leaves
    first = _first_leaf(tree)
    stack = [(tree.parent.index(-1), -1)]
    while stack:
        node, above = stack.pop()
        wheels = frozenset(wheel for atom in tree.held(node) for wheel in atoms[atom])
        if wheels:
            held.append(Held(parent=above, wheels=wheels))
            above = len(held) - 1
        if node < tree.leaves:
            leaves[node] = above
        stack.extend((child, above) for child in sorted(tree.children[node], key=first.__getitem__, reverse=True))
    return held, leaves


def _first_leaf(tree: Tree) -> list[int]:
    """The lowest-numbered leaf below each node, for an order that depends on names alone."""
    first = list(range(len(tree.parent)))
    for leaf in reversed(range(tree.leaves)):
        for node in tree.ancestors(leaf):
            first[node] = leaf
    return first
