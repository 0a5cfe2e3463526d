"""Wheels that stand in for releases without one: right name and version, no requirements, nothing inside."""

from __future__ import annotations

import os
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import NormalizedName

_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class StandIn:
    """A release that is known to be there, of which nothing can be read without a build.

    A universe in which it asks for nothing admits all that the true one admits: what is impossible there is impossible.
    """

    name: NormalizedName
    version: str

    def folder(self, parent: Path) -> Path:
        """A folder with a wheel of this release alone, for `--find-links`; made under `parent` if it is not there."""
        stem = f"{self.name.replace('-', '_')}-{self.version}"
        folder = parent / stem
        wheel = folder / f"{stem}-py3-none-any.whl"
        if not wheel.exists():
            folder.mkdir(parents=True, exist_ok=True)
            handle, unfinished = tempfile.mkstemp(dir=parent)
            with os.fdopen(handle, "wb") as file, zipfile.ZipFile(file, "w") as archive:
                for member, text in self._contents().items():
                    archive.writestr(zipfile.ZipInfo(f"{stem}.dist-info/{member}", _EPOCH), text)
            Path(unfinished).replace(wheel)
        return folder

    def _contents(self) -> dict[str, str]:
        return {
            "METADATA": f"Metadata-Version: 2.1\nName: {self.name}\nVersion: {self.version}\n",
            "WHEEL": "Wheel-Version: 1.0\nGenerator: depdoctor\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            "RECORD": "",
        }
