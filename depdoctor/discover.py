"""Which folders are projects: a folder with a manifest is one, and so are such folders inside it.

Not looked at: version control, virtual environments, `node_modules`, caches, what `.gitignore` files from the scan
root down say, and what `exclude` says. No symlink to a folder is followed, so the walk ends and never leaves the root.
Several manifests in one folder are one project; `requirements/` belongs to the folder that it lies in; members of a uv
workspace share its lockfile; and a folder whose requirement files only draw in those of other projects is none.
"""

from __future__ import annotations

import os
import posixpath
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pathspec import GitIgnoreSpec

from depdoctor.errors import UsageError
from depdoctor.model.formats import DOCKERFILE, REQUIREMENTS, format_of, is_parts_folder, is_weights
from depdoctor.model.project import Project

IGNORED_FOLDERS = frozenset(
    {
        *(".git", ".hg", ".svn", ".bzr", ".jj", "node_modules", "site-packages", "__pycache__", "__pypackages__"),
        *(".venv", ".direnv", ".pixi", ".conda", ".tox", ".nox", ".eggs", ".cache", ".mypy_cache", ".ruff_cache"),
        *(
            ".pytest_cache",
            ".hypothesis",
            ".ipynb_checkpoints",
            ".import_linter_cache",
            ".terraform",
            ".idea",
            ".vscode",
        ),
    }
)
ENVIRONMENT_MARKS = frozenset({"pyvenv.cfg", "conda-meta", "CACHEDIR.TAG"})
"""Names that a virtual environment, a conda environment or a cache folder holds."""

MOST_WILDCARDS = 6
"""In one ignore pattern; more could make matching take for ever."""

SMALL_BYTES = 65_536
"""How much of a file is looked at to see what it is for."""


def discover(root: Path, exclude: Sequence[str] = ()) -> tuple[Project, ...]:
    """The projects under a folder, sorted by name. `exclude` are patterns in the syntax of `.gitignore`.

    Raises `UsageError` if the root is no folder.
    """
    if not root.is_dir():
        raise UsageError(f"`{root}` is not a folder", hint="name a folder that holds projects")
    walk = _Walk(root=root, spec=_spec(exclude))
    walk.run()
    folders = _folders(root, walk.manifests)
    folders = _without_collectors(root, folders)
    sources, weights = _owned(walk.sources, folders), _owned(walk.weights, folders)
    members = _members(root, folders)
    own_name = root.resolve().name
    return tuple(
        sorted(
            replace(
                _project(folder, manifests, members.get(folder), own_name),
                sources=tuple(sources.get(folder, ())),
                weights=tuple(weights.get(folder, ())),
            )
            for folder, manifests in folders.items()
            if folder in members or not _only_locks_members(folder, manifests, members)
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Workspace:
    folder: str
    members: tuple[str, ...]
    lockfile: str


def _only_locks_members(folder: str, manifests: Sequence[str], members: Mapping[str, _Workspace]) -> bool:
    """Whether a folder holds nothing but the lockfile of a workspace that it is the root, but no member, of."""
    workspaces = {workspace.lockfile for workspace in members.values()}
    return list(manifests) == [posixpath.join(folder, "uv.lock")] and manifests[0] in workspaces


def _project(folder: str, manifests: Sequence[str], workspace: _Workspace | None, own_name: str) -> Project:
    names = [posixpath.relpath(path, folder or ".") for path in manifests]
    reason = f"has {', '.join(names)}"
    project = Project(name=folder or own_name, root=folder or ".", manifests=tuple(manifests), reason=reason)
    if workspace is None:
        return project
    where = (
        "is the root of a uv workspace"
        if workspace.folder == folder
        else f"shares {workspace.lockfile or 'a workspace'}"
    )
    locks = (workspace.lockfile,) if workspace.lockfile and workspace.lockfile not in manifests else ()
    return replace(
        project,
        manifests=(*manifests, *locks),
        reason=f"{reason}; {where}",
        workspace=tuple(member or "." for member in workspace.members),
    )


@dataclass(frozen=True, slots=True)
class _Ignoring:
    """The ignore files that count in a folder, nearest first, each with the length of the path before its own."""

    specs: tuple[tuple[int, GitIgnoreSpec], ...] = ()

    def ignores(self, path: str) -> bool:
        for start, spec in self.specs:
            if (verdict := spec.check_file(path[start:]).include) is not None:
                return verdict
        return False


@dataclass(slots=True, kw_only=True)
class _Walk:
    """One walk over the tree; gathers manifests, Python files and weights as paths relative to the root."""

    root: Path
    spec: GitIgnoreSpec
    manifests: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    weights: list[str] = field(default_factory=list)

    def run(self) -> None:
        pending = [("", _Ignoring())]
        while pending:
            prefix, ignoring = pending.pop()
            try:
                with os.scandir(self.root / prefix if prefix else self.root) as found:
                    entries = list(found)
            except OSError:
                continue  # a folder that may not be listed holds nothing that could be read
            names = {entry.name for entry in entries}
            if prefix and not names.isdisjoint(ENVIRONMENT_MARKS):
                continue
            if ".gitignore" in names:
                ignoring = self._with_ignore_file(prefix, ignoring)
            pending += [(inner, ignoring) for inner in self._look(prefix, entries, ignoring)]

    def _look(self, prefix: str, entries: Sequence[os.DirEntry[str]], ignoring: _Ignoring) -> Iterator[str]:
        """Note the files of a folder; the folders in it that are worth a look."""
        for entry in entries:
            path = prefix + entry.name
            if entry.is_dir(follow_symlinks=False):
                inner = f"{path}/"
                if entry.name not in IGNORED_FOLDERS and not self._ignored(inner, ignoring):
                    yield inner
                continue
            is_manifest = bool(format_of(path))
            others = self.sources if entry.name.endswith(".py") else self.weights if is_weights(entry.name) else None
            if (not is_manifest and others is None) or self._ignored(path, ignoring):
                continue
            if is_manifest and _is_file(entry):
                self.manifests.append(path)
            if others is not None and entry.is_file(follow_symlinks=False):
                others.append(path)

    def _ignored(self, path: str, ignoring: _Ignoring) -> bool:
        return bool(self.spec.check_file(path).include) or ignoring.ignores(path)

    def _with_ignore_file(self, prefix: str, ignoring: _Ignoring) -> _Ignoring:
        text = _small(self.root / prefix / ".gitignore")
        spec = _spec(text.splitlines())
        return _Ignoring(((len(prefix), spec), *ignoring.specs)) if spec.patterns else ignoring


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a file, or a symlink to one; where a symlink may lead is for the reader to judge."""
    try:
        return entry.is_file()
    except OSError:
        return False


def _spec(patterns: Sequence[str]) -> GitIgnoreSpec:
    safe = [pattern for pattern in patterns if len(re.findall(r"\*+|\[", pattern)) <= MOST_WILDCARDS]
    try:
        return GitIgnoreSpec.from_lines(safe)
    except ValueError:
        return GitIgnoreSpec.from_lines([pattern for pattern in safe if _is_pattern(pattern)])


def _is_pattern(line: str) -> bool:
    try:
        GitIgnoreSpec.from_lines([line])
    except ValueError:
        return False
    return True


def _small(path: Path) -> str:
    """The beginning of a text file; "" if there is none to read, or only a symlink to one."""
    try:
        if path.is_symlink() or not path.is_file():
            return ""
        with path.open("rb") as file:
            data = file.read(SMALL_BYTES)
    except OSError:
        return ""
    return data.decode("utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig", errors="replace")


def _folders(root: Path, manifests: Sequence[str]) -> dict[str, list[str]]:
    """The manifests of each project's folder ("" for the root), files that only look like manifests left out."""
    folders: dict[str, list[str]] = {}
    for path in sorted(manifests):
        if not _is_manifest(root / path, format_of(path)):
            continue
        folder = posixpath.dirname(path)
        if is_parts_folder(folder) and format_of(path) == REQUIREMENTS:
            folder = posixpath.dirname(folder)
        folders.setdefault(folder, []).append(path)
    return _with_dockerfiles(root, folders)


def _with_dockerfiles(root: Path, folders: dict[str, list[str]]) -> dict[str, list[str]]:
    """Folders that hold Dockerfiles alone given to the project that they lie in, if there is one below the root.

    Where there is none, such a folder is a project if what it builds has to do with Python.
    """
    alone = {folder for folder, paths in folders.items() if all(format_of(path) == DOCKERFILE for path in paths)}
    kept = {folder: paths for folder, paths in folders.items() if folder not in alone}
    for folder in sorted(alone):
        around = folder
        while around and around not in kept:
            around = posixpath.dirname(around)
        if around:
            kept[around] = [*kept[around], *folders[folder]]
        elif any(_ABOUT_PYTHON.search(_small(root / path)) for path in folders[folder]):
            kept[folder] = folders[folder]
    return kept


_ABOUT_PYTHON = re.compile(r"\b(?:pip3?|uv|conda|mamba|micromamba|poetry|pipenv|python[\d.]*|py3)\b")

_PYPROJECT = re.compile(
    r"^[ \t]*\[+[ \t]*"
    r"(?:project|build-system|dependency-groups|tool[ \t]*\.[ \t]*(?:poetry|pdm|pixi|flit|hatch[ \t]*\.[ \t]*envs))\b",
    re.MULTILINE,
)
_LOOKS = {
    "setup.cfg": re.compile(r"^\[(?:metadata|options)\b", re.MULTILINE),
    "setup.py": re.compile(r"\bsetup\s*\("),
    "environment.yml": re.compile(r"^dependencies\s*:", re.MULTILINE),
    "config.yaml": re.compile(r"^(?:model_name|model_metadata)\s*:", re.MULTILINE),
}
"""What a file of a common name must hold somewhere to be a manifest."""


def _is_manifest(path: Path, format_name: str) -> bool:
    """Whether a file with the name of a manifest is one. A symlink counts as one: it is for the reader to judge."""
    if path.is_symlink():
        return True
    if look := _LOOKS.get(format_name):
        return bool(look.search(_small(path)))
    return format_name != "pyproject.toml" or not _is_settings_only(_small(path))


def _is_settings_only(text: str) -> bool:
    """Whether a `pyproject.toml` only configures tools. One that is broken counts as a manifest, to be reported."""
    if _PYPROJECT.search(text):
        return False
    data = _toml(text)
    return data is not None and data.keys().isdisjoint({"project", "build-system", "dependency-groups"})


def _toml(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError):
        return None


_INCLUDE = re.compile(r"(?:-r|--requirement)(?:[ \t=]+|(?=[^ \t-]))(?P<path>\S+)$")


def _without_collectors(root: Path, folders: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """The folders without those whose every manifest only draws in requirement files of other projects."""
    owners = {path: folder for folder, paths in folders.items() for path in paths}
    kept = {}
    for folder, paths in folders.items():
        included = [_included(root, path) for path in paths]
        collects = all(files and all(owners.get(file, folder) != folder for file in files) for files in included)
        if not collects:
            kept[folder] = paths
    return kept


def _included(root: Path, path: str) -> tuple[str, ...]:
    """The files that a requirements file draws in, if it does nothing else."""
    if format_of(path) != REQUIREMENTS:
        return ()
    included = []
    for line in _small(root / path).splitlines():
        content = line.partition(" #")[0].strip()
        if not content or content.startswith("#"):
            continue
        if not (match := _INCLUDE.fullmatch(content)):
            return ()
        included.append(posixpath.normpath(posixpath.join(posixpath.dirname(path), match["path"])))
    return tuple(included)


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


def _members(root: Path, folders: Mapping[str, Sequence[str]]) -> dict[str, _Workspace]:
    """The uv workspace of each project that is in one (uv's documentation, "Using workspaces")."""
    found: dict[str, _Workspace] = {}
    with_pyproject = [folder for folder, paths in folders.items() if posixpath.join(folder, "pyproject.toml") in paths]
    for folder, table in _workspace_roots(root, folders):
        wanted, unwanted = (_patterns(table.get(key)) for key in ("members", "exclude"))
        members = [folder] if folder in with_pyproject else []
        for candidate in with_pyproject:
            inner = _below(candidate, folder)
            if inner and _matches(inner, wanted) and not _matches(inner, unwanted):
                members.append(candidate)
        lockfile = posixpath.join(folder, "uv.lock")
        workspace = _Workspace(
            folder=folder,
            members=tuple(sorted(members)),
            lockfile=lockfile if (root / lockfile).is_file() else "",
        )
        found.update(dict.fromkeys(members, workspace))
    return found


def _workspace_roots(root: Path, folders: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The folders at or above projects whose `pyproject.toml` makes a workspace, and that table; outermost first."""
    candidates = set(folders)
    for folder in folders:
        parts = folder.split("/")
        candidates.update("/".join(parts[:depth]) for depth in range(len(parts)))
    for folder in sorted(candidates):
        text = _small(root / folder / "pyproject.toml")
        if "workspace" in text and (table := _table(_toml(text) or {}, "tool", "uv", "workspace")):
            yield folder, table


def _table(data: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    value: Any = data
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _patterns(value: Any) -> list[list[str]]:
    listed = value if isinstance(value, list) else []
    return [posixpath.normpath(pattern).split("/") for pattern in listed if isinstance(pattern, str)]


def _below(folder: str, above: str) -> str:
    """A folder's path from one above it; "" if it is not below."""
    if not above:
        return folder
    return folder[len(above) + 1 :] if folder.startswith(f"{above}/") else ""


def _matches(path: str, patterns: Sequence[Sequence[str]]) -> bool:
    return any(_glob(path.split("/"), pattern) for pattern in patterns)


def _glob(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_glob(parts[start:], pattern[1:]) for start in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _glob(parts[1:], pattern[1:])
