"""Packages that are a folder of the fleet and no release: their code is put into images as an editable install has it.

Nothing of them is run or built. An image has a copy of the folder, a `.pth` file that puts what is imported of it on
the path (https://docs.python.org/3/library/site.html), and the metadata by which a program learns its own version.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping

from depdoctor.model.formats import CODE
from depdoctor.model.image import ENVIRONMENT_ROOT
from depdoctor.model.launcher import launcher
from depdoctor.model.noun import dataclass

PACKAGES_ROOT = "/packages"
"""Where the folders lie in an image, each under the name of its package."""

SCRIPT_NAME = re.compile(r"(?!python)[A-Za-z0-9_][A-Za-z0-9_.-]*")
SCRIPT_CALL = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
"""The name of a command, and what it calls (entry points specification; no extras). None takes the place of Python."""

UNSAID_VERSION = "0+unknown"
"""The version of a package whose manifest leaves it to a tool (PEP 440; versioneer calls it so, too)."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class PackageFacts:
    """What a manifest says of the package that its own folder is; "" where it leaves something open.

    `source` is the folder of its modules, relative to the manifest's. What is `compiled` cannot be used as it stands.
    `installed` tells whether tools install it for its own sake, as they do what has a build system. `scripts` are its
    commands, each with the function that it calls ("module:function").
    """

    name: str = ""
    version: str = ""
    source: str = ""
    compiled: bool = False
    installed: bool = False
    scripts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class LocalPackage:
    """A package that is a folder: its normalized name, its version, and its folder relative to the scan root.

    `source` is where its modules lie in the folder: "." or a path such as "src". `scripts` are its commands, each with
    the function that it calls ("module:function"). One that is a `module` is no package that anything installs, but a
    folder or Python file that is imported from the folder around it.
    """

    name: str
    folder: str
    version: str = UNSAID_VERSION
    source: str = "."
    scripts: tuple[tuple[str, str], ...] = ()
    module: bool = False

    @property
    def place(self) -> str:
        """The folder of an image that is the package's alone."""
        return f"{PACKAGES_ROOT}/{self.name}"

    @property
    def copy(self) -> str:
        """Where the copy of its folder, or file, lies in an image."""
        return f"{self.place}/{posixpath.basename(self.folder)}" if self.module else self.place

    @property
    def is_file(self) -> bool:
        """Whether it is a single Python file."""
        return self.module and self.folder.endswith(CODE)


def site_packages(python: str) -> str:
    """The folder of the environment of an image in which packages lie, for a Python minor version."""
    return f"{ENVIRONMENT_ROOT}/lib/python{python}/site-packages"


def site_files(package: LocalPackage, place: str) -> Mapping[str, str]:
    """What lies in site-packages of a package whose folder lies at `place`, or a module in it: texts by paths, sorted.

    The metadata are those of the core metadata specification 2.1, and RECORD names them without hashes (PEP 376).
    """
    path = f"__local__.{package.name}.pth"
    if package.module:
        return {path: f"{place}\n"}
    info = f"{package.name.replace('-', '_')}-{package.version}.dist-info"
    files = {
        f"{info}/INSTALLER": "depdoctor\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {package.name}\nVersion: {package.version}\n",
        path: f"{place}/{package.source}\n" if package.source != "." else f"{place}\n",
    }
    if package.scripts:
        rows = "".join(f"{name} = {called}\n" for name, called in package.scripts)
        files[f"{info}/entry_points.txt"] = f"[console_scripts]\n{rows}"
    record = f"{info}/RECORD"
    commands = [f"../../../bin/{name}" for name, _ in package.scripts]
    files[record] = "".join(f"{path},,\n" for path in sorted([*files, *commands, record]))
    return dict(sorted(files.items()))


def commands(package: LocalPackage) -> Mapping[str, str]:
    """The commands of a package, by the name of the file that lies beside the interpreter: texts."""
    return {name: launcher(*called.split(":")) for name, called in package.scripts}
