"""Locked wheels against the C library of the image that the project's own Dockerfile starts from, by their tags."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from packaging.utils import NormalizedName

from depdoctor.diagnose.installation import Installation
from depdoctor.diagnose.rule import Context
from depdoctor.diagnose.words import listed
from depdoctor.model.distribution import Pin
from depdoctor.model.expression import expression
from depdoctor.model.finding import Confidence, Evidence, Finding, Kind, Severity
from depdoctor.model.target import LEGACY_MANYLINUX, Platform
from depdoctor.rules import Base

_MANYLINUX = expression(r"manylinux_(\d+)_(\d+)_")
_LEGACY = {name: version for version, name in LEGACY_MANYLINUX.items()}

MOST_NAMED = 4
"""Wheels that a message names."""


def there(platform: Platform, base: Base) -> Platform:
    """The platform with the C library of the image that a project stands on, where it takes less than the target's."""
    if not base.known or not base.family:
        return platform
    own = replace(platform, libc=base.libc, libc_version=base.libc_version)
    return own if own.libc != platform.libc or own.libc_version < platform.libc_version else platform


def of_image(context: Context, installation: Installation, base: Base) -> Iterator[Finding]:
    """Wheels that were locked for the target, and that the C library of the image does not take."""
    musl = base.libc != "glibc"
    needs: dict[NormalizedName, tuple[int, int]] = {}
    for pin in (pin for part in installation.parts for pin in part.lock.pins):
        need = _needs(pin)
        if need is not None and (musl or need > base.libc_version):
            needs[pin.name] = need
    if musl:  # most others have wheels for musl beside those that were locked
        needs = {name: need for name, need in needs.items() if _only_glibc(context, installation, name)}
    fixed = {name: need for name, need in needs.items() if _is_fixed(installation, name)}
    found = needs if musl else fixed
    if not found:
        return
    ranked = sorted(
        installation.nearest({name: name for name in found}) or found,
        key=lambda name: (not installation.packages[name].direct, name),
    )
    named = [
        f"{installation.packages[name]} (`manylinux_{found[name][0]}_{found[name][1]}`)" for name in ranked[:MOST_NAMED]
    ]
    more = [f"{len(ranked) - MOST_NAMED} more"] if len(ranked) > MOST_NAMED else []
    has = "musl, which takes no manylinux wheel" if musl else f"glibc {base.libc_version[0]}.{base.libc_version[1]}"
    newest = max(found.values())
    yield Finding(
        kind=Kind.GLIBC,
        severity=Severity.ERROR,
        subject=ranked[0],
        message=(
            f"{base.reference} has {has}, and {listed([*named, *more])} "
            f"{'are' if len(ranked) > 1 else 'is'} not for it: `no matching distribution found`, or a build from source"
        ),
        hint="take a base image with glibc, such as python:3.x-slim"
        if musl
        else f"take a base image with glibc {newest[0]}.{newest[1]} or newer, or older releases",
        packages=(base.reference, *ranked[:MOST_NAMED]),
        projects=installation.projects,
        causes=tuple(
            sorted({*context.from_lines(base.reference, installation.projects), *installation.causes(*ranked[:1])})
        ),
        evidence=(
            *((base.provenance.evidence(f"{base.reference} has {has}"),) if base.provenance else ()),
            Evidence(
                fact=f"the platform tags of {listed(named)}",
                source="file names of the wheels",
                date=context.date,
                confidence=Confidence.PRIMARY,
            ),
        ),
    )


def _needs(pin: Pin) -> tuple[int, int] | None:
    """The oldest glibc that a wheel names; None for one that is for any system, and for what is no wheel."""
    if pin.file is None or not pin.file.is_wheel:
        return None
    platforms = pin.file.filename.removesuffix(".whl").rpartition("-")[2].split(".")
    found = []
    for platform in platforms:
        match = _MANYLINUX.match(platform)
        legacy = _LEGACY.get(platform.partition("_")[0])
        if match:
            found.append((int(match[1]), int(match[2])))
        elif legacy:
            found.append(legacy)
        else:
            return None
    return min(found, default=None)


def _only_glibc(context: Context, installation: Installation, name: NormalizedName) -> bool:
    """Whether tables know a release as one without a wheel for musl and without a source distribution."""
    version = installation.packages[name].version
    row = context.rules.wheels_of(name, version, installation.platform) if version else None
    if row is not None:
        return row.musl is None and not row.sdist
    bound = context.rules.cuda_package(name)
    return bound is not None and bound[0].role != "binding"


def _is_fixed(installation: Installation, name: NormalizedName) -> bool:
    """Whether the image takes this release and no older one: it is from a lockfile, or asked for exactly."""
    for part in installation.parts:
        if part.lock.origin is not None and any(pin.name == name for pin in part.lock.pins):
            return True
        asked = (one.requirement for known, one in part.named if known == name)
        if any(each.operator in {"==", "==="} for requirement in asked for each in requirement.specifier):
            return True
    return False
