"""Frameworks that want different CUDA libraries in one environment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from depdoctor.diagnose.clobber import both_cuda, is_cuda, overlaps
from depdoctor.diagnose.demand import CudaUse
from depdoctor.diagnose.installation import Installation
from depdoctor.diagnose.rule import Context, Rule
from depdoctor.diagnose.words import listed
from depdoctor.model.finding import Confidence, Evidence, Finding, Kind, Severity
from depdoctor.model.graph import holds, without_marker

Wish = tuple[NormalizedName, Requirement]
"""A package, and what it requires of a CUDA library."""

MOST_NAMED = 3
"""Folders that a finding names: those that tables know to matter come first."""

Clobbered = tuple[str, tuple[NormalizedName, ...], Evidence]
"""A folder, the packages that write the same files into it, and the ground for that."""


def check(context: Context) -> Iterator[Finding]:
    """Requirements that exclude one another, libraries that overwrite one another, majors that differ."""
    for installation in context.installations:
        yield from _exclusive(context, installation)
        clobbered = list(_clobbered(context, installation))
        if clobbered:
            yield _overwritten(context, installation, clobbered)
        else:
            yield from _different(context, installation)


def _clobbered(context: Context, installation: Installation) -> Iterator[Clobbered]:
    """The folders that more than one CUDA library is installed into, by the tables and by the lists of the wheels."""
    told: set[tuple[NormalizedName, ...]] = set()
    for row, present in overlaps(installation, context.rules):
        if is_cuda(row, context.rules):
            told.add(tuple(sorted(present)))
            yield row.module, present, row.provenance.evidence(f"{listed(present)} own `{row.module}`")
    for overlap in installation.overlaps:
        if both_cuda(overlap.packages, context.rules) and tuple(sorted(overlap.packages)) not in told:
            fact = Evidence(
                fact=f"{listed(overlap.packages)} own `{overlap.example}`",
                source="the wheels themselves",
                date=context.date,
                confidence=Confidence.PRIMARY,
            )
            yield overlap.example.rpartition("/")[0], overlap.packages, fact


def _exclusive(context: Context, installation: Installation) -> Iterator[Finding]:
    """Where no resolver answered, what the tables know that frameworks require may already be impossible."""
    if installation.complete:
        return
    pairs: dict[tuple[NormalizedName, NormalizedName], list[tuple[Requirement, Requirement]]] = defaultdict(list)
    for _, wishes in sorted(_wishes(context, installation).items()):
        for (one, mine), (other, theirs) in combinations(wishes, 2):
            if one != other and mine.specifier.is_disjoint(theirs.specifier):
                pairs[one, other].append((mine, theirs))
    for (one, other), clashes in pairs.items():
        libraries = [canonicalize_name(mine.name) for mine, _ in clashes]
        mine, theirs = clashes[0]
        yield Finding(
            kind=Kind.TWO_FRAMEWORKS,
            severity=Severity.ERROR,
            subject=libraries[0],
            message=(
                f"{installation.packages[one]} wants `{without_marker(mine)}` and {installation.packages[other]} "
                f"`{without_marker(theirs)}`: no environment can hold both"
                + (f"; nor do they agree on {listed(libraries[1:])}" if len(libraries) > 1 else "")
            ),
            hint="take releases that want the same CUDA libraries, or give each an environment of its own",
            packages=tuple(sorted({*libraries, one, other, *_roots(installation, one, other)})),
            projects=installation.projects,
            causes=installation.causes(one, other),
            evidence=_known(context, installation, one, other),
        )


def _wishes(context: Context, installation: Installation) -> dict[NormalizedName, list[Wish]]:
    found: dict[NormalizedName, list[Wish]] = defaultdict(list)
    for package in installation.packages.values():
        for requirement in package.requires or ():
            library = canonicalize_name(requirement.name)
            bound = context.rules.cuda_package(library)
            if (
                bound
                and bound[0].role == "component"
                and holds(
                    requirement.marker, installation.environment, installation.extras.get(package.name, frozenset())
                )
            ):
                found[library].append((package.name, requirement))
    return {library: sorted(wishes, key=lambda wish: (wish[0], str(wish[1]))) for library, wishes in found.items()}


def _roots(installation: Installation, *names: NormalizedName) -> set[NormalizedName]:
    """The packages that projects ask for and that bring these."""
    return {
        canonicalize_name(Requirement(cause.requirement).name) for cause in installation.causes(*names) if cause.chain
    }


def _known(context: Context, installation: Installation, *names: NormalizedName) -> tuple[Evidence, ...]:
    return tuple(
        row.provenance.evidence(f"{installation.packages[name]} requires {listed(row.requires)}")
        for name in names
        for row in context.rules.metadata_by_package.get(name, ())
        if (version := installation.packages[name].version) and row.first <= version <= row.last
    )


def _overwritten(context: Context, installation: Installation, clobbered: list[Clobbered]) -> Finding:
    """CUDA library wheels of different majors that own the same paths."""
    roles = {use.name: use.binding.role for use in context.uses(installation)}
    uses = {name for name, role in roles.items() if role != "component"}
    users: set[NormalizedName] = set()
    for name in {name for _, present, _ in clobbered for name in present}:
        parents = {parent for parent in installation.parents(name) if roles.get(parent) != "component"}
        users |= parents & uses or parents
    more = len(clobbered) - MOST_NAMED
    clobbered = clobbered[:MOST_NAMED]
    libraries = sorted({name for _, present, _ in clobbered for name in present})
    paths = listed(
        [
            *(f"`{module}`" for module, _, _ in clobbered),
            *([f"{more} more folder{'s' if more > 1 else ''}"] if more > 0 else []),
        ]
    )
    named = listed(str(installation.packages[name]) for name in sorted(users))
    return Finding(
        kind=Kind.TWO_FRAMEWORKS,
        severity=Severity.ERROR,
        subject=min(users & uses or users, default=libraries[0]),
        message=(
            f"{listed(libraries)} write the same files in {paths}"
            + (f", for {named}" if named else "")
            + ": the one installed last wins, and what was built for the other CUDA major fails"
        ),
        hint="take builds for the same CUDA major, or give each framework an environment of its own",
        packages=tuple(sorted({*libraries, *users})),
        projects=installation.projects_with([*libraries, *users]),
        causes=installation.causes(*(sorted(users) or libraries)),
        evidence=tuple(fact for _, _, fact in clobbered),
    )


def _different(context: Context, installation: Installation) -> Iterator[Finding]:
    """Frameworks that are built for different majors, without sharing a file."""
    live: dict[int, list[CudaUse]] = defaultdict(list)
    uses = context.uses(installation)
    runtimes = {use.cuda.major for use in uses if use.binding.is_runtime and use.cuda}
    for use in uses:
        alone = use.binding.libraries in {"inside", "wheels"}
        if use.binding.role == "framework" and use.cuda and (alone or use.cuda.major in runtimes):
            live[use.cuda.major].append(use)
    if len(live) < 2:
        return
    found = [use for major in sorted(live) for use in live[major]]
    told = [f"{use.package} (CUDA {use.cuda})" for use in found]
    yield Finding(
        kind=Kind.TWO_FRAMEWORKS,
        severity=Severity.WARNING,
        subject=found[0].name,
        message=f"{listed(told)} are built for different majors of CUDA, all of which are loaded into one process",
        hint="take builds for the same CUDA major, or give each framework an environment of its own",
        packages=tuple(sorted(use.name for use in found)),
        projects=installation.projects_with([use.name for use in found]),
        causes=installation.causes(*(use.name for use in found)),
        evidence=tuple(fact for use in found for fact in use.evidence),
    )


RULE = Rule(
    kind=Kind.TWO_FRAMEWORKS,
    title="Two frameworks want different CUDA libraries in one environment",
    text="""\
torch, tensorflow and jax each bring CUDA, cuDNN and NCCL as wheels, in versions of their own. One environment has room
for one version of each. Some pairs exclude one another by their requirements. Others install side by side and break
each other: the cuDNN, NCCL and NVSHMEM wheels for CUDA 12 and 13 have different names and write the same files.

Take releases that want the same libraries, or keep the frameworks apart: `depdoctor plan` gives each project an image
of its own.""",
    check=check,
)
