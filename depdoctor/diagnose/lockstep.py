"""Families that are released in step: what of them is locked or pinned out of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from packaging.version import Version

from depdoctor.diagnose.conflicts import named_in
from depdoctor.diagnose.installation import Installation, Package
from depdoctor.diagnose.rule import Context, Rule
from depdoctor.diagnose.words import listed
from depdoctor.model.finding import Finding, Kind, Severity
from depdoctor.rules import Rules
from depdoctor.rules.rows import Lockstep


def check(context: Context) -> Iterator[Finding]:
    """Every installed pair of which tables know with what each release goes, and that it is not this."""
    for installation in context.installations:
        for package in installation.among(context.rules.lockstep_by_package.keys()):
            for leader in sorted({row.leader for row in context.rules.lockstep_by_package[package.name]}):
                other = installation.packages.get(leader)
                broken = _broken(context.rules, package, other) if other else ()
                if other and broken and not _told(context, installation, package, other):
                    yield _finding(installation, package, other, broken)


def _broken(rules: Rules, package: Package, leader: Package) -> Sequence[Lockstep]:
    """What tables know of a package's release beside another package, if none of it allows this one; else nothing."""
    if package.version is None or leader.version is None:
        return ()
    known = [
        row
        for row in rules.lockstep_by_package.get(package.name, ())
        if row.leader == leader.name and row.versions.contains(package.version, prereleases=True)
    ]
    return () if any(_in_step(row, package.version, leader.version) for row in known) else known


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
