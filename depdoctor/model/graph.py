"""The graph that a lock is: which requirement brings which package."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from functools import lru_cache

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from depdoctor.model.expression import expression
from depdoctor.model.lock import Lock
from depdoctor.model.project import DeclaredRequirement
from depdoctor.model.target import Environment

Extras = frozenset[str]

_EXTRA = expression(r"""extra\s*(==|!=)\s*(?:"([^"]*)"|'([^']*)')""")
_ALWAYS, _NEVER = "python_version >= '0'", "python_version < '0'"


def holds(marker: Marker | None, environment: Environment, extras: Extras = frozenset()) -> bool:
    """Whether a marker is true in an environment where these extras (normalized) are asked for.

    Several extras may be active at once, where the dependency specifiers specification has one value for `extra`.
    """
    return marker is None or _holds(str(marker), environment, extras)


@lru_cache(maxsize=16384)
def _holds(text: str, environment: Environment, extras: Extras) -> bool:
    def agrees(match: re.Match[str]) -> bool:
        return (canonicalize_name(match[2] or match[3] or "") in extras) is (match[1] == "==")

    if " or " not in text and not all(map(agrees, _EXTRA.finditer(text))):
        return False  # as of most markers that there are, without the time that it takes to parse one

    def settled(match: re.Match[str]) -> str:
        return _ALWAYS if agrees(match) else _NEVER

    return Marker(_EXTRA.sub(settled, text)).evaluate(_markers(environment))


@lru_cache(maxsize=64)
def _markers(environment: Environment) -> dict[str, str]:
    return environment.markers()


def without_marker(requirement: Requirement) -> str:
    """A requirement as people speak of it: name, extras, and versions or address, without when it counts."""
    return str(requirement).partition(";")[0].strip()


def chains(
    lock: Lock, declared: Iterable[DeclaredRequirement], subject: NormalizedName
) -> tuple[tuple[DeclaredRequirement, tuple[str, ...]], ...]:
    """For each declared requirement that leads to a package, the shortest chain of requirements down to it.

    A chain begins with the declared requirement and ends with the one that names `subject`; where the declaration names
    it, it is the whole chain. Ties go to the alphabet. Packages whose requirements are not known lead nowhere.
    """
    found = ((one, _chain(lock, one.requirement, subject)) for one in declared)
    return tuple((one, chain) for one, chain in found if chain)


def _chain(lock: Lock, declared: Requirement, subject: NormalizedName) -> tuple[str, ...]:
    if not holds(declared.marker, lock.environment):
        return ()
    queue: deque[tuple[Requirement, tuple[str, ...]]] = deque([(declared, (without_marker(declared),))])
    seen: set[tuple[NormalizedName, Extras]] = set()
    pins = lock.by_name
    while queue:
        requirement, chain = queue.popleft()
        name = canonicalize_name(requirement.name)
        if name == subject:
            return chain
        extras = frozenset(canonicalize_name(extra) for extra in requirement.extras)
        if (name, extras) in seen or name not in pins:
            continue
        seen.add((name, extras))
        edges = [edge for edge in pins[name].requires or () if holds(edge.marker, lock.environment, extras)]
        queue.extend((edge, (*chain, without_marker(edge))) for edge in sorted(edges, key=str))
    return ()
