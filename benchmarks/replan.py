#!/usr/bin/env python3
"""Time `plan` and `plan --check` after one pin moved in one lock, and after nothing changed: whole processes.

    python benchmarks/replan.py FLEET [--base REFERENCE] [--before CHECKOUT] [--runs N]

FLEET is copied first. The pin is one that two of its projects lock by hash in two versions, so that the index is asked
for nothing that is not known. CHECKOUT is an earlier state of depdoctor, run in turns with this one, each with a cache
of its own. Printed are the median and the fastest of N runs, and the processor's time of them, children included.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parents[1]
BLOCK = re.compile(r"^([a-z0-9._-]+)==\S+ \\\n(?: +--hash=\S+(?: \\)?\n?)+", re.MULTILINE)
WARM_UPS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fleet", type=Path)
    parser.add_argument("--base", default="scratch")
    parser.add_argument("--before", type=Path)
    parser.add_argument("--runs", type=int, default=7)
    options = parser.parse_args()
    trees = {"before": options.before.resolve()} if options.before else {}
    trees["now"] = HERE
    with tempfile.TemporaryDirectory() as folder:
        places = {name: Path(folder, name) for name in trees}
        for place in places.values():
            shutil.copytree(options.fleet, place / "fleet", ignore=shutil.ignore_patterns("depdoctor.plan.json"))
        path, texts = moving(places["now"] / "fleet")
        print(f"the pin that moves: {texts[0].split()[0]} in {path}\n")
        print("| | tree | median, s | fastest, s | processor, s | load |\n| --- | --- | --- | --- | --- | --- |")
        for command in (["plan"], ["plan", "--check"]):
            for moves in (True, False):
                taken: dict[str, list[tuple[float, float]]] = {name: [] for name in trees}
                for number in range(WARM_UPS + options.runs):
                    for name, tree in trees.items():
                        if moves:
                            move(places[name] / "fleet" / path, texts)
                        took = run(tree, places[name], [*command, ".", "--base", options.base])
                        taken[name] += [took] if number >= WARM_UPS else []
                for name, runs in taken.items():
                    walls, cpus = zip(*runs, strict=True)
                    print(
                        f"| {' '.join(command)}, {'one pin' if moves else 'unchanged'} | {name} "
                        f"| {statistics.median(walls):.2f} | {min(walls):.2f} | {statistics.median(cpus):.2f} "
                        f"| {os.getloadavg()[0]:.1f} |",
                        flush=True,
                    )


def moving(fleet: Path) -> tuple[str, tuple[str, str]]:
    """A list of pins, and two versions of one of its pins with their hashes: its own, and another project's."""
    seen: dict[str, str] = {}
    for place in sorted(fleet.glob("*/requirements.txt")):
        for match in BLOCK.finditer(place.read_text()):
            name, block = match[1], match[0].rstrip("\\\n ")
            if seen.setdefault(name, block) != block:
                return place.relative_to(fleet).as_posix(), (block, seen[name])
    sys.exit("no two projects of this fleet lock a package in two versions")


def move(place: Path, texts: tuple[str, str]) -> None:
    text = place.read_text()
    one, other = texts if texts[0] in text else texts[::-1]
    place.write_text(text.replace(one, other))


def run(tree: Path, place: Path, arguments: list[str]) -> tuple[float, float]:
    """How long a command takes: by the clock, and by the processor."""
    environment = os.environ | {"PYTHONPATH": str(tree), "DEPDOCTOR_CACHE_DIR": str(place / "cache")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "depdoctor", *arguments],
        cwd=place / "fleet",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    took, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):
        sys.exit(done.stderr)
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
