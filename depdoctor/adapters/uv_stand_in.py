"""Wheels that stand in for releases without one: right name and version, the requirements that are known, no files."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import zipfile
from pathlib import Path

from packaging.utils import NormalizedName

from depdoctor.model.noun import dataclass

_EPOCH = (1980, 1, 1, 0, 0, 0)
_EXTRA = re.compile(r"""extra\s*==\s*['"]([\w.-]+)['"]""")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class StandIn:
    """A release that is known to be there, and that has no wheel to be read.

    Where nothing is known of its requirements (None) it asks for nothing: such a universe admits all that the true one
    admits, and what is impossible there is impossible.
    """

    name: NormalizedName
    version: str
    requires: tuple[str, ...] | None = None
    requires_python: str = ""

    def folder(self, parent: Path) -> Path:
        """A folder with a wheel of this release alone, for `--find-links`; made under `parent` if it is not there."""
        stem = f"{self.name.replace('-', '_')}-{self.version}"
        folder = parent / (f"{stem}-{self._digest()}" if self.requires is not None else stem)
        wheel = folder / f"{stem}-py3-none-any.whl"
        if not wheel.exists():
            folder.mkdir(parents=True, exist_ok=True)
            handle, unfinished = tempfile.mkstemp(dir=parent)
            with os.fdopen(handle, "wb") as file, zipfile.ZipFile(file, "w") as archive:
                for member, text in self._contents().items():
                    archive.writestr(zipfile.ZipInfo(f"{stem}.dist-info/{member}", _EPOCH), text)
            Path(unfinished).replace(wheel)
        return folder

    def _digest(self) -> str:
        return hashlib.sha256(self._metadata().encode()).hexdigest()[:16]

    def _metadata(self) -> str:
        lines = ["Metadata-Version: 2.1", f"Name: {self.name}", f"Version: {self.version}"]
        lines += [f"Requires-Python: {self.requires_python}"] if self.requires_python else []
        extras = {extra for text in self.requires or () for extra in _EXTRA.findall(text)}
        lines += [f"Provides-Extra: {extra}" for extra in sorted(extras)]
        lines += [f"Requires-Dist: {text}" for text in self.requires or ()]
        return "\n".join(lines) + "\n"

    def _contents(self) -> dict[str, str]:
        return {
            "METADATA": self._metadata(),
            "WHEEL": "Wheel-Version: 1.0\nGenerator: depdoctor\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            "RECORD": "",
        }
