"""What a wheel tells of itself: its directory and its METADATA."""

from __future__ import annotations

import re
import zipfile
import zlib
from pathlib import Path

from packaging.metadata import parse_email
from packaging.requirements import InvalidRequirement, Requirement

from depdoctor.model.distribution import WheelFacts

METADATA_LIMIT_BYTES = 8 * 1024 * 1024

UNREADABLE = (OSError, EOFError, ValueError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""What comes of reading something that is no sound wheel."""

_METADATA = re.compile(r"[^/]+\.dist-info/METADATA")


def read_file(path: Path) -> WheelFacts:
    """The facts of a wheel on this machine. Raises `OSError`, `BadZipFile`, and `ValueError` as `read_wheel` does."""
    if not path.is_absolute():
        raise ValueError("its path says nothing without the folder that it starts from")
    with zipfile.ZipFile(path) as wheel:
        return read_wheel(wheel, path.stat().st_size)


def read_wheel(wheel: zipfile.ZipFile, size_bytes: int) -> WheelFacts:
    """The facts of a wheel (binary distribution format and core metadata specifications).

    Requirements that break the specification are left out. Raises `ValueError` where there is no METADATA.
    """
    entries = wheel.infolist()
    files = [entry for entry in entries if not entry.is_dir()]
    raw, _ = parse_email(read_metadata(wheel))
    return WheelFacts(
        size_bytes=size_bytes,
        unpacked_bytes=sum(entry.file_size for entry in entries),
        requires=tuple(filter(None, map(_requirement, raw.get("requires_dist", ())))),
        requires_python=raw.get("requires_python", ""),
        paths=tuple(entry.filename for entry in files),
        checksums=tuple(entry.CRC for entry in files),
    )


def read_metadata(wheel: zipfile.ZipFile) -> bytes:
    """The METADATA of a wheel. Raises `ValueError` where there is none, or one that is far too large."""
    metadata = next((entry for entry in wheel.infolist() if _METADATA.fullmatch(entry.filename)), None)
    if metadata is None or metadata.file_size > METADATA_LIMIT_BYTES:
        raise ValueError("it has no METADATA" if metadata is None else "its METADATA is too large")
    with wheel.open(metadata) as opened:
        return opened.read(METADATA_LIMIT_BYTES)


def _requirement(text: str) -> Requirement | None:
    try:
        return Requirement(text)
    except InvalidRequirement:
        return None
