"""What projects call their indexes: uv finds the user's credentials for an index by its name."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from depdoctor.model.plan import Plan
    from depdoctor.model.reading import Reading

Named = tuple[tuple[str, str], ...]
"""Pairs of an address and a name."""


def of_readings(readings: Iterable[Reading]) -> Named:
    """The names that manifests give to indexes."""
    named = (pair for reading in readings for manifest in reading.manifests for pair in manifest.indexes.names)
    return tuple(dict.fromkeys(named))


def of_plan(plan: Plan, root: Path) -> Named:
    """The names that the projects of a plan give to indexes, as far as their files can still be read."""
    folders = sorted({image.code for image in plan.images})
    manifests = [path for folder in folders if (path := root / folder / "pyproject.toml").is_file()]
    if not manifests:
        return ()
    from depdoctor.read import pyproject_toml
    from depdoctor.read.errors import ManifestError

    named: dict[tuple[str, str], None] = {}
    for path in manifests:
        try:
            named.update(dict.fromkeys(pyproject_toml.parse(path.read_text("utf-8"), path.name).indexes.names))
        except (OSError, UnicodeDecodeError, ManifestError):
            continue  # a build needs the plan alone
    return tuple(named)
