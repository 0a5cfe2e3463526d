"""Who wants a package, and what moves between two locks: read off what is known, nobody is asked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from packaging.utils import NormalizedName
from packaging.version import Version

from depdoctor.model.distribution import Pin
from depdoctor.model.explanation import Move, Want, Wanted
from depdoctor.model.finding import Cause
from depdoctor.model.graph import chains, without_marker
from depdoctor.model.inventory import Entry, Inventory
from depdoctor.model.lock import Lock


def wanted(inventory: Inventory, name: NormalizedName) -> Wanted:
    """Who wants a package, at which version, and by which chains; of a project without a lock only its own lines."""
    wants = tuple(want for entry in inventory.entries for want in _wants(entry, name))
    having = {want.project for want in wants}
    others = [entry for entry in inventory.entries if entry.project.name not in having]
    return Wanted(
        name=name,
        wants=wants,
        without=tuple(entry.project.name for entry in others if entry.locks),
        unknown=tuple(entry.project.name for entry in others if not entry.locks),
    )


def _wants(entry: Entry, name: NormalizedName) -> Iterator[Want]:
    for outcome in entry.outcomes:
        if isinstance(outcome, Lock):
            if name in outcome.by_name:
                pin = outcome.by_name[name]
                yield Want(
                    project=entry.project.name,
                    environment=outcome.environment,
                    version=pin.version,
                    published=_published(pin),
                    causes=tuple(_causes(entry, outcome, name)),
                )
        elif lines := tuple(_lines(entry, name)):
            yield Want(project=entry.project.name, environment=outcome.environment, version=None, causes=lines)


def _causes(entry: Entry, lock: Lock, name: NormalizedName) -> Iterator[Cause]:
    for line, chain in chains(lock, entry.requirements(), name):
        yield Cause(project=entry.project.name, location=line.location, requirement=line.text, chain=chain)


def _lines(entry: Entry, name: NormalizedName) -> Iterator[Cause]:
    for line in entry.requirements():
        if line.name == name:
            text = without_marker(line.requirement)
            yield Cause(project=entry.project.name, location=line.location, requirement=line.text, chain=(text,))


def moves(before: Lock, after: Lock) -> tuple[Move, ...]:
    """What has another version in a later lock, is new there or gone, by name."""
    old, new = before.by_name, after.by_name
    return tuple(
        Move(
            name=name,
            before=_version(old.get(name)),
            after=_version(new.get(name)),
            published=_published(new.get(name)),
        )
        for name in sorted(old.keys() | new.keys())
        if _version(old.get(name)) != _version(new.get(name))
    )


def shifted(alone: Lock, together: Lock) -> tuple[Move, ...]:
    """What a project gets in another version in an environment that it shares."""
    return tuple(move for move in moves(alone, together) if move.before is not None and move.after is not None)


def _version(pin: Pin | None) -> Version | None:
    return pin.version if pin else None


def _published(pin: Pin | None) -> datetime | None:
    return pin.file.upload_time if pin and pin.file else None
