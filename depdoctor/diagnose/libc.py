"""C libraries that are older than the wheels need."""

from __future__ import annotations

from collections.abc import Iterator

from packaging.version import Version

from depdoctor.diagnose.installation import Installation, Package
from depdoctor.diagnose.resolution import refusals
from depdoctor.diagnose.rule import Context, Rule
from depdoctor.model.finding import Finding, Kind, Severity
from depdoctor.rules.rows import Wheels


def check(context: Context) -> Iterator[Finding]:
    """The resolver's refusals, and what the tables know of pins that no resolver could judge by their file."""
    refused = {
        (project, finding.subject): None for finding in refusals(context, Kind.GLIBC) for project in finding.projects
    }
    yield from refusals(context, Kind.GLIBC)
    for installation in context.installations:
        platform = installation.environment.platform
        if platform.system != "linux" or platform.machine != "x86_64" or installation.shared or installation.standing:
            continue
        for package in installation.wheels(context.rules.wheels_by_package.keys()):
            if (installation.name, package.name) in refused:
                continue
            for row in context.rules.wheels_by_package[package.name]:
                if _too_new(row, package, installation):
                    yield _finding(installation, package, row)


def _too_new(row: Wheels, package: Package, installation: Installation) -> bool:
    version, platform = package.version, installation.environment.platform
    if version is None or row.glibc is None or not row.first <= version <= row.last:
        return False
    if _has_file(installation, package):
        return False
    return platform.libc != "glibc" or Version(f"{platform.libc_version[0]}.{platform.libc_version[1]}") < row.glibc


def _has_file(installation: Installation, package: Package) -> bool:
    """Whether a lock names a wheel, whose tag has the last word."""
    return any(
        pin.name == package.name and pin.file is not None and pin.file.is_wheel
        for part in installation.parts
        for pin in part.lock.pins
    )


def _finding(installation: Installation, package: Package, row: Wheels) -> Finding:
    note = f": {row.note}" if row.note else ""
    return Finding(
        kind=Kind.GLIBC,
        severity=Severity.ERROR,
        subject=package.name,
        message=(
            f"{package} needs glibc {row.glibc} or newer, and {installation.environment.platform} has an older C "
            f"library: `GLIBC_{row.glibc} not found`"
        ),
        hint=f"take a base image with glibc {row.glibc} or newer, an older {package.name}, or build it in place",
        packages=(package.name,),
        projects=installation.projects,
        causes=installation.causes(package.name),
        evidence=(row.provenance.evidence(f"{row.package} {row.first} to {row.last} need glibc {row.glibc}{note}"),),
    )


RULE = Rule(
    kind=Kind.GLIBC,
    title="The C library is older than the wheels need",
    text="""\
A manylinux wheel names the oldest glibc on which it runs: `manylinux_2_28` needs 2.28 (Debian 10, Ubuntu 20.04, RHEL
8). On an older system pip finds no wheel, and a wheel that is tagged wrongly, or comes from elsewhere, stops at import
with `GLIBC_2.32 not found`. musl systems (Alpine) take no manylinux wheel at all.

Take a newer base image; a container has its own C library, whatever the host has.""",
    check=check,
)
