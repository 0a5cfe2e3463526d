"""Manifests as such: what cannot be read, what is not pinned, what moves, what must not stand there."""

from __future__ import annotations

from collections.abc import Iterator

from depdoctor.diagnose.installation import exact_version
from depdoctor.diagnose.rule import Context, Rule
from depdoctor.model.expression import expression
from depdoctor.model.finding import Cause, Finding, Kind, Severity
from depdoctor.model.formats import DOCKERFILE
from depdoctor.model.graph import without_marker
from depdoctor.model.inventory import Entry
from depdoctor.model.lock import Lock
from depdoctor.model.project import UNSETTLED, DeclaredRequirement, Problem

CREDENTIALS = "credentials"

HARMLESS = {"option", "dynamic", "remote", "variable", "encoding", "unnamed", "replaced"}
"""Kinds of problems that leave the rest of a manifest as good as it was."""

_COMMIT = expression(r"@[0-9a-f]{40}(?:[#?]|$)")
_VCS = expression(r"^(?:git|hg|svn|bzr)\+")


def check_unreadable(context: Context) -> Iterator[Finding]:
    """Files and pieces of files that could not be understood."""
    if broken_plan := context.inventory.plan_problem:
        yield Finding(
            kind=Kind.UNREADABLE,
            severity=Severity.WARNING,
            subject=broken_plan.location.path,
            message=broken_plan.reason,
            hint=broken_plan.hint,
            causes=(Cause(project="", location=broken_plan.location, requirement=""),),
        )
    for found in context.inventory.installed:
        for problem in found.problems:
            yield _problem(found.path, problem, Severity.WARNING, f"{problem.location}: {problem.reason}")
    for entry in context.inventory.entries:
        reading = entry.reading
        for broken in reading.unreadable:
            lost = not reading.manifests or broken.problem.kind == UNSETTLED
            severity = Severity.ERROR if lost else Severity.WARNING
            yield _problem(
                entry.project.name, broken.problem, severity, f"{broken.problem.location} {broken.problem.reason}"
            )
        for manifest in reading.manifests:
            for problem in manifest.problems:
                if problem.kind != CREDENTIALS:
                    # what an image is installed from may be made by the build, or lie in another context
                    made = problem.kind == "missing" and manifest.format == DOCKERFILE
                    severity = Severity.NOTE if made or problem.kind in HARMLESS else Severity.WARNING
                    yield _problem(entry.project.name, problem, severity, problem.reason)


def check_credentials(context: Context) -> Iterator[Finding]:
    """Secrets in manifests."""
    for entry in context.inventory.entries:
        for manifest in entry.reading.manifests:
            for problem in manifest.problems:
                if problem.kind == CREDENTIALS:
                    yield Finding(
                        kind=Kind.CREDENTIALS,
                        severity=Severity.ERROR,
                        subject=problem.location.path,
                        message=problem.reason,
                        hint=problem.hint or "take them from the environment, a keyring or netrc, and change them now",
                        projects=(entry.project.name,),
                        causes=(Cause(project=entry.project.name, location=problem.location, requirement=""),),
                    )


def check_unpinned(context: Context) -> Iterator[Finding]:
    """Projects whose requirements neither pin nor lock: one finding for all, with the first such line of each."""
    loose: list[tuple[Entry, DeclaredRequirement]] = []
    for entry in context.inventory.entries:
        if any(isinstance(outcome, Lock) and outcome.origin for outcome in entry.outcomes):
            continue
        first = next((one for one in entry.requirements() if not _pinned(one)), None)
        if first is not None:
            loose.append((entry, first))
    if loose:
        yield Finding(
            kind=Kind.UNPINNED,
            severity=Severity.NOTE,
            subject="requirements",
            message="requirements without an exact version, and no lockfile: what is installed changes with the day",
            hint="commit a lockfile, or the plan, which holds one for each project",
            projects=tuple(sorted(entry.project.name for entry, _ in loose)),
            causes=tuple(sorted(_cause(entry, one) for entry, one in loose)),
        )


def check_mutable(context: Context) -> Iterator[Finding]:
    """Requirements whose source can change under the same line."""
    for entry in context.inventory.entries:
        for one in entry.requirements():
            url = one.requirement.url or ""
            if _VCS.match(url) and not _COMMIT.search(url):
                yield Finding(
                    kind=Kind.MUTABLE_SOURCE,
                    severity=Severity.NOTE,
                    subject=one.name,
                    message=f"{one.name} comes from a branch or tag, which can move: `{url}`",
                    hint="name the commit: `@` and its 40 digits",
                    packages=(one.name,),
                    projects=(entry.project.name,),
                    causes=(_cause(entry, one),),
                )


def _pinned(one: DeclaredRequirement) -> bool:
    return one.requirement.url is not None or one.editable or exact_version(one.requirement) is not None


def _cause(entry: Entry, one: DeclaredRequirement) -> Cause:
    text = without_marker(one.requirement)
    return Cause(project=entry.project.name, location=one.location, requirement=text, chain=(text,))


def _problem(project: str, problem: Problem, severity: Severity, message: str) -> Finding:
    return Finding(
        kind=Kind.UNREADABLE,
        severity=severity,
        subject=problem.location.path,
        message=message,
        hint=problem.hint,
        projects=(project,),
        causes=(Cause(project=project, location=problem.location, requirement=""),),
    )


RULES = (
    Rule(
        kind=Kind.UNREADABLE,
        title="A manifest, or a piece of it, cannot be read",
        text="""\
The file is broken, or says something that no reader understands. What could be read of the project is diagnosed, and
nothing is guessed. It is an error where the file is the only manifest of its project, and a note where it is sound and
only what it says cannot be known here: a repository without the name of its package, a variable of the shell, a file
that a Dockerfile installs from and that the build may make.""",
        check=check_unreadable,
    ),
    Rule(
        kind=Kind.UNPINNED,
        title="Requirements are neither pinned nor locked",
        text="""\
Without exact versions or a lockfile, two installations of the same project on two days differ, and a release of
someone else breaks what worked. Commit a lockfile (uv.lock, pylock.toml, hashed requirements), or depdoctor's plan.""",
        check=check_unpinned,
    ),
    Rule(
        kind=Kind.MUTABLE_SOURCE,
        title="A requirement comes from a source that can move",
        text="""\
A branch or a tag of a repository can point elsewhere tomorrow, under the same line of a manifest. Name the commit.""",
        check=check_mutable,
    ),
    Rule(
        kind=Kind.CREDENTIALS,
        title="A manifest holds credentials",
        text="""\
An address in a manifest carries a user name or token, which everyone with the repository can read. depdoctor leaves
it out of whatever it writes. Take it from the environment, a keyring or netrc, and change it: it is known by now.""",
        check=check_credentials,
    ),
)
