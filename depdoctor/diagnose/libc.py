"""C libraries that are older than the wheels need."""

from __future__ import annotations

from collections.abc import Iterator

from packaging.version import Version

from depdoctor.diagnose.image_libc import of_image, there
from depdoctor.diagnose.installation import Installation, Package
from depdoctor.diagnose.resolution import refusals
from depdoctor.diagnose.rule import Context, Rule
from depdoctor.model.finding import Finding, Kind, Severity
from depdoctor.model.target import Platform
from depdoctor.rules import Base
from depdoctor.rules.rows import Wheels


def check(context: Context) -> Iterator[Finding]:
    """The resolver's refusals, and what the tables know of pins that no resolver could judge by their file."""
    refused = {
        (project, finding.subject): None for finding in refusals(context, Kind.GLIBC) for project in finding.projects
    }
    yield from refusals(context, Kind.GLIBC)
    for installation in context.installations:
        platform = installation.environment.platform
        if platform.system != "linux" or installation.shared or installation.standing:
            continue
        base = context.base(*installation.projects)
        here = there(platform, base)
        if here != platform:
            yield from of_image(context, installation, base)
        files = {pin.name for part in installation.parts for pin in part.lock.pins if pin.file and pin.file.is_wheel}
        if files >= installation.packages.keys():  # tags of locked wheels have the last word
            continue
        found = {}
        for package in installation.wheels(context.rules.wheels_by_package.keys() - files):
            if package.version is None or (installation.name, package.name) in refused:
                continue
            row = context.rules.wheels_of(package.name, package.version, installation.platform)
            if row is not None and _too_new(row, here):
                found[package.name] = _finding(context, installation, package, row, here, base)
        yield from installation.nearest(found)


def _too_new(row: Wheels, platform: Platform) -> bool:
    here = Version(f"{platform.libc_version[0]}.{platform.libc_version[1]}")
    if platform.libc == "musl":
        return row.musl is None or here < row.musl
    return row.glibc is not None and here < row.glibc


def _finding(
    context: Context, installation: Installation, package: Package, row: Wheels, platform: Platform, base: Base
) -> Finding:
    where = str(platform) if platform == installation.environment.platform else base.reference
    note = f": {row.note}" if row.note else ""
    name, releases = package.name, f"{row.package} {row.first} to {row.last}"
    if platform.libc == "glibc":
        message = (
            f"{package} needs glibc {row.glibc} or newer, and {where} has an older C library: "
            f"`GLIBC_{row.glibc} not found`"
        )
        hint = f"take a base image with glibc {row.glibc} or newer, an older {name}, or build it in place"
        fact = f"{releases} need glibc {row.glibc}{note}"
    else:
        least = f"none below musl {row.musl}" if row.musl else "none for musl"
        built = "pip would build it from source" if row.sdist else "`No matching distribution found`"
        message = f"{package} has wheels for glibc, {least}, and {where} takes no others: {built}"
        hint = "take a base image with glibc, such as one of Debian or Ubuntu"
        fact = f"{releases}: {least}{note}"
    return Finding(
        kind=Kind.GLIBC,
        severity=Severity.WARNING if platform.libc == "musl" and row.sdist else Severity.ERROR,
        subject=name,
        message=message,
        hint=hint,
        packages=(name,),
        projects=installation.projects,
        causes=tuple(sorted({*context.from_lines(where, installation.projects), *installation.causes(name)})),
        evidence=(row.provenance.evidence(fact),),
    )


RULE = Rule(
    kind=Kind.GLIBC,
    title="The C library is older than the wheels need",
    text="""\
A manylinux wheel names the oldest glibc on which it runs: `manylinux_2_28` needs 2.28 (Debian 10, Ubuntu 20.04, RHEL
8). On an older system pip finds no wheel, and a wheel that is tagged wrongly, or comes from elsewhere, stops at import
with `GLIBC_2.32 not found`. musl systems (Alpine) take no manylinux wheel at all. Wheels that were locked are held
against the image that the project's own Dockerfile starts from, too, by their tags.

Take a newer base image; a container has its own C library, whatever the host has.""",
    check=check,
)
