"""Commits of git repositories, fetched to be built. Nothing of a repository is run, and no address is an option."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from depdoctor.errors import BuildError
from depdoctor.model.git_source import GitSource

TIMEOUT_S = 1800

_OWN = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES")
"""Variables by which git would work on another repository, as within a hook."""

_HINT = "git asks nobody here: give it an account by its credential helper or netrc, or a key by an agent"
_LACKING = ("not our ref", "unadvertised object", "no such remote ref", "dumb http", "couldn't find remote ref")
"""What servers say that give away no commit by its name alone."""


def check_out(source: GitSource, folder: Path) -> Path:
    """Fetch the commit of a source into a folder that is not there yet; the folder in it that the source names.

    Tags come along, since versions may be told by them. Credentials are those of the user's own git.
    Raises `BuildError` where the commit cannot be had.
    """
    folder.mkdir(parents=True)
    _git(source, folder, "init", "--quiet", "--template=")
    fetch = ("fetch", "--quiet", "--force", "--tags", "--no-recurse-submodules", "--", source.url)
    try:
        _git(source, folder, *fetch, f"{source.revision}:refs/depdoctor/commit")
    except BuildError as error:
        if not any(words in error.where.lower() for words in _LACKING):
            raise
        _git(source, folder, *fetch, "+refs/heads/*:refs/depdoctor/heads/*")
    _git(source, folder, "checkout", "--quiet", "--detach", source.revision)
    if (folder / ".gitmodules").is_file():
        _git(source, folder, "submodule", "--quiet", "update", "--init", "--recursive")
    inside = folder / source.folder
    if not inside.resolve().is_relative_to(folder.resolve()) or not inside.is_dir():
        raise BuildError(f"the commit has no folder `{source.folder}`", where=str(source))
    return inside


def committed_s(source: GitSource, folder: Path) -> int:
    """When the commit that is checked out was made, in seconds since 1970."""
    return int(_git(source, folder, "log", "-1", "--format=%ct", source.revision))


def _git(source: GitSource, folder: Path, *arguments: str) -> str:
    program = shutil.which("git")
    if program is None:
        raise BuildError("there is no `git` on PATH to fetch a repository with", where=str(source))
    settings = ("core.hooksPath=/dev/null", "core.autocrlf=false", "core.fsmonitor=false", "advice.detachedHead=false")
    command = [program, "-C", str(folder), *(word for one in settings for word in ("-c", one)), *arguments]
    own = {name: value for name, value in os.environ.items() if name not in _OWN}
    try:
        done = subprocess.run(
            command,
            env={**own, "GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": _transports(source), "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        raise BuildError("git gave no answer in time", where=str(source)) from None
    if done.returncode:
        said = "\n".join(done.stderr.strip().splitlines()[-3:])
        raise BuildError(f"cannot fetch {source}", where=said, hint=_HINT if source.scheme != "file" else "")
    return done.stdout


def _transports(source: GitSource) -> str:
    """What may be fetched by, submodules and redirections included: none that runs a command of an address."""
    return "file" if source.scheme == "file" else "https:http:ssh"
