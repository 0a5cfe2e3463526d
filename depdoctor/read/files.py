"""The files under the scan root, and no others: opened, decoded, listed and hashed."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from depdoctor.model.noun import dataclass, field
from depdoctor.model.project import Weights
from depdoctor.read import weights
from depdoctor.read.encoding import decode
from depdoctor.read.errors import ManifestError

LOOK = "depdoctor.look"
"""The audit event (PEP 578) of looking for a file, which may not be there."""

LARGEST_BYTES = 8 * 1024 * 1024
"""Of a manifest or a Python file."""

END_BYTES = 64 * 1024
"""Of a large file: what is looked at first to see whether another one is the same."""


@dataclass(slots=True, kw_only=True)
class ScanFiles:
    """The files under the scan root, and no others unless that is allowed."""

    root: Path
    outside_allowed: bool = False
    _resolved: Path = field(init=False)

    def __post_init__(self) -> None:
        self._resolved = self.root.resolve()

    def text(self, path: str) -> tuple[str, str]:
        """The text of a file and its encoding. Raises `ManifestError`."""
        try:
            place, size_bytes = self._place(path)
            if size_bytes > LARGEST_BYTES:
                raise ManifestError(f"is larger than {LARGEST_BYTES} bytes", hint="is this a manifest?")
            data = place.read_bytes()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ManifestError("does not exist", kind="missing") from error
        except (OSError, RuntimeError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ManifestError(f"cannot be read: {reason}") from error
        return decode(data)

    def _place(self, path: str) -> tuple[Path, int]:
        """Where a file lies, and its size in bytes. Raises `ManifestError` for what is no file under the root."""
        place = self.root / path
        sys.audit(LOOK, os.fspath(place))
        if not self.outside_allowed and not place.resolve().is_relative_to(self._resolved):
            raise ManifestError("is a symlink that leads out of the folder that is scanned", kind="outside")
        status = place.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ManifestError("is not a file", kind="missing")
        return place, status.st_size

    def entries(self, path: str) -> Mapping[str, bool]:
        """The names in a folder, and whether each is a folder; symlinks are none. Raises `ManifestError`."""
        place = self.root / path
        try:
            if not place.resolve().is_relative_to(self._resolved):
                raise ManifestError("is a symlink that leads out of the folder that is scanned", kind="outside")
            with os.scandir(place) as found:
                return {entry.name: entry.is_dir(follow_symlinks=False) for entry in found}
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ManifestError("does not exist", kind="missing") from error
        except (OSError, RuntimeError, ValueError) as error:
            raise ManifestError(f"cannot be listed: {getattr(error, 'strerror', None) or error}") from error

    def kind(self, path: str) -> str:
        """Whether there is a "file" or a "folder" at a path; symlinks are none: ""."""
        place = self.root / path
        sys.audit(LOOK, os.fspath(place))
        with suppress(OSError, ValueError):
            mode = place.lstat().st_mode
            return "folder" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else ""
        return ""

    def is_repository(self, folder: str) -> bool:
        """Whether a folder is a working tree of git. Not told as looked for, since each command of git changes that."""
        return os.path.lexists(self.root / folder / ".git")

    def sizes(self, path: str) -> Mapping[str, int]:
        """The size in bytes of each file in a folder, by name; symlinks are left out. {} where it cannot be listed."""
        place = self.root / path
        try:
            if not place.resolve().is_relative_to(self._resolved):
                return {}
            with os.scandir(place) as found:
                return {
                    entry.name: entry.stat(follow_symlinks=False).st_size
                    for entry in found
                    if entry.is_file(follow_symlinks=False)
                }
        except (OSError, RuntimeError, ValueError):
            return {}

    def ends(self, path: str) -> bytes:
        """The beginning and the end of a file, b"" where it cannot be read."""
        try:
            place, size_bytes = self._place(path)
            with place.open("rb") as file:
                start = file.read(END_BYTES)
                file.seek(max(0, size_bytes - END_BYTES))
                return start + file.read(END_BYTES)
        except (ManifestError, OSError, RuntimeError, ValueError):
            return b""

    def sha256(self, path: str) -> str:
        """The SHA-256 of a file in hex, "" where it cannot be read."""
        try:
            place, _ = self._place(path)
            with place.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except (ManifestError, OSError, RuntimeError, ValueError):
            return ""

    def weights(self, paths: Sequence[str]) -> Iterator[Weights]:
        """What files of weights tell about themselves; those that cannot be opened are passed over."""
        for path in paths:
            with suppress(ManifestError, OSError):
                place, size_bytes = self._place(path)
                with place.open("rb") as file:
                    yield weights.parse(file, path, size_bytes)

    def text_or_none(self, path: str) -> str | None:
        """The text of a file, or None where it cannot be had."""
        try:
            return self.text(path)[0]
        except ManifestError:
            return None
