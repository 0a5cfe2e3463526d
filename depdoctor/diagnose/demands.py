"""All that a lock demands of a machine, in one place: what rules ask piece by piece, package by package.

From the locked wheels first (tags, pins of NVIDIA's libraries, labels), then from what was found inside them, then from
tables; what none of them tells is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from depdoctor.diagnose.demand import LOCK, CudaUse, bindings_of, cuda_uses
from depdoctor.diagnose.installation import Installation
from depdoctor.model.demand import Demand
from depdoctor.model.distribution import Pin
from depdoctor.model.finding import Confidence, Evidence
from depdoctor.model.graph import holds
from depdoctor.model.target import LEGACY_MANYLINUX, numbered
from depdoctor.rules import Rules

_LIBRARY = re.compile(r"nvidia-(?P<name>[a-z0-9]+)(?:-cu\d+)?")
_LIBC = re.compile(r"(?P<libc>many|musl)linux_(?P<major>\d+)_(?P<minor>\d+)_")
_LEGACY = {name: version for version, name in LEGACY_MANYLINUX.items()}
_CPYTHON = re.compile(r"cp(?P<major>\d)(?P<minor>\d+)")


def demands(installation: Installation, rules: Rules, date: str) -> tuple[Demand, ...]:
    """Everything that an installation demands, each thing once for each package that demands it so.

    `date` is the ISO date of the lock.
    """
    uses = cuda_uses(installation, bindings_of(installation.packages, rules), rules, date)
    found = [*_of_cuda(uses, rules), *_of_libraries(installation, uses, rules, date), *_of_tags(installation, date)]
    return tuple(dict.fromkeys(found))


def _of_cuda(uses: tuple[CudaUse, ...], rules: Rules) -> Iterator[Demand]:
    """CUDA, the driver that starts it, GPU targets and C++ ABI of what holds CUDA code or loads it."""
    for use in uses:
        if use.binding.role == "component":
            continue
        package = str(use.package)
        if use.cuda is not None and use.evidence:
            yield Demand(what="CUDA", least=str(use.cuda), package=package, evidence=use.evidence[0])
            if driver := _driver(use.cuda, rules):
                yield Demand(what="driver", least=numbered(driver[0]), package=package, evidence=driver[1])
        if (code := use.package.code) is not None and code.complete:
            inside = Evidence(
                fact=f"the GPU code in {package}",
                source="the wheel itself",
                date=use.evidence[0].date if use.evidence else "",
                confidence=Confidence.PRIMARY,
            )
        elif use.build is not None:
            inside = use.build.provenance.evidence(f"what {package} was built with")
        else:
            continue
        if use.compiled and use.targets:
            targets = " ".join(map(str, use.targets))
            yield Demand(what="GPU code", least=targets, package=package, evidence=inside)
        if use.cxx11_abi is not None:
            yield Demand(what="C++ ABI", least="2011" if use.cxx11_abi else "1998", package=package, evidence=inside)


def _driver(cuda: Version, rules: Rules) -> tuple[Version, Evidence] | None:
    """The oldest Linux driver on which programs of a CUDA version start."""
    row = rules.major(cuda.major)
    if row is None:
        return None
    toolkit = None if row.minor_compatible else rules.toolkit(cuda)
    floor, ground = (toolkit.linux_driver, toolkit.provenance) if toolkit else (row.linux_floor, row.provenance)
    return (floor, ground.evidence(f"CUDA {cuda} programs start on it")) if floor else None


def _of_libraries(installation: Installation, uses: tuple[CudaUse, ...], rules: Rules, date: str) -> Iterator[Demand]:
    """NVIDIA's libraries that are numbered by themselves: as locked wheels require them, else as the build had them."""
    for use in uses:
        if use.binding.role == "component":
            continue
        pinned = dict(_pinned(installation, use, rules, date))
        yield from pinned.values()
        built = {"cudnn": use.cudnn, "nccl": use.build.nccl if use.build else None}
        for name, version in built.items():
            if name not in pinned and version is not None:
                ground = use.build.provenance if use.build else use.binding.provenance
                fact = f"{use.package} was built with {name} {version}"
                yield Demand(what=name, least=str(version), package=str(use.package), evidence=ground.evidence(fact))


def _pinned(installation: Installation, use: CudaUse, rules: Rules, date: str) -> Iterator[tuple[str, Demand]]:
    extras = installation.extras.get(use.name, frozenset())
    for requirement in use.package.requires or ():
        name = canonicalize_name(requirement.name)
        match, bound = _LIBRARY.fullmatch(name), rules.cuda_package(name)
        if not match or not bound or not holds(requirement.marker, installation.environment, extras):
            continue
        if bound[0].version_is_cuda or name in rules.components_by_package:
            continue  # what CUDA itself is made of follows from CUDA
        exact = next((one.version for one in requirement.specifier if one.operator in {"==", ">="}), None)
        least = exact or str(installation.version(name) or "")
        if least and bound[0].role == "component":
            evidence = Evidence(
                fact=f"{use.package} requires {name}{requirement.specifier}",
                source=LOCK,
                date=date,
                confidence=Confidence.PRIMARY,
            )
            yield match["name"], Demand(what=match["name"], least=least, package=str(use.package), evidence=evidence)


def _of_tags(installation: Installation, date: str) -> Iterator[Demand]:
    """The C library and the Python that the locked wheels are tagged for: the most demanding wheel of each."""
    most: dict[str, tuple[Version, Pin]] = {}
    for part in installation.parts:
        for pin in part.lock.pins:
            if pin.file is not None and pin.file.is_wheel:
                for what, version in _tagged(pin.file.filename).items():
                    if what not in most or version > most[what][0]:
                        most[what] = version, pin
    for what, (version, pin) in sorted(most.items()):
        filename = pin.file.filename if pin.file else ""
        evidence = Evidence(fact=filename, source="the tags of the wheel", date=date, confidence=Confidence.PRIMARY)
        yield Demand(what=what, least=str(version), package=str(pin), evidence=evidence)


def _tagged(filename: str) -> dict[str, Version]:
    """The least that the tags of a wheel ask for, of each thing."""
    found: dict[str, Version] = {}
    try:
        tags = parse_wheel_filename(filename)[3]
    except (InvalidWheelFilename, InvalidVersion):
        return found
    for tag in tags:
        told: list[tuple[str, Version]] = []
        legacy = _LEGACY.get(tag.platform.partition("_")[0])
        if match := _LIBC.match(tag.platform):
            libc = "glibc" if match["libc"] == "many" else "musl"
            told.append((libc, Version(f"{match['major']}.{match['minor']}")))
        elif legacy:
            told.append(("glibc", Version(f"{legacy[0]}.{legacy[1]}")))
        if match := _CPYTHON.fullmatch(tag.interpreter):
            told.append(("Python", Version(f"{match['major']}.{match['minor']}")))
        for what, version in told:
            found[what] = min(version, found.get(what, version))
    return found
