"""The command that makes a lockfile anew, run in the folder of the lockfile."""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Sequence

from packaging.utils import NormalizedName

from depdoctor.model.project import Location, Manifest
from depdoctor.model.reading import Reading
from depdoctor.model.update import Renewal


def renewal(lockfile: Manifest, names: Sequence[NormalizedName], reading: Reading) -> Renewal:
    """How to renew a lockfile so that these packages move and others only where they must."""
    return Renewal(
        lockfile=Location(path=lockfile.path), command=_command(lockfile, names, reading), names=tuple(names)
    )


def _command(lockfile: Manifest, names: Sequence[NormalizedName], reading: Reading) -> str:
    file = shlex.quote(posixpath.basename(lockfile.path))
    upgrades = " ".join(f"--upgrade-package {name}" for name in names)
    every = " ".join(names)
    if lockfile.format in {"requirements.txt", "pylock.toml"}:
        hashes = " --generate-hashes" if any(one.hashes for one in lockfile.packages) else ""
        return f"uv pip compile {_source(lockfile, reading)} -o {file}{hashes} {upgrades}"
    return {
        "uv.lock": f"uv lock {upgrades}",
        "poetry.lock": f"poetry update --lock {every}",
        "pdm.lock": f"pdm update --no-sync {every}",
        "Pipfile.lock": f"pipenv upgrade --lock-only {every}",
        "conda-lock.yml": f"conda-lock lock --lockfile {file} " + " ".join(f"--update {name}" for name in names),
        "pixi.lock": f"pixi update {every}",
    }.get(lockfile.format, f"make {file} anew")


def _source(lockfile: Manifest, reading: Reading) -> str:
    """What a list of pins is made from: the file of the same name that ends in `.in`, else the project's own."""
    stem = posixpath.splitext(lockfile.path)[0]
    folder = posixpath.dirname(lockfile.path)
    paths = {manifest.path: manifest for manifest in reading.manifests}
    if f"{stem}.in" in paths:
        return shlex.quote(posixpath.basename(f"{stem}.in"))
    beside = [path for path in paths if posixpath.dirname(path) == folder and not paths[path].is_lock]
    return shlex.quote(posixpath.basename(beside[0])) if beside else "pyproject.toml"
