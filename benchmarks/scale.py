"""What 10, 100, 1,000 and 10,000 projects take: to plan, to generate, in a registry and on disks.

    python benchmarks/scale.py [MOST]

Fleets are made up: each project has one of eight frameworks (a heavy wheel and twelve that come with it), and twenty of
the packages that all choose from, the more of them the larger the fleet is. Nothing is resolved, and nothing is built.
"""

from __future__ import annotations

import random
import resource
import sys
import time
from datetime import UTC, datetime
from hashlib import sha256

from packaging.utils import canonicalize_name
from packaging.version import Version

from depdoctor import planfile
from depdoctor.generate import generate
from depdoctor.model.config import Config
from depdoctor.model.distribution import DistributionFile, Pin
from depdoctor.model.inventory import Entry, Inventory
from depdoctor.model.lock import Lock
from depdoctor.model.project import Project
from depdoctor.model.reading import Reading
from depdoctor.model.target import Environment, Platform, Target
from depdoctor.plan import plan
from depdoctor.plan.cost import costs

ENVIRONMENT = Environment(python="3.11", platform=Platform())
MB = 1_000_000


def pin(name: str, size_bytes: int) -> Pin:
    filename = f"{name}-1.0-py3-none-any.whl"
    digest = sha256(filename.encode()).hexdigest()
    url = f"https://index.example/{filename}"
    file = DistributionFile(filename=filename, url=url, sha256=digest, size_bytes=size_bytes)
    return Pin(name=canonicalize_name(name), version=Version("1.0"), file=file, unpacked_bytes=size_bytes * 3)


def fleet(projects: int, chance: random.Random) -> Inventory:
    frameworks = [
        [pin(f"framework{kind}", 800 * MB), *(pin(f"with{kind}n{number}", 2 * MB) for number in range(12))]
        for kind in range(8)
    ]
    common = [pin(f"common{number}", chance.randint(1, 200) * MB // 10) for number in range(40 + projects // 10)]
    weights = [1 / (rank + 1) for rank in range(len(common))]
    entries = []
    for number in range(projects):
        chosen = {one.name: one for one in chance.choices(common, weights, k=20)}
        pins = tuple(sorted([*chance.choice(frameworks), *chosen.values()], key=lambda one: one.name))
        project = Project(name=f"p{number:05}", root=f"p{number:05}", manifests=())
        lock = Lock(project=project.name, environment=ENVIRONMENT, pins=pins)
        entries.append(Entry(reading=Reading(project=project, manifests=()), outcomes=(lock,)))
    now = datetime(2026, 11, 22, tzinfo=UTC)
    target = Target(name="linux", platform=Platform())
    return Inventory(root=".", entries=tuple(entries), targets=(target,), index_date=now)


def main() -> None:
    most = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    print("| projects | plan, s | plan file | generate, s | registry, GB | one each | disk, GB | one each | peak |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for projects in (10, 100, 1_000, 10_000):
        if projects > most:
            break
        inventory = fleet(projects, random.Random(projects))
        start = time.process_time()
        made = plan(inventory, Config(), {})
        planned_s = time.process_time() - start
        size = len(planfile.dumps(made))
        start = time.process_time()
        generate(made)
        generated_s = time.process_time() - start
        cost = costs(made)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        told = (
            cost.planned.registry_bytes,
            cost.single.registry_bytes,
            cost.planned.disk_bytes,
            cost.single.disk_bytes,
        )
        gigabytes = " | ".join(f"{one / MB / 1000:,.0f}" for one in told)
        print(
            f"| {projects:,} | {planned_s:.1f} | {size / MB:.2f} MB | {generated_s:.1f} | {gigabytes} | {peak} MiB |",
            flush=True,
        )


if __name__ == "__main__":
    main()
