"""What a search for newer versions comes to: proposals, what is held and why, and the fleet before and after."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from depdoctor import lock
from depdoctor.diagnose import diagnose
from depdoctor.model.conflict import Conflicts
from depdoctor.model.finding import Finding, Severity
from depdoctor.model.inventory import Entry
from depdoctor.model.lock import Impossible, Lock, LockOutcome, Resolved
from depdoctor.model.update import Advisory, Exposure, Held, Proposal, Renewal, Update
from depdoctor.pipeline.editing import Edited
from depdoctor.pipeline.reaching import Reaching, Unit
from depdoctor.pipeline.scanning import LockedFleet
from depdoctor.update import lines, locks, targets

Flaws = Mapping[NormalizedName, tuple[Advisory, ...]]
"""Advisories by package."""


def told(fleet: LockedFleet, search: Reaching, chosen: Edited, after: Mapping[str, Entry], flaws: Flaws) -> Update:
    """All that is proposed."""
    projects = [unit for unit in search.units if not unit.members]
    entries, _, _ = fleet.locking.with_facts([after[one.name] for one in projects if one.name in after], ())
    moved = {entry.project.name: entry for entry in entries}
    now = {unit.name: Entry(reading=unit.reading, outcomes=unit.before) for unit in projects}
    return Update(
        proposals=tuple(_proposals(projects, chosen, moved, flaws)),
        held=tuple(_reasons(fleet, projects, search, chosen)),
        renewals=tuple(_renewals(projects, moved, search, chosen)),
        exposed=tuple(_exposed(projects, moved, search, flaws)),
        unmoved=tuple(sorted({one for unit in projects for one in lines.unmoved(unit.reading, search.named)})),
        left=tuple(sorted((name, brief(reason)) for name, reason in search.failed.items())),
        verified=tuple(sorted(moved)),
        before=_findings(fleet, list(now.values())),
        after=_findings(fleet, [moved.get(name, entry) for name, entry in now.items()]),
        before_bytes=_bytes(now.values()),
        after_bytes=_bytes(moved.get(name, entry) for name, entry in now.items()),
        advised=bool(flaws),
    )


def _proposals(units: Sequence[Unit], chosen: Edited, moved: Mapping[str, Entry], flaws: Flaws) -> list[Proposal]:
    """A proposal for each package and each version that it moves to; those that mend a flaw come first."""
    parts: defaultdict[tuple[NormalizedName, Version], dict[str, Version]] = defaultdict(dict)
    for unit in units:
        for name, target in chosen.targets.get(unit.name, {}).items():
            found = [one.by_name[name].version for one in moved[unit.name].locks if name in one.by_name]
            now = chosen.nows[unit.name, name]
            if found and min(found) > now:
                parts[name, min(found)][unit.name] = now
            elif target > now:
                parts[name, target][unit.name] = now
    proposals = []
    for (name, version), befores in parts.items():
        had = {one for now in befores.values() for one in targets.flaws(flaws, name, now)}
        still = targets.flaws(flaws, name, version)
        proposals.append(
            Proposal(
                name=name,
                after=version,
                before=tuple(sorted(befores.items())),
                edits=tuple(one for one in chosen.edits(name) if one.project in befores),
                by_hand=tuple(one for one in chosen.by_hand(name) if one.project in befores),
                fixes=tuple(sorted(had - set(still))),
                open=still,
            )
        )
    return sorted(proposals, key=lambda one: (not one.fixes, -len(one.before), one.name, one.after))


def _reasons(
    fleet: LockedFleet, units: Sequence[Unit], search: Reaching, chosen: Edited
) -> list[tuple[NormalizedName, Held]]:
    """Why something does not get the newest release, the same reasons together."""
    found: defaultdict[tuple[NormalizedName, Version, str], list[str]] = defaultdict(list)
    for unit in units:
        names = sorted(name for owner, name in search.nows if owner == unit.name)
        if not names or unit.name in search.failed:
            continue
        for name, newest in _newest(fleet, unit, names).items():
            target = chosen.targets.get(unit.name, {}).get(name, search.nows[unit.name, name])
            if Version(target.public) < Version(newest.public):
                why = search.why.get((unit.name, name)) or _refusal(fleet, unit, chosen, name, target)
                if search.named and (others := _partners(unit, why, search.named)):
                    why += f"; to move both: `depdoctor update {' '.join(sorted({*search.named, *others}))}`"
                found[name, newest, brief(why)].append(unit.name)
    return [
        (name, Held(projects=tuple(projects), newest=newest, reason=why))
        for (name, newest, why), projects in sorted(found.items())
    ]


def _partners(unit: Unit, why: str, named: Iterable[NormalizedName]) -> set[NormalizedName]:
    """The packages that a refusal tells of and that lines of the project hold, though nobody named them."""
    words = {canonicalize_name(word) for word in re.findall(r"[A-Za-z0-9][\w.-]*(?=[<>=!~ ]|$)", why)}
    return {one.line.name for one in lines.holding(unit.reading)} & words - set(named)


def _newest(fleet: LockedFleet, unit: Unit, names: Sequence[NormalizedName]) -> dict[NormalizedName, Version]:
    """The newest release of each package for a project, whatever else it needs."""
    environment = unit.before[0].environment
    question = lock.question(
        unit.reading,
        environment,
        indexes=fleet.config.indexes,
        exclude_newer=fleet.locking.moment,
        builds_allowed=fleet.builds_allowed,
    )
    alone = replace(question, requirements=tuple(names), constraints=(), provided=(), with_dependencies=False)
    answer = fleet.oracle.resolve(alone)
    return {pin.name: pin.version for pin in answer.pins} if isinstance(answer, Resolved) else {}


def _refusal(fleet: LockedFleet, unit: Unit, chosen: Edited, name: NormalizedName, target: Version) -> str:
    """What a resolver says to anything newer, all else being as it is proposed."""
    reading = chosen.readings.get(unit.name, unit.reading)
    question = lock.question(
        lines.loosened(reading, {}),
        unit.before[0].environment,
        indexes=fleet.config.indexes,
        exclude_newer=fleet.locking.moment,
        builds_allowed=fleet.builds_allowed,
        groups=fleet.config.project(unit.reading.project.root).groups,
    )
    others = [text for text in question.requirements if canonicalize_name(Requirement(text).name) != name]
    answer = fleet.oracle.resolve(replace(question, requirements=(*others, f"{name}>{target.public}")))
    if isinstance(answer, Impossible):
        blamed = [one for one in answer.blamed if one != name]
        return answer.summary or (f"{', '.join(blamed)} would not go with it" if blamed else answer.message)
    return "a resolver chose an older one, since something else gets newer by that"


def _renewals(units: Sequence[Unit], moved: Mapping[str, Entry], search: Reaching, chosen: Edited) -> list[Renewal]:
    """The lockfiles that no longer hold what is proposed."""
    found: dict[str, tuple[Renewal, set[NormalizedName]]] = {}
    for unit in units:
        names = {
            name
            for name, target in chosen.targets.get(unit.name, {}).items()
            if target > search.nows[unit.name, name] and unit.name in moved
        }
        for manifest in unit.reading.manifests:
            if manifest.is_lock and names:
                held = names & {one.name for one in manifest.packages}
                renewal = locks.renewal(manifest, sorted(held), unit.reading)
                if held:
                    every = found.setdefault(manifest.path, (renewal, set()))[1] | held
                    found[manifest.path] = (locks.renewal(manifest, sorted(every), unit.reading), every)
    return [renewal for _, (renewal, _) in sorted(found.items())]


def _exposed(units: Sequence[Unit], moved: Mapping[str, Entry], search: Reaching, flaws: Flaws) -> list[Exposure]:
    """The versions with a known flaw that stay."""
    found = {}
    for unit in units:
        locked: Sequence[LockOutcome] = moved[unit.name].outcomes if unit.name in moved else unit.before
        for one in locked:
            for pin in one.pins if isinstance(one, Lock) else ():
                if known := targets.flaws(flaws, pin.name, pin.version):
                    key = (unit.name, pin.name)
                    direct = "nothing newer without it was found" if key in search.nows else "other packages bring it"
                    found[key] = Exposure(
                        project=unit.name,
                        name=pin.name,
                        version=pin.version,
                        advisories=known,
                        reason=brief(search.why.get(key, "") or direct),
                    )
    return [found[key] for key in sorted(found)]


def _findings(fleet: LockedFleet, entries: Sequence[Entry]) -> tuple[Finding, ...]:
    known, _, _ = fleet.locking.with_facts(entries, ())
    inventory = replace(fleet.inventory, entries=known, shared=(), incomplete=(), installed=())
    found = diagnose(inventory, Conflicts(), fleet.rules).findings
    return tuple(one for one in found if one.severity > Severity.NOTE)


def _bytes(entries: Iterable[Entry]) -> int:
    """The distinct bytes of all wheels, as downloaded."""
    found = {
        (pin.name, pin.version, pin.file.sha256 if pin.file else ""): pin.download_bytes
        for entry in entries
        for one in entry.locks
        for pin in one.pins
    }
    return sum(found.values())


def brief(text: str) -> str:
    """A text in one line."""
    return " ".join(text.split())
