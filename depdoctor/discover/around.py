"""The modules in the folders around a project, which are imported where people start it from one of these."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Collection, Iterable

from depdoctor.model.formats import CODE


class Around:
    """Python files and folders with some right in them, by the folder that they stand in ("" for the scan root).

    `projects` are the folders of projects: what lies in one of them counts for it and for those inside it, and a folder
    that is one itself for all that lie beside it. Nobody looks around out of one of the `repositories`.
    """

    def __init__(self, sources: Iterable[str], projects: Collection[str], repositories: Collection[str] = ()) -> None:
        self._projects = projects
        self._repositories = frozenset(repositories)
        self._modules: defaultdict[str, set[str]] = defaultdict(set)
        for path in sources:
            if not path.endswith(CODE):
                continue
            folder, name = posixpath.split(path)
            if name.removesuffix(CODE).isidentifier() and name != f"__init__{CODE}":
                self._modules[folder].add(path)
            if posixpath.basename(folder).isidentifier():
                self._modules[posixpath.dirname(folder)].add(folder)

    def modules(self, project: str) -> tuple[str, ...]:
        """The modules in the folders around a project, the nearest first."""
        found: list[str] = []
        folder = project
        while folder and folder not in self._repositories:
            folder = posixpath.dirname(folder)
            found += sorted(path for path in self._modules[folder] if self._counts(path, project))
        return tuple(found)

    def _counts(self, path: str, project: str) -> bool:
        if f"{project}/".startswith(f"{path}/"):
            return False
        owner = path
        while owner and owner not in self._projects:
            owner = posixpath.dirname(owner)
        return owner in {"", path} or f"{project}/".startswith(f"{owner}/")
