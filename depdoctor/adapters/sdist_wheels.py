"""Source distributions built to wheels by uv, once: this runs their code, and only where the user allows it."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path
from threading import Lock

from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from depdoctor.adapters.compiler import compiler
from depdoctor.errors import BuildError
from depdoctor.model.distribution import DistributionFile, Pin
from depdoctor.model.git_source import GitSource
from depdoctor.model.project import IndexOptions
from depdoctor.model.seams import Progress, Store
from depdoctor.model.target import Environment, Platform

MOST_LINES = 12
"""Of what a build says before it fails."""

TIMEOUT_S = 3600
_THROUGH_DOCKER = "Build with `--builder docker`, which compiles it in the image's own environment"


class SdistWheels:
    """Matches `seams.WheelMaker`. Wheels are kept in the store by their sdist's hash and the environment.

    `indexes` are asked for what builds need, besides those that uv is configured with.
    """

    def __init__(self, store: Store, *, indexes: IndexOptions | None = None, offline: bool = False) -> None:
        self._store = store
        self._indexes = indexes or IndexOptions()
        self._offline = offline
        self._lock = Lock()

    def wheel(self, pin: Pin, sdist: Path | None, environment: Environment, progress: Progress) -> DistributionFile:
        """The wheel of a pin's source distribution for an environment, which then lies in the store.

        Without a path it is a commit of a repository, which is fetched.
        Raises `BuildError` if it cannot be built, or would be compiled for another system than that of the image.
        """
        file = pin.file
        if file is None:
            raise BuildError(f"{pin} has no source distribution to build", hint=_THROUGH_DOCKER)
        key = f"wheel of sdist 1 {file.sha256} {environment}"
        with self._lock:  # one at a time, since builds take all processors and much memory by themselves
            if (note := self._store.recall(key)) and self._store.has(f"sha256:{json.loads(note)['sha256']}"):
                return _file(json.loads(note))
            task = f"Building {pin}"
            progress.start(task)
            with tempfile.TemporaryDirectory(prefix="depdoctor-build-") as scratch:
                source, epoch = self._source(pin, file, sdist, Path(scratch, "source"))
                made = self._built(pin, source, Path(scratch, "out"), environment, epoch)
                _check(pin, made.name, environment)
                told = {"filename": made.name, "sha256": self._kept(made), "size_bytes": made.stat().st_size}
            progress.finish(task)
            self._store.remember(key, json.dumps(told))
            return _file(told)

    def _source(
        self, pin: Pin, file: DistributionFile, sdist: Path | None, folder: Path
    ) -> tuple[Path, dict[str, str]]:
        """What is to be built, in a folder of its own, and the variables that make the build repeatable."""
        if sdist is not None:
            return _copied(sdist, folder / file.filename), {}
        from depdoctor.adapters import checkout

        if self._offline:
            raise BuildError(f"{pin} comes from {file.url}, and `--offline` forbids to fetch it")
        source = GitSource.of(file.url)
        place = checkout.check_out(source, folder)
        return place, {"SOURCE_DATE_EPOCH": str(checkout.committed_s(source, folder))}

    def _built(self, pin: Pin, source: Path, out: Path, environment: Environment, variables: dict[str, str]) -> Path:
        import uv

        interpreter = compiler(environment.python, reason=f"build {pin} with").interpreter
        command = [os.fsdecode(uv.find_uv_bin()), "build", "--wheel", "--python", interpreter, "--out-dir", str(out)]
        command += ["--no-python-downloads", "--color", "never", *(["--offline"] if self._offline else [])]
        if self._indexes.index_url:
            command += ["--default-index", self._indexes.index_url]
        command += [word for url in self._indexes.extra_index_urls for word in ("--index", url)]
        done = subprocess.run(
            [*command, str(source)],
            cwd=source.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=TIMEOUT_S,
            env={name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"} | variables,
        )
        wheels = sorted(out.glob("*.whl"))
        if done.returncode or len(wheels) != 1:
            said = "\n".join(line for line in done.stderr.splitlines()[-MOST_LINES:] if line.strip())
            raise BuildError(f"{pin} cannot be built to a wheel for {environment}", where=said, hint=_THROUGH_DOCKER)
        return wheels[0]

    def _kept(self, wheel: Path) -> str:
        import hashlib

        with wheel.open("rb") as content:
            sha256 = hashlib.file_digest(content, "sha256").hexdigest()
        self._store.add(f"sha256:{sha256}", [wheel.read_bytes()])
        return sha256


def _check(pin: Pin, filename: str, environment: Environment) -> None:
    """Raise `BuildError` unless a wheel that was built on this machine runs in an environment."""
    try:
        name, version, _, tags = parse_wheel_filename(filename)
    except InvalidWheelFilename as error:
        raise BuildError(f"the build of {pin} makes {filename}, which is no wheel", hint=_THROUGH_DOCKER) from error
    own = version if pin.version.local else Version(version.public)  # builds may add a label of their own
    if (name, own) != (pin.name, pin.version):
        raise BuildError(f"the build of {pin} makes {name} {version}", where=filename, hint="Plan anew")
    if any(tag.platform == "any" for tag in tags) and tags & set(environment.tags()):
        return
    here, there = this_machine(), environment.platform
    same = (here.machine, here.libc) == (there.machine, there.libc)
    if not same or here.libc_version > there.libc_version:
        raise BuildError(
            f"{pin} is compiled, on {here}, and the image is for {there}",
            where=filename,
            hint=_THROUGH_DOCKER + "; or build on a machine whose C library is no newer than the image's",
        )


def this_machine() -> Platform:
    """The machine and the C library of this system, as what is compiled here gets them."""
    try:
        libc, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    except (ValueError, OSError):
        libc, version = "", ""
    if libc == "glibc":
        major, minor, *_ = version.split(".")
        return Platform(machine=platform.machine(), libc_version=(int(major), int(minor)))
    return Platform(machine=platform.machine(), libc="musl", libc_version=(1, 2))


def _file(told: dict[str, object]) -> DistributionFile:
    return DistributionFile(
        filename=str(told["filename"]), url="", sha256=str(told["sha256"]), size_bytes=int(str(told["size_bytes"]))
    )


def _copied(sdist: Path, place: Path) -> Path:
    """A source distribution under its own name, by which uv knows its kind."""
    place.parent.mkdir()
    shutil.copyfile(sdist, place)
    return place
