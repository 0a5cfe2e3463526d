"""The cheapest ways out: another build of the same release, an older release, a newer driver."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from packaging.version import Version

from depdoctor.diagnose.demand import CudaUse
from depdoctor.diagnose.installation import Installation
from depdoctor.diagnose.words import listed
from depdoctor.rules import Rules
from depdoctor.rules.rows import Build


def other_builds(use: CudaUse, rules: Rules, installation: Installation, fits: Callable[[Build], bool]) -> str:
    """How to say which other build of this release, or which release near to it, fits; "" if none is known to.

    The default build of a newer release needs no index of its own; an older one would often be years older.
    """
    version = use.package.version
    if version is None:
        return ""
    public = Version(version.public)
    rows = rules.builds_around(use.name, public, installation.platform)
    same = sorted(
        {row.variant for row in rows.same if row.variant and row.cuda and fits(row)}, key=_cuda_first, reverse=True
    )
    if same:
        return f"take {_built(same, use.name, public)}"

    def serves(release: Version) -> bool:
        wheels = rules.wheels_of(use.name, release, installation.platform)
        return wheels is None or wheels.serves(installation.environment.python)

    newer = [row for row in rows.newer if fits(row) and serves(row.first)]
    older = [row for row in rows.older if fits(row) and serves(row.last)]
    near = [(row, row.first) for row in sorted(newer, key=lambda row: not row.default)[:1]]
    near += [(row, row.last) for row in older[:1]]
    said = [
        f"{use.name} {release}" if row.default else _built([row.variant], use.name, release) for row, release in near
    ]
    return f"take {listed(said, 'or')}" if said else ""


def _built(variants: Sequence[str], name: str, release: Version) -> str:
    builds = listed([f"`{variant}`" for variant in variants], "or")
    return f"the {builds} build of {name} {release} (from the index that ends in /{variants[0]})"


def _cuda_first(variant: str) -> tuple[int, str]:
    return len(variant), variant


def ways(*sentences: str) -> str:
    """The hint that offers several ways out."""
    return "; or ".join(_said(sentences))


def _said(sentences: tuple[str, ...]) -> Iterator[str]:
    return (sentence for sentence in sentences if sentence)
