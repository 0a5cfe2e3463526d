"""Measure what edits of requirement files cost a fleet with versions aligned (`--align safe`): pushes and pulls.

    python benchmarks/edits.py FLEET --exclude-newer DATE [--edits 30] [--seed 7]

Works on a copy of FLEET. Every edit loosens or adds a line, removes a project, or adds one that is like another. Three
ways to plan follow: from the plan that was there, afresh each time, and one layer for each image. MB as downloaded,
summed over all edits; pulls are those of nodes that hold the images of before, with a classic engine. Wants an index.
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
import time
from pathlib import Path

from packaging.requirements import Requirement

from depdoctor.cli.settings import cache_folder
from depdoctor.config import moment
from depdoctor.model.plan import Plan
from depdoctor.model.seams import NoProgress
from depdoctor.pipeline.planning import Planned, plan
from depdoctor.pipeline.standing import Settings
from depdoctor.plan.diff import diff

MB = 1e6
EXTRA = ("tqdm", "rich", "pyyaml", "orjson", "tenacity", "httpx", "jinja2", "click", "psutil", "cachetools")


def edited(root: Path, chance: random.Random, number: int) -> str:
    """Edit one project in place; what was done."""
    projects = sorted(path for path in root.iterdir() if path.is_dir())
    one = chance.choice(projects)
    kind = chance.choices(["line", "loosen", "remove", "add"], [4, 3, 1, 2])[0]
    manifest = one / "requirements.txt"
    lines = manifest.read_text().split()
    if kind == "remove":
        shutil.rmtree(one)
    elif kind == "add":
        shutil.copytree(one, root / f"new-{number:02}")
        with (root / f"new-{number:02}" / "requirements.txt").open("a") as file:
            file.write(f"{chance.choice(EXTRA)}\n")
    elif kind == "loosen" and (pinned := [line for line in lines if "==" in line]):
        line = chance.choice(pinned)
        lines[lines.index(line)] = line.replace("==", ">=")
        manifest.write_text("\n".join(lines) + "\n")
    else:
        kind = "line"
        fresh = [name for name in EXTRA if name not in {Requirement(line).name for line in lines}]
        manifest.write_text("\n".join([*lines, chance.choice(fresh)]) + "\n")
    return f"{kind} {one.name}"


def single(before: Plan, after: Plan) -> int:
    """What images in one layer would push: all of each that changed."""
    changed = {one.name for one in diff(before, after).images if one.change != "removed" and one.new_layers}
    return sum(pin.download_bytes for image in after.images if image.name in changed for pin in after.pins(image))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fleet", type=Path)
    parser.add_argument("--exclude-newer", required=True)
    parser.add_argument("--edits", type=int, default=30)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    sums = dict.fromkeys(("push kept", "push fresh", "push single", "pull kept", "pull fresh", "pull single"), 0)
    others = 0
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "fleet")
        shutil.copytree(options.fleet, root, ignore=shutil.ignore_patterns("depdoctor.plan.json"))
        settings = Settings(
            root=root, cache=cache_folder(), exclude_newer=moment(options.exclude_newer), budget_s=300.0
        )

        def made(*, fresh: bool) -> Planned:
            return plan(settings, NoProgress(), fresh=fresh, write=not fresh)

        kept = made(fresh=False).plan
        scratch = kept
        started = time.monotonic()
        for number in range(options.edits):
            what = edited(root, chance, number)
            own, anew = made(fresh=False).plan, made(fresh=True).plan
            change, again = diff(kept, own), diff(scratch, anew)
            touched = what.split()[1].replace(".", "-")
            others += sum(one.name not in {touched, f"new-{number:02}"} for one in change.images)
            alone = single(kept, own)
            sums["push kept"] += change.push_bytes
            sums["push fresh"] += again.push_bytes
            sums["push single"] += alone
            sums["pull kept"] += sum(one.pull_bytes for one in change.images)
            sums["pull fresh"] += sum(one.pull_bytes for one in again.images)
            sums["pull single"] += alone
            print(f"<!-- {number + 1}: {what}: {change.push_bytes / MB:.0f} MB pushed -->", flush=True)
            kept, scratch = own, anew
    print(f"\n# {options.fleet.name}: {options.edits} edits, --align safe, {time.monotonic() - started:.0f} s\n")
    for name, total in sums.items():
        print(f"- {name}: {total / MB:.0f} MB")
    print(f"- images of other projects that changed: {others}")


if __name__ == "__main__":
    main()
