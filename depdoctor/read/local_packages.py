"""What a project has of other folders: those that it installs, and modules that it imports from around it."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Container, Iterable, Iterator, Mapping

from packaging.utils import canonicalize_name

from depdoctor.model.formats import CODE
from depdoctor.model.local_package import UNSAID_VERSION, LocalPackage, PackageFacts
from depdoctor.model.noun import dataclass
from depdoctor.model.project import DEFAULT_GROUP, Location, Project
from depdoctor.model.reading import Import, LocalUse
from depdoctor.read import packaged
from depdoctor.read.errors import ManifestError
from depdoctor.read.files import ScanFiles
from depdoctor.read.imports import STANDARD_LIBRARY, below, is_testing, look

MOST_FILES = 1_000
"""Of a module around a project that are looked at for what it needs in turn."""


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


def modules_used(
    project: Project, imported: Iterable[Import], declared: Container[str], files: ScanFiles
) -> Iterator[LocalUse]:
    """The modules in the folders around a project that its code needs, and those that these need in turn.

    They are found where the project is started from one of these folders, or has it in PYTHONPATH. What is `declared`
    (normalized names) is not looked for.
    """
    folders = list(_around(project.root, files))
    pending = [(one.module, one.location) for one in imported if not (one.guarded or one.testing or one.standard)]
    seen: set[str] = set()
    while pending and folders:
        name, location = pending.pop(0)
        if name in seen or canonicalize_name(name) in declared:
            continue
        seen.add(name)
        path = _found(name, folders, project.root, files)
        if not path or not _is_meant(path, location.path, files.text_or_none, files.entries):
            continue
        package = LocalPackage(name=packaged.told(name, []).name, folder=path, module=True)
        yield LocalUse(package=package, location=location)
        for inner in _files_of(path, files.entries):
            pending += [
                (one.module, Location(path=inner, line=one.line))
                for one in look(files.text_or_none(inner) or "")[0]
                if not one.guarded and one.module not in STANDARD_LIBRARY
            ]


def _around(folder: str, files: ScanFiles) -> Iterator[str]:
    """The folders around one, the nearest first; nobody looks out of a repository."""
    folder = "" if folder == "." else folder
    while folder and not files.is_repository(folder):
        folder = posixpath.dirname(folder)
        yield folder


def _found(name: str, folders: Iterable[str], project: str, files: ScanFiles) -> str:
    """The Python file or folder of a name in the nearest of these folders that has one, but none around a project."""
    for folder in folders:
        path = posixpath.join(folder, name)
        if not path.isprintable() or "\\" in path or f"{project}/".startswith(f"{path}/"):
            continue
        if files.kind(path) == "folder":
            return path
        if files.kind(f"{path}{CODE}") == "file" and not is_testing(f"{path}{CODE}"):
            return f"{path}{CODE}"
    return ""


def _is_meant(
    path: str, importer: str, open_text: Callable[[str], str | None], entries: Callable[[str], Mapping[str, bool]]
) -> bool:
    """Whether an import can mean a file or folder: one without `__init__.py` holds a part that is imported by its name.

    Any installed package goes before such a folder (PEP 420), and many a folder of examples is called like one.
    """
    if path.endswith(CODE):
        return True
    try:
        inside = entries(path)
    except ManifestError:
        return False
    if "__init__.py" in inside:
        return True
    parts = {name.removesuffix(CODE) for name, is_folder in inside.items() if is_folder or name.endswith(CODE)}
    name = posixpath.basename(path)
    return any(one.module.split(".")[1] in parts for one in below([importer], open_text, {name}) if "." in one.module)


def _files_of(path: str, entries: Callable[[str], Mapping[str, bool]]) -> Iterator[str]:
    """The Python files of a module, most of them where there are very many."""
    if path.endswith(CODE):
        yield path
        return
    pending, count = [path], 0
    while pending and count < MOST_FILES:
        folder = pending.pop()
        try:
            inside = entries(folder)
        except ManifestError:
            continue
        pending += [posixpath.join(folder, name) for name, is_folder in inside.items() if is_folder]
        files = sorted(name for name, is_folder in inside.items() if name.endswith(CODE) and not is_folder)
        count += len(files) + 1
        yield from (posixpath.join(folder, name) for name in files if not is_testing(posixpath.join(folder, name)))
