"""The folders that a project installs by their paths, and its own where that is a package."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping

from depdoctor.model.local_package import UNSAID_VERSION, LocalPackage, PackageFacts
from depdoctor.model.noun import dataclass
from depdoctor.model.project import DEFAULT_GROUP, LocalUse, Location, Project
from depdoctor.read import packaged
from depdoctor.read.errors import ManifestError


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A folder that a manifest asks for, with the group that it is for."""

    folder: str
    group: str
    location: Location


def local_uses(
    project: Project,
    asked: Iterable[Asked],
    facts: Callable[[str], list[PackageFacts]],
    entries: Callable[[str], Mapping[str, bool]],
) -> Iterator[LocalUse]:
    """Every folder once for each group. `facts` are what its manifests say, `entries` what lies in a folder."""
    own = Asked(folder=project.root, group=DEFAULT_GROUP, location=Location(path=project.root))
    found = {(one.folder, one.group): one for one in asked if one.folder != project.root}
    if any(one.installed for one in facts(project.root)) or any(one.folder == project.root for one in asked):
        found[own.folder, own.group] = own
    for folder, group in sorted(found):
        name = posixpath.basename(folder if folder != "." else project.name)
        told = packaged.told(name, facts(folder))
        yield LocalUse(
            package=LocalPackage(
                name=told.name,
                folder=folder,
                version=told.version or UNSAID_VERSION,
                source=told.source or _usual_source(folder, entries),
                scripts=told.scripts,
            ),
            location=found[folder, group].location,
            group=group,
            obstacle=_obstacle(folder, told),
        )


def _obstacle(folder: str, told: PackageFacts) -> str:
    if folder == ".." or folder.startswith(("../", "/")):
        return "lies outside of the folder that is scanned"
    if "\\" in folder or not folder.isprintable():
        return "has a name that no image should have to carry"
    return "has parts that are compiled" if told.compiled else ""


def _usual_source(folder: str, entries: Callable[[str], Mapping[str, bool]]) -> str:
    """`src` where that is a folder and no package itself, else the folder (PyPA: src layout vs flat layout)."""
    try:
        if entries(folder).get("src") and "__init__.py" not in entries(posixpath.join(folder, "src")):
            return "src"
    except ManifestError:
        pass
    return "."
