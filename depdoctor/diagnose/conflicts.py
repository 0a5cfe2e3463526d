"""Words for the conflicts that the search found, between projects and inside one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName, canonicalize_name

from depdoctor.diagnose.environments import unsatisfied
from depdoctor.diagnose.resolution import refusals
from depdoctor.diagnose.rule import Context, Rule
from depdoctor.diagnose.words import listed
from depdoctor.model.conflict import Conflict, Fix, Grouping
from depdoctor.model.finding import Cause, Confidence, Evidence, Finding, Kind, Severity
from depdoctor.model.lock import Unresolvable
from depdoctor.model.project import Location

PROOF_LIMIT = 400
"""Characters of a resolver's explanation that are quoted."""

EDITS_LIMIT = 300
"""Characters that edits may take up in a hint; the smallest edit is always told."""

MOST_PLACES = 2
"""Places of one line, and changes of one fix, that are named."""

MOST_NAMES = 6
"""Names of a group, and groups, that are listed."""


def check_between(context: Context) -> Iterator[Finding]:
    """Conflicts between projects: each one where they share an environment, else all of a package in one finding."""
    folded: dict[tuple[NormalizedName, Severity], list[Conflict]] = defaultdict(list)
    for conflict in context.conflicts.conflicts:
        if is_inside(conflict):
            continue
        if _shared(context, conflict):
            yield _finding(context, [conflict], Kind.VERSION_CONFLICT, Severity.ERROR)
        else:
            isolated = _isolated(context, conflict)
            folded[conflict.subject, Severity.NOTE if isolated else Severity.WARNING].append(conflict)
    for (_, severity), conflicts in folded.items():
        yield _finding(context, conflicts, Kind.VERSION_CONFLICT, severity)
    yield from _without_python(context)


def _without_python(context: Context) -> Iterator[Finding]:
    """Environments that are declared to be shared by projects that admit no Python in common."""
    for shared in context.inventory.shared:
        refused = [one for one in shared.outcomes if isinstance(one, Unresolvable) and one.reason.location]
        members = [entry for entry in context.inventory.entries if entry.project.name in shared.projects]
        causes = {
            Cause(
                project=entry.project.name,
                location=Location(path=manifest.path, line=manifest.python_line),
                requirement=f"requires-python {manifest.requires_python}",
            )
            for entry in members
            for manifest in entry.reading.manifests
            if manifest.requires_python is not None
        }
        if refused and refused[0].reason.kind is Kind.PYTHON_UNSUPPORTED:
            yield Finding(
                kind=Kind.VERSION_CONFLICT,
                severity=Severity.ERROR,
                subject="python",
                message=f"no Python serves all projects of `{shared.name}`: {refused[0].reason.message}",
                hint=f"{refused[0].reason.hint}; or keep the projects apart: `depdoctor plan` gives each its own image",
                projects=tuple(sorted({cause.project for cause in causes})),
                causes=tuple(sorted(causes)),
            )


def check_inside(context: Context) -> Iterator[Finding]:
    """Conflicts inside one project or environment, and refusals of the resolver that no search took apart."""
    inside = [conflict for conflict in context.conflicts.conflicts if is_inside(conflict)]
    for conflict in inside:
        yield _finding(context, [conflict], Kind.SELF_CONFLICT, Severity.ERROR)
    yield from refusals(context, Kind.SELF_CONFLICT, {project for conflict in inside for project in conflict.projects})
    yield from unsatisfied(context)


def remarks(context: Context) -> Iterator[str]:
    """The fewest environments that part all conflicts between projects, where that could be decided."""
    groupings = [one for one in context.conflicts.groupings if len(one.groups) > 1]
    for grouping in groupings:
        where = f" for {grouping.environment}" if len(groupings) > 1 else ""
        yield f"fewest environments{where}{_part(context, grouping)}: {_grouped(grouping)}"
    if strangers := context.conflicts.strangers:
        pairs = [listed(pair) for pair in strangers]
        yield f"no Python in common: {_few(pairs, MOST_NAMES)}, which can share no environment"
    if untried := context.conflicts.untried:
        count = len(context.conflicts.conflicts)
        yield (
            f"edits were tried for {count - untried} of {count} conflicts in the time there was; a longer `--budget` "
            "tries more, `depdoctor explain ONE OTHER` those of two projects"
        )


def _part(context: Context, grouping: Grouping) -> str:
    """Which share of the projects a grouping is about, "" for all of them."""
    count, everyone = sum(map(len, grouping.groups)), len(context.inventory.entries)
    return f" for {count} of {everyone} projects" if count < everyone else ""


def _grouped(grouping: Grouping) -> str:
    groups = [f"[{_few(group, MOST_NAMES)}]" for group in grouping.groups]
    reasons: dict[tuple[str, ...], dict[str, None]] = {}
    for apart in grouping.apart:
        members = tuple(sorted({cause.project for cause in apart.conflict.causes}))
        reasons.setdefault(members, {})[apart.conflict.subject] = None
    kept = [f"{listed(members)} are kept apart by {listed(subjects)}" for members, subjects in reasons.items()]
    return "; ".join([f"{len(grouping.groups)} - {_few(groups, MOST_NAMES)}", *kept[:MOST_PLACES]])


def _few(names: Sequence[str], most: int) -> str:
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def is_inside(conflict: Conflict) -> bool:
    """Whether one project alone has this conflict."""
    return len({cause.project for cause in conflict.causes}) == 1


def _finding(context: Context, conflicts: list[Conflict], kind: Kind, severity: Severity) -> Finding:
    first = conflicts[0]
    causes = tuple(sorted({cause for conflict in conflicts for cause in (*conflict.causes, *conflict.others)}))
    names = {first.subject, *(name for cause in causes if (name := named_in(cause.requirement)))}
    more = len(conflicts) - 1
    return Finding(
        kind=kind,
        severity=severity,
        subject=first.subject,
        message=(
            f"no version of {first.subject} serves all: {listed(_wants(first.causes))}"
            + (f"; so it is with {more} more set{'s' if more > 1 else ''} of lines" if more else "")
        ),
        hint=_hint(kind, severity, conflicts),
        packages=tuple(sorted(names)),
        projects=tuple(sorted({project for conflict in conflicts for project in conflict.projects})),
        causes=causes,
        evidence=tuple(_evidence(context, conflict) for conflict in conflicts if conflict.proof),
        conflicts=tuple(conflicts),
    )


def _wants(causes: Iterable[Cause]) -> list[str]:
    wants = (
        f"`{cause.requirement}` wants `{cause.chain[-1]}`" if len(cause.chain) > 1 else f"`{cause.requirement}`"
        for cause in causes
    )
    return list(dict.fromkeys(wants))


def _hint(kind: Kind, severity: Severity, conflicts: Sequence[Conflict]) -> str:
    tried = _tried(conflicts[0].fixes) if len(conflicts) == 1 else ""
    if kind is Kind.SELF_CONFLICT:
        return tried or "loosen or move one of these lines"
    if severity is Severity.ERROR:
        edit = tried or "loosen or move one of these lines"
        return f"{edit}; or keep the projects apart: `depdoctor plan` gives each its own image"
    apart = "`depdoctor plan` gives each project its own image"
    if edit := tried or _lifting_most(conflicts):
        return f"to share an environment: {edit}; else {apart}"
    one, other = _two(conflicts[0])
    return f"they cannot share an environment: {apart}; `depdoctor explain {one} {other}` tries edits"


def _lifting_most(conflicts: Sequence[Conflict]) -> str:
    """The edit that lifts most of several conflicts, in words; "" where none is known."""
    lifted: dict[tuple[tuple[str, str], ...], list[Fix]] = defaultdict(list)
    for conflict in conflicts:
        for fix in conflict.fixes:
            lifted[tuple(sorted({(edit.before, edit.after) for edit in fix.edits}))].append(fix)
    if not lifted:
        return ""
    most = max(lifted.values(), key=lambda fixes: (len(fixes), -len(fixes[0].edits)))
    widest = max(most, key=lambda fix: len(fix.edits))
    return f"{_edited(widest)} settles {len(most)} of these {len(conflicts)} conflicts"


def _two(conflict: Conflict) -> tuple[str, str]:
    """Two projects that a conflict keeps apart."""
    names = sorted({cause.project for cause in conflict.causes})
    return names[0], names[-1]


def _tried(fixes: Sequence[Fix]) -> str:
    """Edits that were tried, in words, as many as there is room for; "" if there are none."""
    told: list[str] = []
    for text in dict.fromkeys(map(_edited, fixes)):
        if not told or sum(map(len, told)) + len(text) <= EDITS_LIMIT:
            told.append(text)
    ends = "; resolves" if len(told) == 1 else "; each resolves"
    return "; or ".join(told) + ends if told else ""


def _edited(fix: Fix) -> str:
    changes: dict[tuple[str, str], dict[Location, None]] = defaultdict(dict)
    for edit in fix.edits:
        changes[edit.before, edit.after][edit.location] = None
    texts = [
        f"{_few([str(place) for place in places], MOST_PLACES)} `{before}` -> `{after}`"
        for (before, after), places in changes.items()
    ]
    more = f" and {len(texts) - MOST_PLACES} more lines" if len(texts) > MOST_PLACES else ""
    return f"{' with '.join(texts[:MOST_PLACES])}{more}"


def _evidence(context: Context, conflict: Conflict) -> Evidence:
    proof = " ".join(conflict.proof.removeprefix("Because ").split()).rstrip(".")
    proof = proof if len(proof) <= PROOF_LIMIT else proof[:PROOF_LIMIT] + " ..."
    return Evidence(fact=proof, source="uv", date=context.date, confidence=Confidence.PRIMARY)


def _shared(context: Context, conflict: Conflict) -> bool:
    members = {cause.project for cause in conflict.causes}
    return any(members <= set(shared.projects) for shared in context.inventory.shared)


def _isolated(context: Context, conflict: Conflict) -> bool:
    if context.plan is None:
        return False
    planned = {image.project for image in context.plan.images}
    return {cause.project for cause in conflict.causes} <= planned


def named_in(requirement: str) -> NormalizedName | None:
    """The package that a requirement names, None if it is not one."""
    try:
        return canonicalize_name(Requirement(requirement).name)
    except InvalidRequirement:
        return None


BETWEEN = Rule(
    kind=Kind.VERSION_CONFLICT,
    title="Projects want versions that exclude one another",
    text="""\
The requirements of several projects, with all that they bring along, cannot be satisfied together: installing them into
one environment fails, or silently moves a package under the feet of one of them. Each set of lines is minimal: any one
left out, the others resolve.

It is an error inside an environment that the configuration declares as shared, and otherwise only says that the
projects cannot share one: `depdoctor plan` gives each its own image.""",
    check=check_between,
)

INSIDE = Rule(
    kind=Kind.SELF_CONFLICT,
    title="A project wants versions that exclude one another",
    text="""\
The requirements of one project cannot be satisfied together, and a resolver refuses. Each set of lines is minimal: any
one left out, the others resolve. Loosen or move one of the lines that the finding names.

In an environment that stands, a package is installed in a version that another one refuses: what was installed last
moved it, and pip only warned.""",
    check=check_inside,
)
