"""What locks prove: projects whose locks agree can share an environment, and nobody has to be asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

from packaging.utils import NormalizedName
from packaging.version import Version

from depdoctor.conflict.bits import within
from depdoctor.conflict.demand import Demand
from depdoctor.conflict.search import Search


def learn_locks(search: Search, demands: Sequence[Demand]) -> None:
    """Teach a search that projects stand together where their locks agree on every package that they have in common.

    A lock that does not satisfy its own project's lines, as one that has drifted, proves nothing.
    """
    proven = [lock for demand in demands if (lock := _proven(search, demand))]
    for place, start in enumerate(proven):
        cluster = start
        for other in (*proven[place + 1 :], *proven[:place]):
            cluster = _joined(search, cluster, other) or cluster
        if all(within(other.mask, cluster.mask) for other in proven):
            return  # all stand together: no start would find more
    for one, other in combinations(proven, 2):
        if search.stands(one.mask | other.mask) is None:
            _joined(search, one, other)


class Proof(NamedTuple):
    """A set and versions that let it stand."""

    mask: int
    versions: Mapping[NormalizedName, Version]


def _proven(search: Search, demand: Demand) -> Proof | None:
    if demand.lock is None:
        return None
    proof = Proof(search.mask(demand.elements), {pin.name: pin.version for pin in demand.lock.pins})
    return proof if search.learn(*proof) else None


def _joined(search: Search, one: Proof, other: Proof) -> Proof | None:
    """Both as one, if their versions agree and no line of either, as a constraint, forbids what the other brings."""
    if any(one.versions.get(name, version) != version for name, version in other.versions.items()):
        return None
    joined = Proof(one.mask | other.mask, {**one.versions, **other.versions})
    return joined if search.learn(*joined) else None
