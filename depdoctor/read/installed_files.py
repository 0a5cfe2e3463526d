"""Whether the files of an environment are those that were installed, by RECORD ("Recording installed projects").

Sizes tell at once; a content is hashed where several distributions claim a file and say different things of it.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Protocol

from packaging.utils import NormalizedName

from depdoctor.model.installed import DamagedFile, InstalledEnvironment, InstalledFile
from depdoctor.model.noun import dataclass
from depdoctor.read.errors import ManifestError

_NOBODYS = frozenset({"__pycache__", "_virtualenv.py", "_virtualenv.pth", "easy-install.pth", "README.txt", "README"})
"""What installers and environments put there themselves."""

_METADATA = (".dist-info", ".egg-info", ".egg-link", ".egg")


class Files(Protocol):
    """The files under the scan root, by POSIX paths relative to it."""

    def text(self, path: str) -> tuple[str, str]:
        """The text of a file and its encoding. Raises `ManifestError`."""
        ...

    def entries(self, path: str) -> Mapping[str, bool]:
        """The names in a folder, and whether each is a folder. Raises `ManifestError`."""
        ...

    def sizes(self, path: str) -> Mapping[str, int]:
        """The size in bytes of each file in a folder, by name."""
        ...

    def sha256(self, path: str) -> str:
        """The SHA-256 of a file in hex, "" where it cannot be read."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What is not as it was installed, and what nobody installed."""

    damaged: tuple[DamagedFile, ...]
    unowned: tuple[str, ...]


def check(environment: InstalledEnvironment, files: Files) -> Checked:
    """Compare the files in site-packages with what every RECORD says of them. Raises nothing."""
    checker = _Checker(environment=environment, files=files)
    return Checked(damaged=tuple(sorted(checker.damaged())), unowned=tuple(sorted(checker.unowned())))


@dataclass(slots=True, kw_only=True)
class _Checker:
    environment: InstalledEnvironment
    files: Files
    _claims: dict[str, dict[NormalizedName, InstalledFile]] = field(default_factory=dict)
    _listed: dict[str, Mapping[str, int]] = field(default_factory=dict)
    _names: dict[str, Mapping[str, bool] | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for each in self.environment.distributions:
            folder = posixpath.dirname(each.location)
            for file in each.files:
                path = posixpath.normpath(posixpath.join(folder, file.path))
                # Scripts beside site-packages are written anew for each environment.
                if path.startswith(f"{folder}/") or not folder:
                    self._claims.setdefault(path, {})[each.name] = file

    def damaged(self) -> Iterator[DamagedFile]:
        """Every file that is gone, or not what its owner installed."""
        for path, claims in self._claims.items():
            if path.endswith(".pyc") or posixpath.dirname(path).endswith(".dist-info"):
                continue
            size = self._size(path)
            if size is None:
                if not self._is_symlink(path):
                    yield from (DamagedFile(owner=name, path=path, is_gone=True) for name in claims)
            elif len({(file.sha256, file.size_bytes) for file in claims.values()}) > 1:
                yield from self._claimed_twice(path, size, claims)
            else:
                ((name, file), *_) = claims.items()
                if file.size_bytes is not None and file.size_bytes != size:
                    yield DamagedFile(owner=name, path=path)

    def _claimed_twice(
        self, path: str, size: int, claims: Mapping[NormalizedName, InstalledFile]
    ) -> Iterator[DamagedFile]:
        known = {name: file for name, file in claims.items() if file.sha256 and file.size_bytes is not None}
        if len(known) < len(claims):
            return
        sha256 = self.files.sha256(path)
        if not sha256:
            return
        winners = sorted(name for name, file in claims.items() if (file.sha256, file.size_bytes) == (sha256, size))
        for name in claims:
            if name not in winners:
                yield DamagedFile(owner=name, path=path, instead=winners[0] if winners else "")

    def _size(self, path: str) -> int | None:
        folder, name = posixpath.split(path)
        if folder not in self._listed:
            self._listed[folder] = self.files.sizes(folder)
        return self._listed[folder].get(name)

    def _is_symlink(self, path: str) -> bool:
        """Whether something stands at a path after all, which no listing of files has: a symlink."""
        folder, name = posixpath.split(path)
        if folder not in self._names:
            try:
                self._names[folder] = self.files.entries(folder)
            except ManifestError as error:
                self._names[folder] = {} if error.kind == "missing" else None
        names = self._names[folder]
        return names is None or name in names

    def unowned(self) -> Iterator[str]:
        """What lies right in site-packages and is in no RECORD, nor named by an older kind of metadata."""
        for folder in self.environment.site_packages:
            inside = "" if folder == "." else f"{folder}/"
            older = self._named_by_eggs(inside.rstrip("/"))
            if older is None:
                continue
            owned = {path[len(inside) :].partition("/")[0] for path in self._claims if path.startswith(inside)} | older
            try:
                names = self.files.entries(folder)
            except ManifestError:
                continue
            for name, is_folder in names.items():
                stem = posixpath.splitext(name)[0]
                known = (
                    name in owned or stem in owned or name in _NOBODYS or name.startswith((".", "~", "__editable__"))
                )
                counts = is_folder or name.endswith((".py", ".so", ".pyd", ".pth"))
                if counts and not known and not name.endswith(_METADATA):
                    yield f"{inside}{name}"

    def _named_by_eggs(self, folder: str) -> set[str] | None:
        """The modules of distributions that have no RECORD, by `top_level.txt`; None where one does not tell them."""
        found: set[str] = set()
        for each in self.environment.distributions:
            if each.files or posixpath.dirname(each.location) != folder or each.editable:
                continue
            try:
                found.update(self.files.text(posixpath.join(each.location, "top_level.txt"))[0].split())
            except ManifestError:
                return None
        return found
