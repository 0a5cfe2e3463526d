"""Projects whose images would be called the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from depdoctor.diagnose.rule import Context, Rule
from depdoctor.diagnose.words import listed
from depdoctor.model.finding import Finding, Kind, default_severity
from depdoctor.model.naming import image_names


def check(context: Context) -> Iterator[Finding]:
    """Names that the images of several projects would take. A project without a lock gets no image, and no name."""
    owners: defaultdict[str, set[str]] = defaultdict(set)
    for entry in context.inventory.entries:
        environments = (lock.environment for lock in entry.locks if lock.environment.platform.system == "linux")
        for name in image_names(entry.project.name, environments).values():
            owners[name].add(entry.project.name)
    for name, projects in sorted(owners.items()):
        if len(projects) > 1:
            folders = listed((f"`{project}`" for project in sorted(projects)), "and")
            yield Finding(
                kind=Kind.NAME_COLLISION,
                severity=default_severity(Kind.NAME_COLLISION),
                subject=name,
                message=f"the images of {folders} would both be called `{name}`, so neither is planned"
                if len(projects) == 2
                else f"the images of {folders} would all be called `{name}`, so none is planned",
                hint="rename one of the folders, or leave one out with `exclude`",
                projects=tuple(sorted(projects)),
            )


RULE = Rule(
    kind=Kind.NAME_COLLISION,
    title="Two projects would have images of one name",
    text="""\
An image is called after its project's folder: lower-cased, and every run of characters other than a to z and 0 to 9 a
dash, since registries allow no more. `a/b` and `a-b` would thus be one image. Neither gets one until a folder is
renamed, or left out with `exclude`; all other projects are planned.""",
    check=check,
)
