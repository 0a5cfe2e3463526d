"""The rows of the tables that tell what something is called elsewhere: modules, distributions, conda's packages."""

from __future__ import annotations

from packaging.utils import NormalizedName
from packaging.version import Version

from depdoctor.model.noun import dataclass
from depdoctor.rules.rows import Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class StdlibModule:
    """A module that the standard library has from one minor of Python on (`added`), or before one (`removed`).

    `instead` are distributions that bring it elsewhere, the usual one first.
    """

    name: str
    added: Version | None = None
    removed: Version | None = None
    instead: tuple[NormalizedName, ...] = ()
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportName:
    """A top-level module and the distributions that provide it, the usual one first."""

    module: str
    packages: tuple[NormalizedName, ...]
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaName:
    """A conda package that is a distribution of another name, or none at all (`package` is "")."""

    name: str
    package: str = ""
    provenance: Provenance
