"""Source distributions for tests, which bring their own build backend and so need no index."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import Version

from depdoctor.model.distribution import DistributionFile, Pin

PYPROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
BACKEND = """
import zipfile, pathlib
def build_wheel(folder, settings=None, metadata=None):
    with open({count!r}, "a") as count:
        count.write("built\\n")
    name = "demo-1.0-{tag}.whl"
    with zipfile.ZipFile(pathlib.Path(folder) / name, "w") as archive:
        archive.writestr("demo/__init__.py", "x = 1\\n")
        archive.writestr("demo-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: demo\\nVersion: 1.0\\n")
        archive.writestr("demo-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: {tag}\\n")
        archive.writestr("demo-1.0.dist-info/RECORD",
            "demo/__init__.py,sha256={hash},6\\ndemo-1.0.dist-info/METADATA,,\\n"
            "demo-1.0.dist-info/WHEEL,,\\ndemo-1.0.dist-info/RECORD,,\\n")
    return name
"""
HASH = "nia_NpkRxFwkPGhBR7I_yeHc_PJX0pmhxjIBam_NM_Q"


def a_sdist(folder: Path, tag: str = "py3-none-any", backend: str = BACKEND) -> tuple[Pin, Path]:
    """A source distribution that brings its own backend, and notes in `count` that it was run."""
    text = backend.format(tag=tag, count=str(folder / "count"), hash=HASH)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in {"pyproject.toml": PYPROJECT, "backend.py": text, "PKG-INFO": "Name: demo\n"}.items():
            info = tarfile.TarInfo(f"demo-1.0/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content.encode()))
    path = folder / "blob"
    path.write_bytes(out.getvalue())
    file = DistributionFile(
        filename="demo-1.0.tar.gz", url=path.as_uri(), sha256=hashlib.sha256(out.getvalue()).hexdigest()
    )
    return Pin(name=canonicalize_name("demo"), version=Version("1.0"), file=file), path
