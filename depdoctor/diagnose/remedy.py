"""The cheapest ways out: another build of the same release, an older release, a newer driver."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from packaging.version import Version

from depdoctor.diagnose.demand import CudaUse
from depdoctor.diagnose.words import listed
from depdoctor.rules import Rules
from depdoctor.rules.rows import Build


def other_builds(use: CudaUse, rules: Rules, platform: str, fits: Callable[[Build], bool]) -> str:
    """How to say which other build of this release, or which release near to it, fits; "" if none is known to."""
    version = use.package.version
    if version is None:
        return ""
    public = Version(version.public)
    rows = rules.builds_around(use.name, public, platform)
    same = sorted(
        {row.variant for row in rows.same if row.variant and row.cuda and fits(row)}, key=_cuda_first, reverse=True
    )
    if same:
        builds = listed([f"`{variant}`" for variant in same], "or")
        return f"take the {builds} build of {use.name} {public} (from the index that ends in /{same[0]})"
    newer = next((row.first for row in rows.newer if fits(row)), None)
    older = next((row.last for row in rows.older if fits(row)), None)
    near = listed((version for version in (newer, older) if version), "or")
    return f"take {use.name} {near}" if near else ""


def _cuda_first(variant: str) -> tuple[int, str]:
    return len(variant), variant


def ways(*sentences: str) -> str:
    """The hint that offers several ways out."""
    return "; or ".join(_said(sentences))


def _said(sentences: tuple[str, ...]) -> Iterator[str]:
    return (sentence for sentence in sentences if sentence)
