"""The oracle of the layer planner: the best layout there is, by dynamic programming over subsets of the images."""

from __future__ import annotations

from collections.abc import Sequence


def least_cost(sets: Sequence[frozenset[int]], weights: Sequence[int]) -> int:
    """The weight of the cheapest tree over these sets (at most 12: it takes 3^n steps).

    A binary merge of two subtrees saves what they have in common once, so for every subset of the images the most that
    can be saved is that of its best split in two, plus what the subset has in common.
    """
    count = len(sets)
    common = [frozenset[int]()] * (1 << count)
    saved = [0] * (1 << count)
    for subset in range(1, 1 << count):
        low = subset & -subset
        rest = subset ^ low
        own = sets[low.bit_length() - 1]
        common[subset] = own if not rest else own & common[rest]
        if not rest:
            continue
        best = 0
        part = rest
        while part:  # every split once: `low` is never in `part`
            best = max(best, saved[part] + saved[subset ^ part])
            part = (part - 1) & rest
        saved[subset] = best + sum(weights[item] for item in common[subset])
    return sum(weights[item] for items in sets for item in items) - saved[-1]
