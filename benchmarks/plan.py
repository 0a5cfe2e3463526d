"""Measure the layer planner: layouts beside each other, distance to the optimum, a history of edits, scale.

    depdoctor plan FLEET && python benchmarks/plan.py FLEET/depdoctor.plan.json [--seed N]

Wheels, sizes and sets are those of the plan file; everything else is computed anew. Bytes leave bases and code out.
"""

from __future__ import annotations

import argparse
import random
import resource
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from packaging.version import Version

from depdoctor import planfile
from depdoctor.model.config import Config, ImageConfig
from depdoctor.model.cost import LayoutCost
from depdoctor.model.distribution import DistributionFile, Pin
from depdoctor.model.inventory import Entry, Inventory
from depdoctor.model.lock import Lock
from depdoctor.model.plan import Plan
from depdoctor.model.project import Project
from depdoctor.model.reading import Reading
from depdoctor.model.target import Environment, Platform
from depdoctor.plan import plan
from depdoctor.plan.cost import costs
from depdoctor.plan.diff import diff
from depdoctor.plan.sizes import weight
from depdoctor.plan.tree import grow

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from exact_layout import least_cost

CONFIG = Config(image=ImageConfig(base="python:3.11-slim-bookworm"))
ENVIRONMENT = Environment(python="3.11", platform=Platform(libc_version=(2, 36)))
MB = 1e6

Fleet = dict[str, tuple[Pin, ...]]


def inventory(fleet: Fleet, environment: Environment = ENVIRONMENT) -> Inventory:
    entries = [
        Entry(
            reading=Reading(project=Project(name=name, root=name, manifests=()), manifests=()),
            outcomes=(Lock(project=name, environment=environment, pins=pins),),
        )
        for name, pins in fleet.items()
    ]
    return Inventory(root=".", entries=tuple(entries), targets=(), index_date=datetime(2026, 11, 22, tzinfo=UTC))


def made(fleet: Fleet, previous: Plan | None = None) -> Plan:
    return plan(inventory(fleet), CONFIG, {}, previous)


def layouts(fleet: Fleet) -> None:
    started = time.process_time()
    result = costs(made(fleet))
    print(f"\n## Layouts of {len(fleet)} images ({time.process_time() - started:.1f} CPU-s)\n")
    print("| layout | registry, MB | x least | disk, MB | x bound |\n| --- | --- | --- | --- | --- |")
    rows: list[tuple[str, LayoutCost]] = [
        ("one layer per image", result.single),
        ("by popularity, a layer per package", result.popularity),
        ("depdoctor", result.planned),
        ("least (every package once)", result.least),
    ]
    for name, cost in rows:
        registry, disk = cost.registry_bytes, cost.disk_bytes
        print(
            f"| {name} | {registry / MB:.0f} | {registry / max(result.least.registry_bytes, 1):.3f} "
            f"| {disk / MB:.0f} | {disk / max(result.bound_bytes, 1):.3f} |"
        )
    print(f"\nbound on the disk {result.bound_bytes / MB:.0f} MB; packages of unknown size {result.sizes_unknown}")


def exactness(fleet: Fleet, chance: random.Random, subsets: int = 20, size: int = 9) -> None:
    if len(fleet) < size:
        return
    wheels = sorted({pin.file.sha256: pin for pins in fleet.values() for pin in pins if pin.file}.items())
    number = {digest: index for index, (digest, _) in enumerate(wheels)}
    weights = [weight(pin) for _, pin in wheels]
    ratios = []
    for _ in range(subsets):
        names = chance.sample(sorted(fleet), size)
        sets = list({frozenset(number[pin.file.sha256] for pin in fleet[name] if pin.file) for name in names})
        sets.sort(key=sorted)
        ratios.append(grow(sets, weights).cost() / least_cost(sets, weights))
    print(f"\n## Disk against the exact optimum, {subsets} random subsets of {size} images\n")
    print(f"median {statistics.median(ratios):.4f}, worst {max(ratios):.4f}, optimal in {sum(r == 1 for r in ratios)}")


def history(fleet: Fleet, chance: random.Random, edits: int = 30) -> None:
    current = made(fleet)
    scratch = current
    sums = dict.fromkeys(
        ("new wheels", "push kept", "push fresh", "push single", "pull kept", "pull fresh", "fetch kept"), 0
    )
    started = time.process_time()
    present = dict(fleet)
    seen = {pin.file.sha256 for pins in fleet.values() for pin in pins if pin.file}
    for number in range(edits):
        changed = edited(present, chance, number, spare=fleet)
        kept, fresh = made(changed, current), made(changed)
        moved = diff(current, kept)
        again = diff(scratch, fresh)
        touched = [name for name in changed if changed[name] != present.get(name)]
        new = {pin.file.sha256: pin for name in touched for pin in changed[name] if pin.file} if touched else {}
        sums["new wheels"] += sum(pin.download_bytes for digest, pin in new.items() if digest not in seen)
        seen |= set(new)
        sums["push kept"] += moved.push_bytes
        sums["push fresh"] += again.push_bytes
        sums["push single"] += sum(pin.download_bytes for name in touched for pin in changed[name])
        sums["pull kept"] += sum(image.pull_bytes for image in moved.images)
        sums["pull fresh"] += sum(image.pull_bytes for image in again.images)
        sums["fetch kept"] += sum(image.fetch_bytes for image in moved.images)
        present, current, scratch = changed, kept, fresh
    kept_cost, fresh_cost = costs(current).planned, costs(scratch).planned
    registry, disk = kept_cost.registry_bytes / fresh_cost.registry_bytes, kept_cost.disk_bytes / fresh_cost.disk_bytes
    print(f"\n## {edits} edits ({time.process_time() - started:.1f} CPU-s); MB summed over all of them\n")
    for name, total in sums.items():
        print(f"- {name}: {total / MB:.0f}")
    print(f"\nafterwards, against a plan from scratch: registry {registry:.3f}x, disk {disk:.3f}x")


def edited(fleet: Fleet, chance: random.Random, number: int, spare: Fleet) -> Fleet:
    """One edit: mostly a pin that moves, at times a project that goes, or comes (back)."""
    names = sorted(fleet)
    absent = sorted(set(spare) - set(fleet))
    kind = chance.choices(["bump", "remove", "add"], [6, 2, 2])[0]
    if kind == "remove" and len(names) > 2:
        gone = chance.choice(names)
        return {name: pins for name, pins in fleet.items() if name != gone}
    if kind == "add" and absent:
        back = chance.choice(absent)
        return {**fleet, back: spare[back]}
    name = chance.choice(names)
    index = chance.randrange(len(fleet[name]))
    pins = list(fleet[name])
    pins[index] = bumped(pins[index], number)
    return {**fleet, name: tuple(pins)}


def bumped(pin: Pin, number: int) -> Pin:
    """The package in a version that nobody has yet, as large as before."""
    assert pin.file
    version = Version(
        f"{pin.version.public}.post{9000 + number}" if not pin.version.is_postrelease else f"9000.{number}"
    )
    filename = f"{pin.name.replace('-', '_')}-{version}-py3-none-any.whl"
    file = replace(pin.file, filename=filename, sha256=sha256(filename.encode()).hexdigest())
    return replace(pin, version=version, file=file)


def scale(images: int, packages: int, distinct: int, seed: int) -> None:
    chance = random.Random(seed)
    pins = [
        Pin(
            name=f"p{number}",  # type: ignore[arg-type]
            version=Version("1.0"),
            file=DistributionFile(
                filename=f"p{number}-1.0-py3-none-any.whl",
                url="https://index.example/",
                sha256=f"{number:064x}",
                size_bytes=int(chance.lognormvariate(13, 2)),
            ),
        )
        for number in range(distinct)
    ]
    popularity = [(number + 1) ** -0.9 for number in range(distinct)]
    fleet: Fleet = {}
    for image in range(images):
        chosen: set[int] = set()
        while len(chosen) < packages:
            chosen.update(chance.choices(range(distinct), popularity, k=packages - len(chosen)))
        fleet[f"image-{image:04}"] = tuple(pins[number] for number in sorted(chosen))
    started = time.process_time()
    result = made(fleet)
    spent = time.process_time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\n## {images} images of {packages} packages, {distinct} distinct\n")
    print(f"{spent:.1f} CPU-s, peak {peak:.0f} MiB for the whole process, {len(result.nodes)} nodes")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plans", nargs="*", type=Path)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args(arguments)
    scale(1000, 60, 2000, options.seed)
    for path in options.plans:
        committed = planfile.load(path, path.name)
        fleet = {image.project: committed.pins(image) for image in committed.images}
        print(f"\n# {path.parent.name}")
        layouts(fleet)
        exactness(fleet, random.Random(options.seed))
        history(fleet, random.Random(options.seed))


if __name__ == "__main__":
    main()
