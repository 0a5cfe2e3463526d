"""To which versions the projects of a fleet move, so that no more versions stand side by side than did before."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise

from packaging.utils import NormalizedName
from packaging.version import Version

from depdoctor.model.noun import dataclass
from depdoctor.model.update import Advisory


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How far the lines of one unit (a project, or projects that share an environment) may move one package.

    `now` is what they hold it at, `low` what they must not go below, `high` the newest that a resolver found.
    """

    unit: str
    now: Version
    low: Version
    high: Version


def aligned(reaches: Sequence[Reach], tied: Sequence[Collection[str]] = ()) -> dict[str, Version]:
    """The version for each unit: its newest, but of all of them no more versions than there are now.

    Units that are `tied` (they share a line or an environment) get the same. Where versions would part, those of the
    fewest units come down to the next older one, though never below what they have.
    """
    groups = _groups(reaches, tied)
    wanted = {key: min(one.high for one in group) if _can(group) else None for key, group in groups.items()}
    most = len({one.now for one in reaches})
    while True:
        chosen = sorted({version for version in wanted.values() if version is not None})
        if len(chosen) <= most:
            break
        steps = []
        for lower, upper in pairwise(chosen):
            down = [key for key, version in wanted.items() if version == upper]
            if all(one.low <= lower for key in down for one in groups[key]):
                steps.append((sum(len(groups[key]) for key in down), lower, down))
        if not steps:
            break
        _, lower, down = min(steps, key=lambda step: (step[0], -chosen.index(step[1])))
        wanted.update(dict.fromkeys(down, lower))
    return {
        one.unit: version if version is not None else one.now
        for key, group in groups.items()
        for version in [wanted[key]]
        for one in group
    }


def _can(group: Sequence[Reach]) -> bool:
    """Whether there is a version that all of a group can have."""
    return max(one.low for one in group) <= min(one.high for one in group)


def _groups(reaches: Sequence[Reach], tied: Sequence[Collection[str]]) -> dict[str, list[Reach]]:
    """The units that must have the same version, by one of them."""
    head = {one.unit: one.unit for one in reaches}
    for units in tied:
        known = sorted(head[unit] for unit in units if unit in head)
        head |= {unit: known[0] for unit, one in head.items() if one in known}
    groups: dict[str, list[Reach]] = {}
    for one in reaches:
        groups.setdefault(head[one.unit], []).append(one)
    return groups


def mending(version: Version, advisories: Sequence[Advisory]) -> Version | None:
    """The lowest version above one that no advisory is about, as far as they tell; None if they tell of none."""
    ends = {
        end
        for one in advisories
        for span in one.spans
        for end in (span.fixed, Version(f"{span.last.public}.post0") if span.last and not span.last.post else None)
        if end is not None and end > version
    }
    return next((end for end in sorted(ends) if not any(one.affects(end) for one in advisories)), None)


def flaws(
    advisories: Mapping[NormalizedName, Sequence[Advisory]], name: NormalizedName, version: Version
) -> tuple[Advisory, ...]:
    """The advisories about a version of a package."""
    return tuple(one for one in advisories.get(name, ()) if one.affects(version))
