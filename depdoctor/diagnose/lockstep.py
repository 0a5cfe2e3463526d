"""Families that are released in step: what of them is locked or pinned out of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from packaging.version import Version

from depdoctor.diagnose.conflicts import named_in
from depdoctor.diagnose.installation import Installation, Package
from depdoctor.diagnose.rule import Context, Rule
from depdoctor.diagnose.words import listed
from depdoctor.model.finding import Finding, Kind, Severity
from depdoctor.rules.rows import Lockstep


def check(context: Context) -> Iterator[Finding]:
    """Every installed pair of which tables know with what each release goes, and that it is not this."""
    for installation in context.installations:
        for package in installation.among(context.rules.lockstep_by_package.keys()):
            rows = sorted(context.rules.lockstep_by_package[package.name], key=lambda row: row.leader)
            for leader, group in groupby(rows, key=lambda row: row.leader):
                known = [
                    row for row in group if package.version and row.versions.contains(package.version, prereleases=True)
                ]
                other = installation.packages.get(leader)
                if not known or other is None or other.version is None or package.version is None:
                    continue
                if any(_in_step(row, package.version, other.version) for row in known):
                    continue
                if not _told(context, installation, package, other):
                    yield _finding(installation, package, other, known)


def _in_step(row: Lockstep, version: Version, leader: Version) -> bool:
    if row.same:
        return Version(version.public).release == Version(leader.public).release
    return row.leader_versions.contains(leader, prereleases=True)


def _told(context: Context, installation: Installation, package: Package, leader: Package) -> bool:
    """Whether a conflict says already that these two cannot stand together."""
    return any(
        {package.name, leader.name} <= {named_in(cause.requirement) for cause in conflict.causes}
        and not set(conflict.projects).isdisjoint(installation.projects)
        for conflict in context.conflicts.conflicts
    )


def _finding(installation: Installation, package: Package, leader: Package, rows: Sequence[Lockstep]) -> Finding:
    row = rows[0]
    number = Version(str(package.version)).public
    wanted = (
        f"{leader.name}=={number}"
        if row.same
        else listed((f"{leader.name}{one.leader_versions}" for one in rows), "or")
    )
    return Finding(
        kind=Kind.LOCKSTEP,
        severity=Severity.WARNING,
        subject=package.name,
        message=f"{package} is out of step with {leader}: {row.effect}",
        hint=f"take `{wanted}` with {package.name} {number}, and move both together",
        packages=tuple(sorted((package.name, leader.name))),
        projects=installation.projects_with([package.name, leader.name]),
        causes=installation.causes(package.name, leader.name),
        evidence=(row.provenance.evidence(f"{row.package} {row.versions} goes with {wanted}"),),
    )


RULE = Rule(
    kind=Kind.LOCKSTEP,
    title="Packages that are released in step are not in step",
    text="""\
torchvision and torchaudio are compiled for one release of torch, the CUDA plugins of jax work with the jaxlib of the
same number alone, and tensorflow-text follows tensorflow. Not all of them say so in their metadata, so that a resolver
may take a pair that fails to load, or that silently runs on the CPU. Move the members of a family together. Where the
metadata does say so, the lines are a version conflict, which is told as such.""",
    check=check,
)
