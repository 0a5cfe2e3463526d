"""Reading a project: every manifest of it as values, and what its code imports.

A file per format, each with one pure `parse(text, path)`. Only this file opens anything: it keeps within the scan root,
decodes, follows includes, and turns what cannot be read into an `UnreadableManifest`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from depdoctor.model.formats import DOCKERFILE
from depdoctor.model.installed import InstalledEnvironment
from depdoctor.model.project import Manifest, Project, Reading, Weights
from depdoctor.read import (
    bentofile_yaml,
    cog_yaml,
    conda_lock,
    conda_yaml,
    dockerfile,
    imports,
    pdm_lock,
    pipfile,
    pipfile_lock,
    pixi_lock,
    pixi_toml,
    poetry_lock,
    pylock_toml,
    pyproject_toml,
    python_version,
    requirements_txt,
    setup_cfg,
    setup_py,
    truss_yaml,
    uv_lock,
    virtualenv,
    weights,
)
from depdoctor.read.assembly import Assembly
from depdoctor.read.encoding import decode
from depdoctor.read.errors import ManifestError

_FORMATS = (
    requirements_txt,
    pyproject_toml,
    setup_cfg,
    setup_py,
    pipfile,
    pixi_toml,
    conda_yaml,
    cog_yaml,
    bentofile_yaml,
    truss_yaml,
    dockerfile,
    uv_lock,
    poetry_lock,
    pdm_lock,
    pipfile_lock,
    pylock_toml,
    conda_lock,
    pixi_lock,
)

READERS: Mapping[str, Callable[[str, str], Manifest]] = {reader.FORMAT: reader.parse for reader in _FORMATS}
"""The parser of each format. Each takes the text of a file and its path, and raises nothing but `ManifestError`."""

LARGEST_BYTES = 8 * 1024 * 1024
"""Of a manifest or a Python file."""


def read(project: Project, root: Path) -> Reading:
    """Read all manifests of a project, what they include, and its imports. Never raises for what a file holds.

    `Reading.python` comes from `.python-version` of the project or of a folder around it, else from `runtime.txt`, else
    from the first manifest that names one, a Dockerfile last. What `requires-python` says stays with its manifest.
    """
    files = _Files(root=root)
    assembly = Assembly(project=project, open_text=files.text, readers=READERS)
    assembly.run()
    manifests = tuple(assembly.manifests())
    named = sorted((manifest for manifest in manifests if manifest.python), key=lambda each: each.format == DOCKERFILE)
    imported = imports.imports(project.sources, files.text_or_none)
    return Reading(
        project=project,
        manifests=manifests,
        unreadable=tuple(assembly.unreadable()),
        imports=imports.needed(imported),
        imported=imported,
        weights=tuple(files.weights(project.weights)),
        python=python_version.python_of(project.root, files.text_or_none)
        or next((manifest.python for manifest in named), ""),
    )


def read_environment(root: Path, path: str = ".") -> InstalledEnvironment:
    """Read the virtual environment, or the site-packages, at a path under the scan root, without starting its Python.

    Never raises for what its files hold. No symlink out of the scan root is followed.
    """
    return virtualenv.parse(_Files(root=root), path)


@dataclass(slots=True, kw_only=True)
class _Files:
    """The files under the scan root, and no others."""

    root: Path
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
        if not place.resolve().is_relative_to(self._resolved):
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
