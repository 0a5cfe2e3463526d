"""Turns targets into edits of files, and reads every edit again as what it is meant to say."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from packaging.utils import NormalizedName
from packaging.version import Version

from depdoctor.model.conflict import Edit
from depdoctor.model.inventory import Entry
from depdoctor.model.noun import dataclass, field
from depdoctor.model.project import DeclaredRequirement, Location
from depdoctor.model.reading import Reading
from depdoctor.pipeline.reaching import Key, Reaching, Unit
from depdoctor.read import READERS
from depdoctor.read.errors import ManifestError
from depdoctor.update import lines


@dataclass(slots=True, kw_only=True)
class Edited:
    """What is proposed of each unit: targets, the reading as its lines would be, and the files before and after.

    `unwritten` are the places of lines that are to change and that only a person can.
    """

    root: Path
    units: Sequence[Unit]
    named: frozenset[NormalizedName]
    nows: Mapping[Key, Version]
    targets: dict[str, dict[NormalizedName, Version]] = field(default_factory=dict)
    readings: dict[str, Reading] = field(default_factory=dict)
    texts: dict[str, tuple[str, str]] = field(default_factory=dict)
    unwritten: set[tuple[Location, NormalizedName]] = field(default_factory=set)

    def drop(self, names: Collection[str], search: Reaching) -> None:
        """Propose nothing of these units, nor of those that must go with them."""
        dropped = set(names)
        for name in {name for unit in names for name in self.targets.get(unit, {})}:
            for tied in search.tied(name):
                if not dropped.isdisjoint(tied):
                    dropped |= tied
        for unit in dropped:
            self.targets.pop(unit, None)
            self.readings.pop(unit, None)
        self.write()

    def stands(self, unit: str, entry: Entry) -> bool:
        """Whether an outcome has of every package what is aimed at."""
        return all(
            lock.by_name[name].version.public == target.public or not self._pinned(unit, name)
            for lock in entry.locks
            for name, target in self.targets[unit].items()
            if name in lock.by_name
        )

    def edits(self, name: NormalizedName) -> Iterator[Edit]:
        """The lines that change for a package."""
        yield from (edit for place, edit in self._lines(name) if place not in self.unwritten)

    def by_hand(self, name: NormalizedName) -> Iterator[Edit]:
        """The lines that must change for it and that are in no patch."""
        yield from (edit for place, edit in self._lines(name) if place in self.unwritten)

    def write(self) -> None:
        """Make the texts anew."""
        wanted: dict[str, dict[tuple[Location, NormalizedName], tuple[lines.Held, Version]]] = {}
        for _, held, target in self._changes():
            wanted.setdefault(held.line.location.path, {})[held.line.location, held.line.name] = (held, target)
        self.texts, self.unwritten = {}, set()
        for path, changes in sorted(wanted.items()):
            before = self._text(path)
            after = before
            for place, (held, target) in sorted(changes.items()):
                changed = _replaced(after, held, target) if after is not None else None
                if changed is None:
                    self.unwritten.add(place)
                else:
                    after = changed
            if before is not None and after is not None and after != before:
                self.texts[path] = (before, after)

    def _pinned(self, unit: str, name: NormalizedName) -> bool:
        return any(
            held.line.name == name and held.line.requirement.specifier and lines.pin(held.line)
            for owner, held, _ in self._changes()
            if owner == unit
        )

    def _lines(self, name: NormalizedName) -> Iterator[tuple[tuple[Location, NormalizedName], Edit]]:
        for unit, held, target in self._changes():
            if held.line.name == name:
                edit = Edit(
                    project=unit,
                    location=held.line.location,
                    before=held.line.text,
                    after=f"{held.line.requirement.name}{lines.after(held.line, target)}",
                )
                yield (held.line.location, name), edit

    def _changes(self) -> Iterator[tuple[str, lines.Held, Version]]:
        """Every line that is to change, for each project that it is of."""
        for unit in self.units:
            for held in lines.holding(unit.reading, self.named) if not unit.members else ():
                target = self.targets.get(unit.name, {}).get(held.line.name)
                if target is not None and lines.after(held.line, target) != held.line.requirement.specifier:
                    yield unit.name, held, target

    def _text(self, path: str) -> str | None:
        """A file below the root, None where it is none that could be written."""
        try:
            place = self.root / path
            if place.is_symlink() or not place.resolve().is_relative_to(self.root.resolve()):
                return None
            return place.read_bytes().decode("utf-8")
        except (OSError, UnicodeDecodeError):
            return None


def edited(root: Path, units: Sequence[Unit], search: Reaching) -> Edited:
    """The targets of a search as edits."""
    found = Edited(root=root, units=units, named=search.named, nows=dict(search.nows))
    for unit in units:
        mine = {name: target for (owner, name), target in search.targets.items() if owner == unit.name}
        if unit.name not in search.failed and any(
            target > search.nows[unit.name, name] for name, target in mine.items()
        ):
            found.targets[unit.name] = mine
            found.readings[unit.name] = lines.moved(unit.reading, mine, search.named)
    found.write()
    return found


def _replaced(text: str, held: lines.Held, target: Version) -> str | None:
    """The text with one line changed, None where it would then not be read as it is meant."""
    place = held.line.location.line - 1
    rows = text.split("\n")
    row = lines.written(rows[place], held.line, target) if place < len(rows) else None
    if row is None:
        return None
    changed = "\n".join([*rows[:place], row, *rows[place + 1 :]])
    before, after = _declared(text, held), _declared(changed, held)
    mine = lines.after(held.line, target)
    if before is None or after is None or len(before) != len(after):
        return None
    for old, new in zip(before, after, strict=True):
        same = str(old.requirement) == str(new.requirement) and old.location == new.location
        moved = (
            old.name == new.name == held.line.name
            and old.location == new.location == held.line.location
            and new.requirement.specifier == mine
        )
        if not (same or moved):
            return None
    return changed


def _declared(text: str, held: lines.Held) -> tuple[DeclaredRequirement, ...] | None:
    try:
        manifest = READERS[held.manifest.format](text, held.manifest.path)
    except (KeyError, ManifestError):
        return None
    return (*manifest.requirements, *manifest.constraints)
