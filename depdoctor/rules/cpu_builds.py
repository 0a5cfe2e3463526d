"""The row of the table of builds without CUDA."""

from __future__ import annotations

from packaging.utils import NormalizedName

from depdoctor.model.noun import dataclass
from depdoctor.rules.rows import Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuBuild:
    """Where a package has a build without CUDA: under the name `instead`, `without_extras`, or by a local `label`."""

    package: NormalizedName
    instead: str = ""
    without_extras: tuple[str, ...] = ()
    label: str = ""
    provenance: Provenance
