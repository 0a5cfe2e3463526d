"""Resolutions that work and are wrong all the same: what sharing an environment makes much older."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from depdoctor.conflict.chains import reach
from depdoctor.conflict.demand import Demand, demands_of
from depdoctor.model.conflict import Drift
from depdoctor.model.distribution import Pin
from depdoctor.model.finding import Cause
from depdoctor.model.graph import holds
from depdoctor.model.inventory import Inventory, SharedEnvironment
from depdoctor.model.lock import Lock
from depdoctor.model.project import IndexOptions

AGE = timedelta(days=365)
"""How much older a release must be to be told; a lower major version is told at any age."""


def drifts(inventory: Inventory) -> tuple[Drift, ...]:
    """What each project of a shared environment gets there that is far older than what it gets alone.

    Packages that another project's line names are left out: that line says openly what it wants. Needs no oracle.
    """
    return tuple(
        drift
        for shared in inventory.shared
        for together in shared.outcomes
        if isinstance(together, Lock)
        for drift in _in_one(inventory, shared, together)
    )


def _in_one(inventory: Inventory, shared: SharedEnvironment, together: Lock) -> Iterator[Drift]:
    demands = {
        demand.project: demand
        for demand in demands_of(inventory, together.environment, IndexOptions())
        if demand.project in shared.projects
    }
    pins = together.by_name
    for demand in demands.values():
        others = [other for other in demands.values() if other is not demand]
        told = {element.name for other in others for element in other.elements}
        for alone in demand.lock.pins if demand.lock else ():
            now = pins.get(alone.name)
            if now is not None and alone.name not in told and _is_far_back(alone, now):
                yield Drift(
                    project=demand.project,
                    shared=shared.name,
                    environment=together.environment,
                    alone=alone,
                    together=now,
                    named=any(element.name == alone.name for element in demand.elements),
                    causes=tuple(_held_back(alone, demand, others, together)),
                )


def _is_far_back(alone: Pin, together: Pin) -> bool:
    if together.version >= alone.version:
        return False
    if (together.version.epoch, together.version.major) < (alone.version.epoch, alone.version.major):
        return True
    newer, older = alone.file, together.file
    if newer is None or older is None or newer.upload_time is None or older.upload_time is None:
        return False
    return newer.upload_time - older.upload_time > AGE


def _held_back(alone: Pin, mine: Demand, others: Sequence[Demand], together: Lock) -> Iterator[Cause]:
    """Lines of other projects that lead to a requirement which what the project has alone does not meet.

    That is the release itself, or what it requires and the shared environment has in a version that it does not allow.
    """
    had = {alone.name: alone.version, **dict(_overruled(alone, mine, together))}
    for demand in others:
        for element, places in demand.places.items():
            for found in reach(element, together):
                if found.name in had and not found.admits(had[found.name]):
                    yield Cause(
                        project=demand.project,
                        location=places[0].location,
                        requirement=places[0].text,
                        chain=found.chain,
                    )
                    break


def _overruled(alone: Pin, mine: Demand, together: Lock) -> Iterator[tuple[NormalizedName, Version]]:
    """What the release requires in other versions than the shared environment has: the versions beside it alone."""
    before, now = mine.lock.by_name if mine.lock else {}, together.by_name
    for requirement in alone.requires or ():
        name = canonicalize_name(requirement.name)
        if (
            name in before
            and name in now
            and holds(requirement.marker, together.environment)
            and not requirement.specifier.contains(now[name].version, prereleases=True)
        ):
            yield name, before[name].version
