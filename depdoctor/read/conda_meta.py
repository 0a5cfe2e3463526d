"""`conda-meta` of an environment: what somebody asked conda for that is no Python package, such as tools and CUDA.

Conda and mamba write a JSON record for each package that they install, with the words that it was asked for by.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

from depdoctor.read.errors import ManifestError
from depdoctor.read.files import ScanFiles

MOST_RECORDS = 10_000

_UNASKED = {"", "None", None}
"""What stands for the words that a package was asked for by, where it came along with another one."""

_PYTHON = ("site-packages/", ".dist-info/", ".egg-info/")


def tools(files: ScanFiles, path: str) -> tuple[str, ...]:
    """Each as "name version", by name; nothing where there are no records. What cannot be read is passed over."""
    return tuple(sorted(_tools(files, posixpath.join("" if path == "." else path, "conda-meta"))))


def _tools(files: ScanFiles, folder: str) -> Iterator[str]:
    try:
        names = sorted(name for name in files.entries(folder) if name.endswith(".json"))
    except ManifestError:
        return
    for name in names[:MOST_RECORDS]:
        try:
            record = json.loads(files.text(posixpath.join(folder, name))[0])
        except (ManifestError, ValueError, RecursionError):
            continue
        if isinstance(record, dict) and _is_tool(record):
            yield f"{record.get('name')} {record.get('version')}"


def _is_tool(record: Mapping[str, Any]) -> bool:
    asked = record.get("requested_specs") or record.get("requested_spec")
    installed = record.get("files")
    if record.get("name") == "python" or asked in ([], *_UNASKED) or not isinstance(installed, list):
        return False
    return not any(isinstance(file, str) and any(part in file for part in _PYTHON) for file in installed)
