"""Writes generated files: each under a temporary name first, and only where its content differs."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path, PurePosixPath

from depdoctor.errors import UsageError
from depdoctor.model.image import Bundle


def write(bundle: Bundle, folder: Path) -> tuple[Path, ...]:
    """Write the files of a bundle into a folder, which is made if need be; their paths. Raises `UsageError`."""
    written = []
    for name, text in sorted(bundle.files.items()):
        relative = PurePosixPath(name)
        if relative.is_absolute() or ".." in relative.parts:
            raise UsageError(f"a generated file would leave its folder: {name}", where=str(folder))
        path = folder / relative
        try:
            _replace(path, text)
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror}", hint="give another --output") from error
        written.append(path)
    return tuple(written)


def _replace(path: Path, text: str) -> None:
    content = text.encode(errors="surrogateescape")  # paths may hold bytes that are no UTF-8
    if path.is_file() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(draft).chmod(0o644)
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def create(path: Path, text: str) -> None:
    """Write a file that is not there yet, whole or not at all. Raises `FileExistsError`, and `OSError`."""
    handle, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode())
        Path(draft).chmod(0o644)
        os.link(draft, path)  # unlike a rename, never over one that somebody wrote meanwhile
    finally:
        Path(draft).unlink(missing_ok=True)


def edit(path: Path, before: str, after: str) -> None:
    """Change a file that still holds a text, whole or not at all, and keep its mode. Raises `UsageError`."""
    try:
        if path.read_bytes() != before.encode():
            raise UsageError(f"{path} has changed meanwhile", hint="run the command again")
        mode = path.stat().st_mode
        _replace(path, after)
        path.chmod(mode & 0o7777)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}", hint="check who owns it") from error
