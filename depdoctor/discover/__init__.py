"""Which folders are projects: a folder with a manifest is one, and so are such folders inside it.

Not looked at: version control, virtual environments, `node_modules`, caches, what `.gitignore` files from the scan
root down say, and what `exclude` says. No symlink to a folder is followed, so the walk ends and never leaves the root.
Several manifests in one folder are one project; `requirements/` belongs to the folder that it lies in; a Dockerfile
belongs to the project around it, else to the one whose requirement files it copies; members of a uv workspace share
its lockfile; and a folder whose requirement files only draw in those of other projects is none. What has the name of a
manifest and is passed over is told with the reason.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from depdoctor.discover.folders import Sorting
from depdoctor.discover.walk import Walk, verdict_of
from depdoctor.discover.workspaces import Workspace, workspaces
from depdoctor.errors import UsageError
from depdoctor.model.project import Project, Survey


def discover(root: Path, exclude: Sequence[str] = ()) -> tuple[Project, ...]:
    """The projects under a folder, sorted by name. `exclude` are patterns in the syntax of `.gitignore`.

    Raises `UsageError` if the root is no folder.
    """
    return survey(root, exclude).projects


def survey(root: Path, exclude: Sequence[str] = ()) -> Survey:
    """The projects under a folder, the virtual environments, and what was passed over though its name is a manifest's.

    Raises `UsageError` if the root is no folder.
    """
    if not root.is_dir():
        raise UsageError(f"`{root}` is not a folder", hint="name a folder that holds projects")
    walk = Walk(root=root, excluded=verdict_of(exclude))
    walk.run()
    sorting = Sorting(root=root)
    folders = sorting.folders(walk.manifests)
    members = workspaces(root, folders)
    sources, weights = _owned(walk.sources, folders), _owned(walk.weights, folders)
    own_name = root.resolve().name
    projects = (
        replace(
            _project(folder, manifests, members.get(folder), own_name, sorting.ties),
            sources=tuple(sources.get(folder, ())),
            weights=tuple(weights.get(folder, ())),
        )
        for folder, manifests in folders.items()
        if folder in members or not _only_locks_members(folder, manifests, members)
    )
    return Survey(
        projects=tuple(sorted(projects)),
        passed_over=tuple(sorted((*walk.passed_over, *sorting.passed_over))),
        environments=tuple(sorted(walk.environments)),
    )


def _only_locks_members(folder: str, manifests: Sequence[str], members: Mapping[str, Workspace]) -> bool:
    """Whether a folder holds nothing but the lockfile of a workspace that it is the root, but no member, of."""
    lockfiles = {workspace.lockfile for workspace in members.values()}
    return list(manifests) == [posixpath.join(folder, "uv.lock")] and manifests[0] in lockfiles


def _project(
    folder: str, manifests: Sequence[str], workspace: Workspace | None, own_name: str, ties: Mapping[str, str]
) -> Project:
    own = [path for path in manifests if path not in ties]
    reasons = [f"has {', '.join(posixpath.relpath(path, folder or '.') for path in own)}"]
    reasons += [f"{path.removeprefix(f'{folder}/')} {ties[path]}" for path in manifests if path in ties]
    project = Project(name=folder or own_name, root=folder or ".", manifests=tuple(manifests))
    if workspace is not None:
        shared = workspace.lockfile or "a workspace"
        reasons.append("is the root of a uv workspace" if workspace.folder == folder else f"shares {shared}")
        locks = (workspace.lockfile,) if workspace.lockfile and workspace.lockfile not in manifests else ()
        members = tuple(member or "." for member in workspace.members)
        project = replace(project, manifests=(*manifests, *locks), workspace=members)
    return replace(project, reason="; ".join(reasons))


def _owned(paths: Sequence[str], folders: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """The files of each project: those under its folder and under no project inside it."""
    owners: dict[str, str | None] = {}

    def owner(folder: str) -> str | None:
        if folder not in owners:
            owners[folder] = folder if folder in folders else owner(posixpath.dirname(folder)) if folder else None
        return owners[folder]

    owned: dict[str, list[str]] = {}
    for path in sorted(paths):
        if (folder := owner(posixpath.dirname(path))) is not None:
            owned.setdefault(folder, []).append(path)
    return owned
