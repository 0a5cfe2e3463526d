#!/usr/bin/env python3
"""How long all rules take over many locked projects, in one process.

    python benchmarks/rules.py [--projects 1000] [--rounds 3]

The projects are made of the releases that the tables know, with the requirements that the tables know of them, under
three targets. Nothing is resolved: what is timed is the diagnosis alone, with tables loaded before, in seconds of CPU
of the one process that it is. The best of the rounds counts.
"""

from __future__ import annotations

import argparse
import gc
import random
import time
from datetime import UTC, datetime

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from depdoctor import rules
from depdoctor.__main__ import MOST_NEW
from depdoctor.diagnose import diagnose
from depdoctor.diagnose.installation import known_requirements
from depdoctor.model.conflict import Conflicts
from depdoctor.model.distribution import Pin
from depdoctor.model.inventory import Entry, Inventory
from depdoctor.model.lock import Lock
from depdoctor.model.project import DeclaredRequirement, Location, Manifest, Project
from depdoctor.model.reading import Reading
from depdoctor.model.target import Environment, Gpu, Platform, Target
from depdoctor.rules import Rules

PLAIN = 60
"""Packages of each project that no table knows, as most of a lock are."""

TARGETS = (("t4", "470.256.02", "T4"), ("a100", "535.129.03", "A100"), ("b200", "580.65.06", "B200"))


def main() -> None:
    """Print the time of each round, and the best."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--projects", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    gc.set_threshold(MOST_NEW)  # as the command does
    started = time.perf_counter()
    facts = rules.load()
    print(f"tables loaded in {time.perf_counter() - started:.2f} s")
    times = []
    for number in range(options.rounds):
        inventory = fleet(rules.load(), options.projects)
        started = time.process_time()
        found = diagnose(inventory, Conflicts(), facts).findings
        times.append(time.process_time() - started)
        print(f"round {number + 1}: {len(found)} findings of {options.projects} projects in {times[-1]:.2f} s of CPU")
    print(f"best: {min(times):.2f} s, {1e6 * min(times) / options.projects:.0f} µs a project")


def fleet(facts: Rules, projects: int) -> Inventory:
    """So many locked projects, the same ones every time."""
    choose = random.Random(5)
    releases = sorted(
        {(row.package, row.last) for row in facts.builds} | {(row.package, row.last) for row in facts.metadata}
    )
    platform = Platform(libc_version=(2, 36))
    entries = tuple(_entry(number, choose, releases, facts, platform) for number in range(projects))
    targets = tuple(
        Target(name=name, platform=platform, driver=Version(driver), gpus=(Gpu(name=gpu, capability=None),))
        for name, driver, gpu in TARGETS
    )
    return Inventory(root="fleet", entries=entries, targets=targets, index_date=datetime(2026, 11, 22, tzinfo=UTC))


def _entry(
    number: int, choose: random.Random, releases: list[tuple[NormalizedName, Version]], facts: Rules, platform: Platform
) -> Entry:
    chosen = dict(choose.sample(releases, 4))
    environment = Environment(python="3.11", platform=platform)
    path = f"project-{number}/requirements.txt"
    pins = {}
    declared = []
    for line, (name, version) in enumerate(chosen.items(), start=1):
        requirement = Requirement(f"{name}=={version}")
        declared.append(
            DeclaredRequirement(requirement=requirement, location=Location(path=path, line=line), text=str(requirement))
        )
        edges = known_requirements(canonicalize_name(name), version, frozenset(), facts)
        pins[name] = Pin(name=canonicalize_name(name), version=version, file=None, requires=edges)
        for edge in edges:
            exact = next((one.version for one in edge.specifier if one.operator == "=="), None)
            if exact and not exact.endswith(".*"):
                library = canonicalize_name(edge.name)
                pins.setdefault(library, Pin(name=library, version=Version(exact), file=None, requires=()))
    for other in range(PLAIN):
        name = canonicalize_name(f"plain-{choose.randrange(2000)}-{other}")
        pins[name] = Pin(name=name, version=Version("1.0"), file=None, requires=())
    reading = Reading(
        project=Project(name=f"project-{number}", root=f"project-{number}", manifests=(path,)),
        manifests=(Manifest(path=path, format="requirements", requirements=tuple(declared)),),
    )
    lock = Lock(project=f"project-{number}", environment=environment, pins=tuple(sorted(pins.values(), key=str)))
    return Entry(reading=reading, outcomes=(lock,))


if __name__ == "__main__":
    main()
