"""What a folder of installed packages holds, as its own files tell."""

from __future__ import annotations

from packaging.requirements import Requirement
from packaging.utils import NormalizedName
from packaging.version import Version

from depdoctor.model.noun import dataclass
from depdoctor.model.project import Problem


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class InstalledFile:
    """A file of a distribution, by the path that its RECORD states: relative to site-packages, and not checked.

    `sha256` is hex, "" where RECORD states another hash or none; `size_bytes` is None where it states no size.
    """

    path: str
    sha256: str = ""
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledDistribution:
    """A distribution in site-packages.

    `location` is its folder or file of metadata, relative to the scan root. `version` is None where no plain file
    tells one that is valid. `source` is the address or path that it was installed from when not from an index, without
    credentials. `files` is empty where there is no RECORD. `requested` tells whether a user asked for it by name, as
    the installer recorded it: None where none did, and True of every package that uv installed.
    """

    name: NormalizedName
    version: Version | None
    location: str
    requires: tuple[Requirement, ...] = ()
    requires_python: str = ""
    requested: bool | None = None
    installer: str = ""
    editable: bool = False
    source: str = ""
    files: tuple[InstalledFile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class DamagedFile:
    """A file that is not what a distribution's RECORD says of it: of another content, or gone.

    `owner` is whose file it should be and `instead` whose it is, "" where it is nobody's. `path` is relative to the
    scan root.
    """

    owner: NormalizedName
    path: str
    instead: str = ""
    is_gone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledEnvironment:
    """A virtual environment, or another folder with site-packages in it, by its path relative to the scan root.

    `python` is the version of its interpreter ("3.11.4", or "3.11" where only a folder's name tells), "" where nothing
    does, and `home` the folder of the interpreter that it was made with. With `system_site_packages`, packages of that
    interpreter count as well; they are not listed here. `damaged` and `unowned` are empty while nobody has looked.
    """

    path: str
    python: str = ""
    home: str = ""
    system_site_packages: bool = False
    site_packages: tuple[str, ...] = ()
    distributions: tuple[InstalledDistribution, ...] = ()
    problems: tuple[Problem, ...] = ()
    damaged: tuple[DamagedFile, ...] = ()
    unowned: tuple[str, ...] = ()
    """Modules and folders right in site-packages that belong to no distribution."""
    tools: tuple[str, ...] = ()
    """What somebody asked conda for that is no Python package, each as "name version"."""
