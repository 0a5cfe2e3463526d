"""Releases that fail at run time with a library that their metadata allows."""

from __future__ import annotations

from collections.abc import Iterator

from packaging.utils import canonicalize_name
from packaging.version import Version

from depdoctor.diagnose.demand import LOCK
from depdoctor.diagnose.installation import Installation, Package
from depdoctor.diagnose.rule import Context, Rule
from depdoctor.model.expression import expression
from depdoctor.model.finding import Confidence, Evidence, Finding, Kind, Severity
from depdoctor.rules.rows import Break

TORCH = canonicalize_name("torch")

_TORCH = expression(r"torch(\d+)\.(\d+)|torch(\d)(\d{1,2})0(?!\d)|(?:^|[._-])pt(\d)(\d{1,2})(?!\d)")
_CXX11_ABI = expression(r"cxx11abi(true|false)")
_NAMES = {True: "the C++ ABI of 2011", False: "the C++ ABI before 2011"}


def check(context: Context) -> Iterator[Finding]:
    """Every installed pair that tables know to fail together."""
    for installation in context.installations:
        for package in installation.among(context.rules.breaks_by_package.keys()):
            for row in context.rules.breaks_by_package[package.name]:
                library = installation.packages.get(row.library)
                if library is not None and _fails(row, package, library) and row.unless not in installation.packages:
                    yield _finding(installation, row, package, library)
        yield from _compiled_for(context, installation)


def _compiled_for(context: Context, installation: Installation) -> Iterator[Finding]:
    """Extensions whose label says which torch, and which C++ ABI, they were compiled for."""
    torch = installation.packages.get(TORCH)
    if torch is None or torch.version is None:
        return
    labelled = {pin.name for part in installation.parts for pin in part.lock.pins if pin.version.local}
    labelled |= {name for part in installation.parts for name, one in part.named if one.requirement.url}
    labelled.discard(TORCH)
    for package in installation.among(labelled):
        if package.version is None or not package.version.local:
            continue
        minor = torch_of(package.version.local)
        abi = _CXX11_ABI.search(package.version.local)
        use = next((use for use in context.uses(installation) if use.name == TORCH), None)
        if minor is not None and minor.release[:2] != torch.version.release[:2]:
            why = f"was compiled for torch {minor}"
        elif abi and use and use.cxx11_abi is not None and use.cxx11_abi != (abi.group(1) == "true"):
            why = f"was compiled for {_NAMES[abi.group(1) == 'true']}, and this torch for {_NAMES[use.cxx11_abi]}"
        else:
            continue
        wanted = f"{torch.version.major}.{torch.version.minor}"
        told = f"the label of {package} says what it was compiled for"
        grounds: tuple[Evidence, ...] = ()
        if abi and use and use.build and use.cxx11_abi is not None:
            grounds = (use.build.provenance.evidence(f"{torch} is built for {_NAMES[use.cxx11_abi]}"),)
        yield Finding(
            kind=Kind.ABI_RUNTIME,
            severity=Severity.ERROR,
            subject=package.name,
            message=f"{package} {why}, but {torch} is installed: `undefined symbol` at import",
            hint=f"take the build of {package.name} that is labelled for torch {wanted} and the same C++ ABI",
            packages=tuple(sorted((package.name, TORCH))),
            projects=installation.projects_with([package.name, TORCH]),
            causes=installation.causes(package.name, TORCH),
            evidence=(
                Evidence(fact=told, source=LOCK, date=context.date, confidence=Confidence.PRIMARY),
                *grounds,
            ),
        )


def torch_of(label: str) -> Version | None:
    """The minor of torch that a local version label names: 2.4 in pt24cu121, 2.5 in cu12torch2.5 or torch250cu124."""
    match = _TORCH.search(label)
    if match is None:
        return None
    major, minor = (part for part in match.groups() if part)
    return Version(f"{major}.{minor}")


def _fails(row: Break, package: Package, library: Package) -> bool:
    return (
        package.version is not None
        and library.version is not None
        and row.versions.contains(package.version, prereleases=True)
        and row.library_versions.contains(library.version, prereleases=True)
    )


def _finding(installation: Installation, row: Break, package: Package, library: Package) -> Finding:
    return Finding(
        kind=Kind.ABI_RUNTIME,
        severity=Severity[row.severity.upper()],
        subject=package.name,
        message=f"{package} fails with {library}: {row.effect}",
        hint=f"take {row.remedy}",
        packages=tuple(sorted((package.name, library.name))),
        projects=installation.projects_with([package.name, library.name]),
        causes=installation.causes(package.name, library.name),
        evidence=(
            row.provenance.evidence(
                f"{row.package} {row.versions or '(any)'} fails with {row.library} {row.library_versions or '(any)'}"
            ),
        ),
    )


RULE = Rule(
    kind=Kind.ABI_RUNTIME,
    title="A release fails at run time with a library that its metadata allows",
    text="""\
Metadata without an upper bound lets a resolver pair an old release with a library that has since changed: wheels that
were compiled for NumPy 1 with NumPy 2, code that protoc generated before 3.19 with protobuf 4, imports of names that
are gone. It resolves, installs, and fails at import or at the first call. Extensions of torch are compiled for one
minor of it and one C++ ABI, which changed with torch 2.7; their labels tell both (pt24cu121, torch2.5cxx11abiFALSE).

Bound the library where the hint says so, or take the release that was made for it.""",
    check=check,
)
