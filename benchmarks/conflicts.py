"""Measure the conflict search on a fleet: questions and seconds beside a sweep over all pairs, and a hard case.

    python benchmarks/conflicts.py FLEET [--projects N] [--sweep] [--hard] [--rescan] [--cache FOLDER]

Times are of the second run, when metadata is warm; what counts is the ratio. `--sweep` asks the resolver about every
pair of projects and compares the verdicts. `--hard` asks about a chain that makes a resolver without learning hang.
`--rescan` runs the command itself: cold or warm, then on what has not changed, then once a line has.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path

from packaging.requirements import Requirement

from depdoctor import discover, lock, read
from depdoctor.adapters.oracle import MemoOracle
from depdoctor.adapters.uv import UvResolver
from depdoctor.conflict import finder
from depdoctor.model.conflict import Conflicts
from depdoctor.model.inventory import Entry, Inventory
from depdoctor.model.lock import Answer, Impossible, Question, Resolved
from depdoctor.model.project import IndexOptions
from depdoctor.model.target import Environment, Platform

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from universe import HERE, write_wheels

ENVIRONMENT = Environment(python="3.11", platform=Platform(libc_version=(2, 36)))
AT_ONCE = 8
CHAIN, VERSIONS = 20, 30


class Counting:
    """A resolver that counts."""

    def __init__(self, resolver: UvResolver) -> None:
        self.resolver = resolver
        self.count = 0

    def resolve(self, question: Question) -> Answer:
        self.count += 1
        return self.resolver.resolve(question)


def locked(root: Path, resolver: Counting, moment: datetime, most: int | None) -> Inventory:
    readings = [read.read(project, root) for project in discover.discover(root)[:most]]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = pool.map(
            lambda one: lock.lock(one, ENVIRONMENT, resolver, indexes=IndexOptions(), exclude_newer=moment), readings
        )
    entries = [Entry(reading=one, outcomes=(outcome,)) for one, outcome in zip(readings, outcomes, strict=True)]
    return Inventory(root=str(root), entries=tuple(entries), targets=(), index_date=moment)


def lines(inventory: Inventory) -> dict[str, frozenset[str]]:
    """The requirements of each project that has a lock."""
    return {
        entry.project.name: frozenset(str(line.requirement) for line in entry.requirements())
        for entry in inventory.entries
        if entry.locks
    }


def sweep(projects: Mapping[str, frozenset[str]], resolver: Counting, moment: datetime) -> set[tuple[str, str]]:
    """Every pair that the resolver says cannot share an environment."""

    def verdict(pair: tuple[str, str]) -> Answer:
        texts = tuple(sorted(projects[pair[0]] | projects[pair[1]]))
        return resolver.resolve(Question(requirements=texts, environment=ENVIRONMENT, exclude_newer=moment))

    pairs = list(combinations(sorted(projects), 2))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        verdicts = pool.map(verdict, pairs)
    return {pair for pair, answer in zip(pairs, verdicts, strict=True) if isinstance(answer, Impossible)}


def covered(projects: Mapping[str, frozenset[str]], found: Conflicts) -> set[tuple[str, str]]:
    """Every pair whose lines hold a conflict that was found."""
    cores = [{str(Requirement(cause.requirement)) for cause in one.causes} for one in found.conflicts]
    pairs = combinations(sorted(projects), 2)
    return {pair for pair in pairs if any(core <= projects[pair[0]] | projects[pair[1]] for core in cores)}


def hard() -> None:
    """A chain of packages, of which every version will do, before two that exclude each other."""
    names = [f"link{place:02}" for place in range(CHAIN)]
    releases: dict[str, dict[str, Sequence[str]]] = {
        name: {str(version): [f"{after}>=1"] for version in range(1, VERSIONS + 1)}
        for name, after in zip(names, [*names[1:], "left"], strict=True)
    }
    releases |= {"left": {str(v): [f"end=={2 * v}", "right"] for v in range(1, VERSIONS + 1)}}
    releases |= {"right": {str(v): [f"end=={2 * v + 1}"] for v in range(1, VERSIONS + 1)}}
    releases |= {"end": {str(v): [] for v in range(2, 2 * VERSIONS + 2)}}
    with tempfile.TemporaryDirectory() as folder:
        indexes = write_wheels(releases, Path(folder))
        resolver = UvResolver(Path(folder, "cache"))
        for attempt in ("cold", "warm"):
            start = time.monotonic()
            answer = resolver.resolve(
                Question(requirements=("link00",), environment=HERE, indexes=indexes, exclude_newer=datetime.now(UTC))
            )
            assert not isinstance(answer, Resolved)
            print(f"hard chain of {CHAIN} with {VERSIONS} versions each, {attempt}: {time.monotonic() - start:.2f} s")


def rescan(fleet: Path, cache: Path) -> None:
    """The whole command: on the fleet, again on the same, and on the same after one line of it has changed."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "fleet")
        shutil.copytree(fleet, root)
        changed = min(root.rglob("requirements.txt"))
        for attempt in ("first", "second", "unchanged", "unchanged", "one line changed"):
            if attempt == "one line changed":
                changed.write_text(changed.read_text(encoding="utf-8") + "# a remark\n", encoding="utf-8")
            time.sleep(0.1)  # what was written just now may still be written, and is not vouched for
            start = time.monotonic()
            subprocess.run(
                [sys.executable, "-m", "depdoctor", "scan", str(root), "--format", "json", "--fail-on", "never"],
                check=True,
                stdout=subprocess.DEVNULL,
                env={**os.environ, "DEPDOCTOR_CACHE_DIR": str(cache)},
            )
            took_s = time.monotonic() - start
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
            print(f"scan, {attempt}: {took_s:.2f} s; largest process so far {peak:.0f} MiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fleet", type=Path)
    parser.add_argument("--projects", type=int)
    parser.add_argument("--sweep", action="store_true")
    parser.add_argument("--hard", action="store_true")
    parser.add_argument("--rescan", action="store_true")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "depdoctor-benchmark")
    options = parser.parse_args()
    moment = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for attempt in ("cold", "warm"):
        resolver = Counting(UvResolver(options.cache))
        start = time.monotonic()
        inventory = locked(options.fleet, resolver, moment, options.projects)
        locks, asked = time.monotonic() - start, resolver.count
        start = time.monotonic()
        found = finder.find(inventory, MemoOracle(resolver), deadline=lambda: False)
        searched = time.monotonic() - start
        print(
            f"{attempt}: {len(inventory.entries)} projects locked in {locks:.1f} s; "
            f"{len(found.conflicts)} conflicts found in {searched:.1f} s with {resolver.count - asked} questions; "
            f"groups of {[len(group) for grouping in found.groupings for group in grouping.groups]}"
        )
    print(f"memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
    if options.sweep:
        projects = lines(inventory)
        resolver = Counting(UvResolver(options.cache))
        start = time.monotonic()
        apart = sweep(projects, resolver, moment)
        took = time.monotonic() - start
        mine = covered(projects, found)
        print(f"sweep: {resolver.count} questions in {took:.1f} s, {took / searched:.1f} times the search")
        print(f"pairs that cannot share: {len(apart)}; missed {sorted(apart - mine)}; invented {sorted(mine - apart)}")
    if options.hard:
        hard()
    if options.rescan:
        rescan(options.fleet, options.cache)


if __name__ == "__main__":
    main()
