"""Distributions that install the same files over one another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from packaging.utils import NormalizedName

from depdoctor.diagnose.environments import overwritten
from depdoctor.diagnose.installation import Installation
from depdoctor.diagnose.rule import Context, Rule
from depdoctor.diagnose.words import listed
from depdoctor.model.finding import Confidence, Evidence, Finding, Kind, Severity
from depdoctor.rules import Rules
from depdoctor.rules.rows import SharedFiles


def check(context: Context) -> Iterator[Finding]:
    """Every set of distributions in one environment that tables know to share files, and what file lists show."""
    yield from overwritten(context)
    for installation in context.installations:
        if installation.standing:
            continue
        for row, present in overlaps(installation, context.rules):
            if not is_cuda(row, context.rules):
                yield _finding(installation, row, present)
        yield from _unforeseen(context, installation)


def overlaps(installation: Installation, rules: Rules) -> Iterator[tuple[SharedFiles, tuple[NormalizedName, ...]]]:
    """The rows of which more than one distribution is installed, but for those that are made to stand together."""
    rows = {
        (row.module, row.packages): row
        for package in installation.among(rules.files_by_package.keys())
        for row in rules.files_by_package[package.name]
        if not row.platforms or installation.platform in row.platforms
    }
    for row in rows.values():
        present = tuple(name for name in row.packages if name in installation.packages)
        if len(present) - len(set(present) & set(row.unless)) > 1 or (len(present) > 1 and not row.unless):
            yield row, present


def _unforeseen(context: Context, installation: Installation) -> Iterator[Finding]:
    """Wheels whose file lists overlap, of which no table says anything."""
    for overlap in installation.overlaps:
        one, other = overlap.packages
        known = any(other in row.packages for row in context.rules.files_by_package.get(one, ()))
        if known or both_cuda(overlap.packages, context.rules):
            continue
        more = f" and {overlap.files - 1} more" if overlap.files > 1 else ""
        yield Finding(
            kind=Kind.CLOBBER,
            severity=Severity.WARNING,
            subject=one,
            message=(
                f"{listed(str(installation.packages[name]) for name in overlap.packages)} both install "
                f"`{overlap.example}`{more}: the one that is installed last wins"
            ),
            hint="keep one of them if one will do; else take releases of both that were made together",
            packages=overlap.packages,
            projects=installation.projects_with(overlap.packages),
            causes=installation.causes(*overlap.packages),
            evidence=(
                Evidence(
                    fact=f"{overlap.files} file{'s' if overlap.files > 1 else ''} of code in the lists of both wheels",
                    source="the wheels themselves",
                    date=context.date,
                    confidence=Confidence.PRIMARY,
                ),
            ),
        )


def is_cuda(row: SharedFiles, rules: Rules) -> bool:
    """Whether the files are libraries of CUDA itself, whose clash is one of frameworks."""
    return both_cuda(row.packages, rules)


def both_cuda(names: Iterable[NormalizedName], rules: Rules) -> bool:
    """Whether all of these packages are libraries of CUDA itself."""
    bound = [rules.cuda_package(name) for name in names]
    return all(found is not None and found[0].role == "component" for found in bound)


def _finding(installation: Installation, row: SharedFiles, present: tuple[NormalizedName, ...]) -> Finding:
    seen = any(set(overlap.packages) <= set(present) for overlap in installation.overlaps)
    return Finding(
        kind=Kind.CLOBBER,
        severity=Severity.ERROR if seen else Severity.WARNING,
        subject=present[0],
        message=f"{listed(sorted(present))} install the same files (`{row.module}`): {row.effect}",
        hint=_hint(present),
        packages=tuple(sorted(present)),
        projects=installation.projects_with(present),
        causes=installation.causes(*present),
        evidence=(row.provenance.evidence(f"{listed(present)} own `{row.module}`"),),
    )


def _hint(present: tuple[NormalizedName, ...]) -> str:
    override = f"`{present[-1]}; sys_platform == 'never'` under `override-dependencies` of uv"
    return f"keep one of them, and override the others away where something else requires them: {override}"


RULE = Rule(
    kind=Kind.CLOBBER,
    title="Distributions install the same files",
    text="""\
Several distributions on the index own the same module: opencv-python and opencv-python-headless both are `cv2`,
onnxruntime and onnxruntime-gpu both are `onnxruntime`. No resolver minds. The one that is installed last wins, in an
order that nothing fixes, so that the GPU, or a window, is gone after the next build; and removing one of them breaks
the others. Keep one, and override the others away where other packages require them.

It is an error where the file lists of the locked wheels show it, and a warning where only tables say so, or where two
wheels overlap that no table knows. Files that both bring byte for byte, as mlflow and mlflow-skinny do, are no finding:
whichever comes last, they are the same.

In an environment that stands, the files themselves tell: their sizes and hashes against every RECORD.""",
    check=check,
)
