#!/usr/bin/env python3
"""Set up and start: all that a fresh machine with Python 3.11 or newer needs.

    python3 tools/start.py demo    scan, plan and build the example fleet in fixtures/fleets/six, into ./images
    python3 tools/start.py test    run every check and test, on each Python at hand
    python3 tools/start.py lock    renew the hash-locked requirements (maintainers)

Everything is installed into .venv from hash-locked requirements; nothing else on the machine is touched.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".venv"
BIN = HOME / "bin"
OLDEST = (3, 11)
MINORS = range(11, 15)
FLEET = "fixtures/fleets/six"


def run(*command: str | Path, **environment: str) -> int:
    """Run a command of the virtual environment, shown as it is run; its exit status."""
    words = [str(word) for word in command]
    print("$", *[Path(words[0]).name, *words[1:]], file=sys.stderr, flush=True)
    return subprocess.run(
        [str(BIN / words[0]), *words[1:]], cwd=ROOT, check=False, env={**os.environ, **environment}
    ).returncode


def must(*command: str | Path, **environment: str) -> None:
    """Run a command and stop with its exit status if it fails."""
    if status := run(*command, **environment):
        sys.exit(status)


def set_up(requirements: str) -> None:
    """Make .venv once, and again whenever the requirements change."""
    mark = HOME / f"installed-{requirements}"
    wanted = (ROOT / "requirements" / requirements).read_bytes() + (ROOT / "pyproject.toml").read_bytes()
    if mark.is_file() and mark.read_bytes() == wanted:
        return
    if not BIN.exists():
        venv.create(HOME, with_pip=True)
    install = ("python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    must(*install, "--require-hashes", "-r", f"requirements/{requirements}")
    must(*install, "--no-deps", "--no-build-isolation", "-e", ".")
    mark.write_bytes(wanted)


def interpreters() -> str:
    """Find a folder for each Python minor that runs here, as a PATH; pyenv's versions count though it hides them."""
    folders = []
    for minor in MINORS:
        name = f"python3.{minor}"
        found = shutil.which(name)
        if found and subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0:
            folders.append(Path(found).parent)
            continue
        pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
        folders += sorted(path.parent for path in pyenv.glob(f"3.{minor}.*/bin/{name}"))[-1:]
    return os.pathsep.join(dict.fromkeys(str(folder) for folder in folders))


def demo() -> int:
    """Scan, plan and build the example fleet."""
    set_up("run.txt")
    must("depdoctor", "scan", FLEET, "--fail-on", "never")
    must("depdoctor", "plan", FLEET)
    return run("depdoctor", "build", FLEET, "--output", "images")


def test() -> int:
    """Run every check and test."""
    set_up("dev.txt")
    return run(
        "tox", "run", "--workdir", ROOT / ".tox", *sys.argv[2:], PATH=interpreters() + os.pathsep + os.environ["PATH"]
    )


def lock() -> int:
    """Renew requirements/run.txt, docs.txt and dev.txt: every version and hash, and no address."""
    set_up("dev.txt")
    options = [
        "--universal",
        "--generate-hashes",
        "--no-header",
        "--no-annotate",
        "--python-version",
        "3.11",
        "--quiet",
    ]
    sources = ("pyproject.toml", "requirements/build.in")
    must("uv", "pip", "compile", *sources, *options, "-o", "requirements/run.txt")
    must("uv", "pip", "compile", "requirements/docs.in", *options, "-o", "requirements/docs.txt")
    return run("uv", "pip", "compile", *sources, "requirements/dev.in", *options, "-o", "requirements/dev.txt")


def main() -> int:
    """Do what the first argument says."""
    commands = {"demo": demo, "test": test, "lock": lock}
    if sys.version_info < OLDEST:
        print("start: Python 3.11 or newer is needed", file=sys.stderr)
        return 2
    if len(sys.argv) < 2 or sys.argv[1] not in commands:
        print(__doc__, file=sys.stderr)
        return 2
    return commands[sys.argv[1]]()


if __name__ == "__main__":
    sys.exit(main())
