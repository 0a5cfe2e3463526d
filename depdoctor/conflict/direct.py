"""Clashes that can be read off the requirement lines themselves, with nothing asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations, groupby

from depdoctor.conflict.demand import Element


def clashes(elements: Iterable[Element]) -> Iterator[tuple[Element, Element]]:
    """Pairs of elements that name one package and have no version in common, sorted.

    An element that no version satisfies by itself clashes with nothing: it is wrong alone. Two constraints do not
    clash either, since nothing says that the package is wanted.
    """
    for _, group in groupby(sorted(elements), key=lambda element: element.name):
        ranges = [(element, versions) for element in group if (versions := element.range) is not None]
        possible = [(element, versions) for element, versions in ranges if not versions.is_empty]
        for (one, mine), (other, theirs) in combinations(possible, 2):
            if not (one.constraint and other.constraint) and mine.is_disjoint(theirs):
                yield one, other
