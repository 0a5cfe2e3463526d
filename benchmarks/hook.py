#!/usr/bin/env python3
"""Time the commit hook on a repository of many projects: ten kinds of commits, whole processes.

    python benchmarks/hook.py FOLDER

FOLDER is copied into a repository of its own first, and judged once so that its projects are remembered. Each kind is
committed and judged three times; printed are the fastest run, the processor's time of it, the most memory, the exit
status and what was found. Peers are `--version`, what an interpreter needs to do nothing, and `import requests`, what
one needs to import what every HTTP client of Python does. Byte-code is kept as it is where a tool is installed:
PYTHONDONTWRITEBYTECODE is unset for all that is started, and every module was imported once before anything is timed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

Edit = Callable[[Path], list[str]]
RUNS = 3
HOOK = ["-m", "depdoctor", "hook", "--format", "json"]


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as work:
        root = Path(work) / "repository"
        shutil.copytree(sys.argv[1], root)
        os.environ.setdefault("DEPDOCTOR_CACHE_DIR", str(Path(work) / "cache"))
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.chdir(root)
        git("init", "-q")
        git("add", "-A")
        git("-c", "user.name=a", "-c", "user.email=a@index.example", "commit", "-qm", "all")
        listed = json.loads(
            subprocess.run(
                [sys.executable, "-m", "depdoctor", "scan", "--list", "--format", "json"],
                capture_output=True,
                check=True,
            ).stdout
        )
        print(f"{len(listed['projects'])} projects")
        print(f"{'commit':34} {'wall':>7} {'cpu':>7} {'memory':>8}  status, found")
        show("(depdoctor --version)", ["-m", "depdoctor", "--version"])
        show("(python -c 'import requests')", ["-c", "import requests"])
        show("(first run, nothing remembered)", HOOK, runs=1)
        for name, edit in KINDS.items():
            show(name, [*HOOK, *edit(root)])
            git("checkout", "-q", "--", ".")
            git("clean", "-qfd")
    return 0


def git(*words: str) -> None:
    subprocess.run(["git", *words], check=True)


def show(name: str, words: list[str], runs: int = RUNS) -> None:
    best = min((measured(words) for _ in range(runs)), key=lambda one: one[0])
    wall, cpu, memory, status, found = best
    print(f"{name:34} {wall:6.2f}s {cpu:6.2f}s {memory:5.0f} MB  {status}, {found}")


def measured(words: list[str]) -> tuple[float, float, float, int, str]:
    command = [sys.executable, *words]
    started = time.perf_counter()
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(command, stdout=out)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        out.seek(0)
        text = out.read()
    found = ""
    if words[: len(HOOK)] == HOOK:
        told = json.loads(text)
        codes = [one["code"] for one in told["findings"] if one["severity"] != "note"]
        found = f"{len(told['projects'])} judged, {' '.join(codes[:6]) or 'nothing'}"
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, os.waitstatus_to_exitcode(status), found


def manifests(root: Path, name: str = "requirements.txt") -> list[Path]:
    return sorted(root.rglob(name))


def put(path: Path, text: str, *, append: bool = False) -> list[str]:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text((path.read_text(encoding="utf-8") if append else "") + text, encoding="utf-8")
    return [path.relative_to(Path.cwd()).as_posix()]


KINDS: dict[str, Edit] = {
    "no manifest: a text": lambda root: put(root / "NOTES.md", "notes\n"),
    "one line more": lambda root: put(manifests(root)[0], "\npackaging\n", append=True),
    "a line that contradicts another": lambda root: put(manifests(root)[0], "\nsix==1.0\nsix==2.0\n", append=True),
    "a pin that crosses others": lambda root: put(manifests(root)[0], "\nnumpy==2.0\n", append=True),
    "a password in an address": lambda root: put(
        manifests(root)[0], "\n--extra-index-url https://me:secret@index.example/simple\n", append=True
    ),
    "a manifest that nobody can read": lambda root: put(manifests(root)[0], "\x00\x01((("),
    "a new project": lambda root: put(root / "new" / "requirements.txt", "numpy\n"),
    "the base image alone": lambda root: put(manifests(root)[0].with_name("Dockerfile"), "FROM python:3.8-slim\n"),
    "ten manifests": lambda root: [
        path for each in manifests(root)[:10] for path in put(each, "\npackaging\n", append=True)
    ],
    "the configuration: all projects": lambda root: put(root / "depdoctor.toml", 'python = "3.11"\n'),
}

if __name__ == "__main__":
    sys.exit(main())
