"""Which folder each manifest belongs to, and which folders are no projects after all."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from depdoctor.discover.looks import is_about_python, small, why_not
from depdoctor.model.expression import expression
from depdoctor.model.formats import DOCKERFILE, REQUIREMENTS, format_of, is_parts_folder
from depdoctor.model.noun import dataclass, field
from depdoctor.model.project import PassedOver

_INCLUDE = expression(r"(?:-r|--requirement)(?:[ \t=]+|(?=[^ \t-]))(?P<path>\S+)$")
_COPY = expression(r"^[ \t]*(?:COPY|ADD)[ \t]+(?P<what>[^\n]*)", re.MULTILINE | re.IGNORECASE)
_NOT_MANIFESTS = frozenset({"config.yaml"})
"""Names that so many files have that one which is no manifest is not worth a word."""


@dataclass(slots=True, kw_only=True)
class Sorting:
    """Sorts manifests into folders. `ties` tell why a Dockerfile counts for a project in whose folder it does not lie.

    `passed_over` tells what was left out, and why.
    """

    root: Path
    ties: dict[str, str] = field(default_factory=dict)
    passed_over: list[PassedOver] = field(default_factory=list)

    def folders(self, manifests: Sequence[str]) -> dict[str, list[str]]:
        """The manifests of each project by its folder ("" for the root)."""
        folders: dict[str, list[str]] = {}
        for path in sorted(manifests):
            format_name = format_of(path)
            if reason := why_not(self.root / path, format_name):
                if format_name not in _NOT_MANIFESTS:
                    self._pass_over(path, reason)
                continue
            folder = posixpath.dirname(path)
            if is_parts_folder(folder) and format_name == REQUIREMENTS:
                folder = posixpath.dirname(folder)
            folders.setdefault(folder, []).append(path)
        return self._without_collectors(self._with_dockerfiles(folders))

    def _pass_over(self, path: str, reason: str) -> None:
        self.passed_over.append(PassedOver(path=path, reason=reason))

    def _with_dockerfiles(self, folders: Mapping[str, list[str]]) -> dict[str, list[str]]:
        """Folders that hold Dockerfiles alone given to the project that they lie in, if there is one below the root.

        Where there is none, a Dockerfile belongs to the one project whose requirement files it copies; else its folder
        is a project if what it builds has to do with Python.
        """
        alone = {folder for folder, paths in folders.items() if all(format_of(path) == DOCKERFILE for path in paths)}
        kept = {folder: list(paths) for folder, paths in folders.items() if folder not in alone}
        owners = {path: folder for folder, paths in kept.items() for path in paths}
        for folder in sorted(alone):
            around = folder
            while around and around not in kept:
                around = posixpath.dirname(around)
            for path in folders[folder]:
                copied = [] if around else sorted(self._copied(path) & owners.keys())
                copied_from = {owners[each] for each in copied}
                if around:
                    kept[around].append(path)
                    self.ties[path] = "lies in it"
                elif len(copied_from) == 1:
                    kept[copied_from.pop()].append(path)
                    self.ties[path] = f"copies {', '.join(copied)}"
                elif is_about_python(self.root / path):
                    kept.setdefault(folder, []).append(path)
                else:
                    self._pass_over(path, "installs nothing of Python, and lies in no project")
        return kept

    def _copied(self, dockerfile: str) -> set[str]:
        """What a Dockerfile copies by name, seen from every folder above it that may be the build context."""
        words = [
            word.strip("[]\"',")
            for match in _COPY.finditer(small(self.root / dockerfile))
            for word in match["what"].split()
            if not word.startswith("--")
        ]
        contexts = []
        folder = posixpath.dirname(dockerfile)
        while folder:
            contexts.append(folder)
            folder = posixpath.dirname(folder)
        return {posixpath.normpath(posixpath.join(context, word)) for context in (*contexts, "") for word in words}

    def _without_collectors(self, folders: Mapping[str, list[str]]) -> dict[str, list[str]]:
        """The folders without those whose every manifest only draws in requirement files of other projects."""
        owners = {path: folder for folder, paths in folders.items() for path in paths}
        kept = {}
        for folder, paths in folders.items():
            included = [tuple(self._included(path)) for path in paths]
            if all(files and all(owners.get(file, folder) != folder for file in files) for files in included):
                for path, files in zip(paths, included, strict=True):
                    self._pass_over(path, f"only draws in {', '.join(files)}, which are read where they lie")
            else:
                kept[folder] = paths
        return kept

    def _included(self, path: str) -> Iterator[str]:
        """The files that a requirements file draws in, if it does nothing else."""
        if format_of(path) != REQUIREMENTS:
            return
        lines = (line.partition(" #")[0].strip() for line in small(posixpath.join(self.root, path)).splitlines())
        found = [_INCLUDE.fullmatch(line) for line in lines if line and not line.startswith("#")]
        if all(found):
            for match in filter(None, found):
                yield posixpath.normpath(posixpath.join(posixpath.dirname(path), match["path"]))
