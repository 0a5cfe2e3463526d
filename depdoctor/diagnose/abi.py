"""Releases that fail at run time with a library that their metadata allows."""

from __future__ import annotations

from collections.abc import Iterator

from depdoctor.diagnose.installation import Installation, Package
from depdoctor.diagnose.rule import Context, Rule
from depdoctor.model.finding import Finding, Kind, Severity
from depdoctor.rules.rows import Break


def check(context: Context) -> Iterator[Finding]:
    """Every installed pair that tables know to fail together."""
    for installation in context.installations:
        for package in installation.among(context.rules.breaks_by_package.keys()):
            for row in context.rules.breaks_by_package[package.name]:
                library = installation.packages.get(row.library)
                if library is not None and _fails(row, package, library):
                    yield _finding(installation, row, package, library)


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
are gone. It resolves, installs, and fails at import or at the first call.

Bound the library where the hint says so, or take the release that was made for it.""",
    check=check,
)
