"""The top layer of an image: the project's own files, and nothing that does not belong there."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from fnmatch import translate
from pathlib import Path
from typing import NamedTuple

from depdoctor.build.oci.stream import CHUNK_BYTES, LayerStream, WrongContentError
from depdoctor.errors import BuildError
from depdoctor.model.address import secret_line
from depdoctor.model.context import IGNORED
from depdoctor.model.formats import format_of
from depdoctor.model.image import APP_ROOT, ENVIRONMENT_ROOT
from depdoctor.model.local_package import LocalPackage, commands, site_files, site_packages

_IGNORE_FILE = ".dockerignore"
_LARGEST_MANIFEST = 16 * 1024 * 1024
_MARKS = ("oci-layout", "pyvenv.cfg")
"""Files that tell that the folder they stand in is an image or an environment, whatever it is called."""


class Found(NamedTuple):
    """A file, folder or link of a project: its path relative to the project, and what it is."""

    path: str
    status: os.stat_result
    link: str


def write_code(stream: LayerStream, project: Path, skipped: Sequence[str] = (), place: str = APP_ROOT) -> None:
    """Write a project's folder to a `place`, sorted by path, without what is `skipped`: paths relative to it.

    These are folders of other projects, and files that are layers of their own or stay out of the image.

    Raises `BuildError` for a link that leaves the folder, and for a file that changes while it is read.
    """
    root = place.removeprefix("/")
    stream.enter(f"{root}/")
    walk = _Walk(project, frozenset(skipped))
    for found in sorted(walk.below(project) or (), key=lambda found: found.path):
        path = f"{root}/{found.path}"
        if found.link:
            stream.link(path, found.link)
        elif stat.S_ISDIR(found.status.st_mode):
            stream.folder(path)
        else:
            _write_file(stream, path, project / found.path, found.status)


def write_file(stream: LayerStream, file: Path, place: str) -> None:
    """Write one file of a project to a `place`. Raises `BuildError` for what is none, or changes while it is read."""
    try:
        status = file.lstat()
    except OSError as error:
        raise BuildError(f"cannot read it: {error.strerror}", where=_shown(str(file))) from error
    if not stat.S_ISREG(status.st_mode):
        raise BuildError("this is no file", where=_shown(str(file)))
    path = place.removeprefix("/")
    stream.enter(path)
    _write_file(stream, path, file, status)


def write_site_files(stream: LayerStream, package: LocalPackage, python: str, place: str) -> None:
    """Write what makes a package importable whose folder lies at a `place`."""
    for path, text in site_files(package, place).items():
        inside = f"{site_packages(python)}/{path}".removeprefix("/")
        stream.enter(inside)
        stream.file(inside, text.encode())
    for name, text in commands(package).items():
        inside = f"{ENVIRONMENT_ROOT}/bin/{name}".removeprefix("/")
        stream.enter(inside)
        stream.file(inside, text.encode(), 0o755)


def _write_file(stream: LayerStream, path: str, file: Path, status: os.stat_result) -> None:
    mode = 0o755 if status.st_mode & 0o100 else 0o644
    try:
        with file.open("rb") as source:
            chunks = iter(lambda: source.read(CHUNK_BYTES), b"")
            stream.file_in_chunks(path, status.st_size, chunks, mode)
    except OSError as error:
        raise BuildError(f"cannot read it: {error.strerror}", where=str(file)) from error
    except WrongContentError as error:
        raise BuildError(f"{error}", where=str(file), hint="Build again when nothing writes to the project") from error


def _ignore_lines(project: Path) -> list[str]:
    try:
        return (project / _IGNORE_FILE).read_text("utf-8-sig").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise BuildError(f"cannot read it: {error}", where=str(project / _IGNORE_FILE)) from error


def _anchored(line: str) -> str:
    """A pattern of `.dockerignore`, which is always relative to the folder's root, as one of `.gitignore`."""
    pattern = line.strip()
    if not pattern or pattern.startswith("#"):
        return ""
    negated, pattern = ("!", pattern[1:].strip()) if pattern.startswith("!") else ("", pattern)
    pattern = pattern.removeprefix("./").strip("/")
    return f"{negated}/{pattern}" if pattern not in ("", ".") else ""


def kept_by(project: Path) -> Callable[[str], bool]:
    """Tells of a file's path in a project whether an image keeps it, by what its `.dockerignore` and ours say."""
    ignored = _ignoring(_ignore_lines(project))
    return lambda path: not ignored(path)


def _ignoring(lines: Sequence[str]) -> Callable[[str], bool]:
    """Tells whether a path is left out by our patterns and then by these lines.

    Ours alone are globs of names in any folder, for which one expression does; whoever has no `.dockerignore` does
    without the import of a matcher for all that can stand in one.
    """
    if not lines:
        name = re.compile("|".join(translate(pattern.removeprefix("**/")) for pattern in IGNORED))
        return lambda path: any(map(name.match, path.split("/")))
    from pathspec import PathSpec

    return PathSpec.from_lines("gitignore", filter(None, map(_anchored, [*IGNORED, *lines]))).match_file


class _Walk:
    """A walk through a project that leaves out what its `.dockerignore` and ours say."""

    def __init__(self, project: Path, skipped: frozenset[str]) -> None:
        self._project = project
        self._skipped = skipped
        lines = _ignore_lines(project)
        self._ignored = _ignoring(lines)
        self._takes_back = any(line.startswith("!") for line in lines)

    def below(self, folder: Path) -> list[Found] | None:
        """All that stays of a folder, None for one that is an image, an environment, or holds nothing but such.

        Folders of which nothing stays are left out if they are ignored themselves.
        """
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            raise BuildError(f"cannot read it: {error.strerror}", where=_shown(str(folder))) from error
        top = folder == self._project
        if not top and any(entry.name in _MARKS for entry in entries):
            return None
        found: list[Found] = []
        foreign = False
        for entry in entries:
            path = Path(entry.path).relative_to(self._project).as_posix()
            left_out = self._ignored(path)
            if path in self._skipped or (left_out and not self._takes_back):
                continue
            if entry.is_dir(follow_symlinks=False):
                below = self.below(Path(entry.path))
                foreign = foreign or below is None
                if below or not (left_out or below is None):
                    found.append(self._found(path, entry))
                found += below or ()
            elif not left_out and (entry.is_file(follow_symlinks=False) or entry.is_symlink()):
                found.append(self._found(path, entry))
                _refuse_secrets(path, Path(entry.path))
        return None if foreign and not found and not top else found

    def _found(self, path: str, entry: os.DirEntry[str]) -> Found:
        _check_name(path, entry)
        link = _link(self._project, entry) if entry.is_symlink() else ""
        return Found(path, entry.stat(follow_symlinks=False), link)


def refuse_secrets(project: Path) -> None:
    """Hold every manifest that an image would take against credentials in it. Raises `BuildError`."""
    kept = kept_by(project)
    for folder, folders, files in os.walk(project):
        inside = Path(folder).relative_to(project)
        folders[:] = [name for name in folders if kept((inside / name).as_posix())]
        for name in files:
            path = (inside / name).as_posix()
            if format_of(path) and kept(path):
                _refuse_secrets(path, Path(folder, name))


def _refuse_secrets(path: str, file: Path) -> None:
    """No layer takes a manifest that holds credentials, though the project may have come to live with it."""
    with suppress(OSError):
        if not format_of(path) or file.is_symlink() or file.stat().st_size > _LARGEST_MANIFEST:
            return
        if line := secret_line(file.read_text(encoding="utf-8", errors="replace")):
            raise BuildError(
                "this file holds credentials, which everyone who has the image could read",
                where=f"{_shown(str(file))}:{line}",
                hint="Give them through the environment, a keyring or netrc; or name the file in .dockerignore",
            )


def _check_name(path: str, entry: os.DirEntry[str]) -> None:
    _check_utf8(path, entry.path, "the name of this file")
    if entry.name.startswith(".wh."):
        raise BuildError("in an image this name would delete a file", where=entry.path, hint="Rename it")


def _link(project: Path, entry: os.DirEntry[str]) -> str:
    """Where a link points, if that is inside the project; also one that leads nowhere or in a circle stays as it is."""
    target = os.readlink(entry.path)  # noqa: PTH115 - a path would lose `./` and a final slash
    lexical = os.path.normpath(os.path.join(os.path.dirname(entry.path), target))  # noqa: PTH118, PTH120 - not resolved
    actual = os.path.realpath(entry.path)  # which, unlike `Path.resolve`, ends where links turn in a circle
    inside = Path(lexical).is_relative_to(project) and Path(actual).is_relative_to(project.resolve())
    if os.path.isabs(target) or not inside:  # noqa: PTH117
        raise BuildError(
            f"this link leaves the project: {_shown(target)}",
            where=_shown(entry.path),
            hint="Copy what it points to into the project, or name it in .dockerignore",
        )
    _check_utf8(target, f"{entry.path} -> {target}", "the target of this link")
    return Path(target).as_posix()


def _check_utf8(text: str, where: str, what: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BuildError(
            f"{what} is no UTF-8", where=_shown(where), hint="Rename it, or name it in .dockerignore"
        ) from error


def _shown(path: str) -> str:
    """A path that can be printed, whatever bytes it has."""
    return os.fsencode(path).decode("utf-8", "replace")
