"""One walk over the tree: every file that may count, and what is left out on the way."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import field
from pathlib import Path

from depdoctor.discover.looks import small
from depdoctor.model.formats import format_of, is_code, is_weights
from depdoctor.model.noun import dataclass
from depdoctor.model.project import PassedOver

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
CACHE_MARK = "CACHEDIR.TAG"
ENVIRONMENT_MARKS = frozenset({"pyvenv.cfg", "conda-meta"})
"""Names that a virtual environment, or one of conda, holds."""
USUAL_ENVIRONMENTS = frozenset({".venv", ".conda"})
OF_ENVIRONMENTS = frozenset({"bin", "lib", "lib64", "include", "share", "etc", "var", "Lib", "Scripts", "Include"})
"""Folders of an environment that was made right in the folder of a project."""

MOST_WILDCARDS = 6
"""In one ignore pattern; more could make matching take for ever."""

Verdict = Callable[[str], bool | None]
"""Whether patterns leave a path out or take it in; None where they say nothing of it."""


@dataclass(frozen=True, slots=True)
class _Ignoring:
    """The ignore files that count in a folder, nearest first, each with the length of the path before its own."""

    verdicts: tuple[tuple[int, Verdict], ...] = ()

    def ignores(self, path: str) -> bool:
        for start, verdict in self.verdicts:
            if (said := verdict(path[start:])) is not None:
                return said
        return False


@dataclass(slots=True, kw_only=True)
class Walk:
    """Gathers manifests, Python files, weights and environments as paths relative to the root ("." for itself)."""

    root: Path
    excluded: Verdict
    manifests: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    weights: list[str] = field(default_factory=list)
    environments: list[str] = field(default_factory=list)
    passed_over: list[PassedOver] = field(default_factory=list)

    def run(self) -> None:
        """Walk the whole tree. A folder that may not be listed is passed over."""
        pending = [("", _Ignoring())]
        while pending:
            prefix, ignoring = pending.pop()
            try:
                with os.scandir(self.root / prefix if prefix else self.root) as found:
                    entries = list(found)
            except OSError as error:
                self._pass_over(prefix, f"cannot be listed: {error.strerror or error}", unlisted=True)
                continue
            names = {entry.name for entry in entries}
            if prefix and CACHE_MARK in names:
                continue
            if self._is_environment(prefix, names):
                self.environments.append(prefix.rstrip("/") or ".")
                if not any(format_of(prefix + name) for name in names):
                    continue
                entries = [entry for entry in entries if entry.name not in OF_ENVIRONMENTS]
            if ".gitignore" in names:
                ignoring = self._with_ignore_file(prefix, ignoring)
            pending += [(inner, ignoring) for inner in self._look(prefix, entries, ignoring)]

    def _is_environment(self, prefix: str, names: set[str]) -> bool:
        """Whether a folder is a virtual environment; the root may be one, or only the site-packages of one."""
        if not names.isdisjoint(ENVIRONMENT_MARKS):
            return True
        return not prefix and any(name.endswith(".dist-info") for name in names)

    def _look(self, prefix: str, entries: Sequence[os.DirEntry[str]], ignoring: _Ignoring) -> Iterator[str]:
        """Note the files of a folder; the folders in it that are worth a look."""
        for entry in entries:
            path = prefix + entry.name
            if entry.is_dir(follow_symlinks=False):
                inner = f"{path}/"
                if entry.name in USUAL_ENVIRONMENTS and self._marked(inner):
                    self.environments.append(path)
                elif entry.name not in IGNORED_FOLDERS and not self._ignored(inner, ignoring):
                    yield inner
                continue
            if (is_manifest := bool(format_of(path))) or is_code(entry.name) or is_weights(entry.name):
                self._note(path, entry, ignoring, is_manifest=is_manifest)
            elif entry.is_symlink() and entry.name not in IGNORED_FOLDERS and _is(entry.is_dir):
                self._pass_over(path, "is a symlink to a folder, which is not followed")

    def _note(self, path: str, entry: os.DirEntry[str], ignoring: _Ignoring, *, is_manifest: bool) -> None:
        """Note a file of a name that counts. A manifest may be a symlink: where it leads is for the reader to judge."""
        if self._ignored(path, ignoring):
            if is_manifest:
                by = "`exclude` of the configuration" if self.excluded(path) else "a .gitignore"
                self._pass_over(path, f"is left out by {by}")
            return
        if is_manifest and _is(entry.is_file):
            self.manifests.append(path)
        others = self.sources if is_code(entry.name) else self.weights if is_weights(entry.name) else None
        if others is not None and entry.is_file(follow_symlinks=False):
            others.append(path)

    def _pass_over(self, path: str, reason: str, *, unlisted: bool = False) -> None:
        self.passed_over.append(PassedOver(path=path.rstrip("/") or ".", reason=reason, unlisted=unlisted))

    def _marked(self, inner: str) -> bool:
        return any((self.root / inner / mark).exists() for mark in ENVIRONMENT_MARKS)

    def _ignored(self, path: str, ignoring: _Ignoring) -> bool:
        return bool(self.excluded(path)) or ignoring.ignores(path)

    def _with_ignore_file(self, prefix: str, ignoring: _Ignoring) -> _Ignoring:
        text = small(self.root / prefix / ".gitignore")
        if not (lines := _telling(text.splitlines())):
            return ignoring
        return _Ignoring(((len(prefix), verdict_of(lines)), *ignoring.verdicts))


def verdict_of(lines: Sequence[str]) -> Verdict:
    """What patterns in the syntax of `.gitignore` say, without those that are none or would take for ever to match."""
    if not (safe := _telling(lines)):
        return lambda _: None
    from pathspec import GitIgnoreSpec  # four engines of matching, for which many trees have no use

    def compiled(lines: Sequence[str]) -> GitIgnoreSpec:
        return GitIgnoreSpec.from_lines(lines)

    def is_pattern(line: str) -> bool:
        try:
            compiled([line])
        except ValueError:
            return False
        return True

    try:
        spec = compiled(safe)
    except ValueError:
        spec = compiled([line for line in safe if is_pattern(line)])
    return lambda path: spec.check_file(path).include


def _telling(lines: Sequence[str]) -> list[str]:
    """The lines that are no comment, and can be matched in time."""
    told = (line for line in lines if line.strip() and not line.startswith("#"))
    return [line for line in told if len(re.findall(r"\*+|\[", line)) <= MOST_WILDCARDS]


def _is(test: Callable[[], bool]) -> bool:
    """What a test of an entry says, False where the entry cannot be looked at."""
    try:
        return test()
    except OSError:
        return False
