"""A third opinion about a small world of packages: resolvelib, the resolver inside pip."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import resolvelib
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from universe import Releases

MOST_ROUNDS = 2000


def stands(releases: Releases, requirements: Sequence[str]) -> dict[str, Version] | None:
    """Versions that meet all requirements, None if there are none. Raises `ResolutionTooDeep` after many rounds."""
    resolver = resolvelib.Resolver(_Provider(releases), resolvelib.BaseReporter())
    try:
        result = resolver.resolve(map(_asked, requirements), MOST_ROUNDS)
    except resolvelib.ResolutionImpossible:
        return None
    return {name: chosen.version for name, chosen in result.mapping.items()}


@dataclass(frozen=True, slots=True)
class Asked:
    """A package, and the versions that are allowed."""

    name: str
    specifier: SpecifierSet


@dataclass(frozen=True, slots=True)
class Chosen:
    """A release."""

    name: str
    version: Version
    requires: tuple[str, ...]


class _Provider(resolvelib.AbstractProvider[Asked, Chosen, str]):
    """Candidates are the releases, newest first."""

    def __init__(self, releases: Releases) -> None:
        self._releases = releases

    def identify(self, requirement_or_candidate: Asked | Chosen) -> str:
        return requirement_or_candidate.name

    def get_preference(
        self,
        identifier: str,
        resolutions: Mapping[str, Chosen],  # noqa: ARG002 - the signature is resolvelib's
        candidates: Mapping[str, Iterator[Chosen]],
        information: object,  # noqa: ARG002
        backtrack_causes: object,  # noqa: ARG002
    ) -> int:
        return sum(1 for _ in candidates[identifier])

    def find_matches(
        self,
        identifier: str,
        requirements: Mapping[str, Iterator[Asked]],
        incompatibilities: Mapping[str, Iterator[Chosen]],
    ) -> list[Chosen]:
        wanted = [one.specifier for one in requirements[identifier]]
        bad = {one.version for one in incompatibilities[identifier]}
        known = self._releases.get(identifier, {}).items()
        found = [Chosen(identifier, Version(version), tuple(requires)) for version, requires in known]
        fitting = [one for one in found if one.version not in bad and all(one.version in each for each in wanted)]
        return sorted(fitting, key=lambda one: one.version, reverse=True)

    def is_satisfied_by(self, requirement: Asked, candidate: Chosen) -> bool:
        return candidate.version in requirement.specifier

    def get_dependencies(self, candidate: Chosen) -> list[Asked]:
        return list(map(_asked, candidate.requires))


def _asked(text: str) -> Asked:
    requirement = Requirement(text)
    return Asked(requirement.name, requirement.specifier)
