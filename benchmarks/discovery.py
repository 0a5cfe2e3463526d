"""Measure discovery: a tree of 100,000 files and 1,000 projects, against tools that only list its files.

    python benchmarks/discovery.py [--files N] [--projects N] [--runs N]

Each line is the median of warm runs, taken in turn so that all see the same load.
`rg` and `fd` take part where they are installed. The floor is what walks the tree and does nothing else.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from depdoctor.discover import discover

MANIFESTS: Mapping[str, str] = {
    "requirements.txt": "numpy>=1.26\nrequests\n",
    "pyproject.toml": '[project]\nname = "demo"\nversion = "1"\ndependencies = ["numpy"]\n',
    "environment.yml": "name: demo\ndependencies:\n  - python=3.11\n",
    "Dockerfile": "FROM python:3.11\nRUN pip install numpy\n",
    "setup.py": 'from setuptools import setup\nsetup(name="demo", install_requires=["numpy"])\n',
}
FOLDERS = ("src/demo", "src/demo/layers", "tests", "data/raw", "configs", "notebooks")
KINDS = ("module{}.py", "part{}.json", "table{}.csv", "notes{}.md")
ONCE = "import sys; from pathlib import Path; from depdoctor.discover import discover; discover(Path(sys.argv[1]))"


def make_tree(root: Path, files: int, projects: int) -> None:
    """Projects in folders of 25, each with one or two manifests and its share of small files in six folders."""
    (root / ".gitignore").write_text("__pycache__/\n*.log\n/build/\n", encoding="utf-8")
    manifests = list(MANIFESTS.items())
    for number in range(projects):
        project = root / f"team{number // 25:03}" / f"project{number:04}"
        for folder in FOLDERS:
            (project / folder).mkdir(parents=True)
        own = [manifests[number % len(manifests)], manifests[(number // 7) % len(manifests)]]
        for name, text in dict(own).items():
            (project / name).write_text(text, encoding="utf-8")
        for index in range(files // projects - len(dict(own))):
            name = KINDS[index % len(KINDS)].format(index)
            (project / FOLDERS[index % len(FOLDERS)] / name).write_text("import os\n", encoding="utf-8")


def seconds_of(command: list[str]) -> float:
    """Wall seconds of a process."""
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def in_process(root: Path) -> float:
    """Wall seconds of `discover` alone."""
    start = time.perf_counter()
    discover(root)
    return time.perf_counter() - start


def peak_mib(code: str, root: Path) -> int:
    """Peak memory of a Python process as Linux counts it since its start; `ru_maxrss` would count the parent's too."""
    tell = f"{code}; print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    done = subprocess.run([sys.executable, "-c", tell, str(root)], check=True, capture_output=True, text=True)
    return int(done.stdout) // 1024


def contenders(root: Path) -> dict[str, Callable[[], float]]:
    commands = {
        "discover, whole process": [sys.executable, "-c", ONCE, str(root)],
        "python that does nothing": [sys.executable, "-c", ""],
        "git ls-files (its index)": ["git", "-C", str(root), "ls-files"],
        "git ls-files --others (a walk)": ["git", "-C", str(root), "ls-files", "--others", "--exclude-standard"],
        "find -type f (a walk)": ["find", str(root), "-type", "f"],
        "rg --files": ["rg", "--files", "--hidden", str(root)],
        "fd": ["fd", "--type", "f", "--hidden", ".", str(root)],
    }
    found: dict[str, Callable[[], float]] = {"discover, in process": lambda: in_process(root)}
    for label, command in commands.items():
        if shutil.which(command[0]):
            found[label] = lambda command=command: seconds_of(command)  # type: ignore[misc]
    return found


def prepare_git(root: Path) -> None:
    """Half the teams tracked, the other half not, so that both lists have something to tell."""
    subprocess.run(["git", "-C", str(root), "init", "-q"], check=True)
    tracked = sorted(path.name for path in root.glob("team*"))[::2]
    subprocess.run(["git", "-C", str(root), "add", ".gitignore", *tracked], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--projects", type=int, default=1_000)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "tree")
        root.mkdir()
        make_tree(root, options.files, options.projects)
        prepare_git(root)
        print(f"{len(discover(root))} projects found in {options.files} files; load {os.getloadavg()[0]:.1f}")
        runs: dict[str, list[float]] = {}
        for _ in range(options.runs):
            for label, run in contenders(root).items():
                runs.setdefault(label, []).append(run())
        medians = {label: statistics.median(took) for label, took in runs.items()}
        floor = medians["find -type f (a walk)"]
        print("\n| what | median, s | x find |\n| --- | --- | --- |")
        for label, seconds in medians.items():
            print(f"| {label} | {seconds:.2f} | {seconds / floor:.1f} |")
        print(f"\npeak memory: {peak_mib(ONCE, root)} MiB; a Python that does nothing: {peak_mib('pass', root)} MiB")


if __name__ == "__main__":
    main()
