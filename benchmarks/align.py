"""Measure alignment: the distinct wheel bytes of a fleet as resolved one by one, aligned, and locked in one by uv.

    python benchmarks/align.py FLEET --exclude-newer DATE

uv's way is one project with an extra for each project of the fleet, all declared to conflict: its later forks prefer
what its earlier ones took. Every figure counts each wheel for one environment once, as downloaded. Wants an index.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import uv

from depdoctor import lock
from depdoctor.adapters.uv_pylock import read_pins
from depdoctor.cli.settings import cache_folder
from depdoctor.config import moment
from depdoctor.model.alignment import Align
from depdoctor.model.distribution import Pin
from depdoctor.model.inventory import Entry
from depdoctor.model.lock import Lock
from depdoctor.model.seams import NoProgress
from depdoctor.pipeline import scanning
from depdoctor.pipeline.aligning import aligned
from depdoctor.pipeline.scanning import Scan, Settings

MB = 1e6


def distinct(locks: Iterable[Sequence[Pin]]) -> dict[str, Pin]:
    return {pin.file.sha256: pin for pins in locks for pin in pins if pin.file}


def size(files: Mapping[str, Pin]) -> float:
    return sum(pin.download_bytes for pin in files.values()) / MB


def downgrades(before: Mapping[str, Lock], after: Mapping[str, Sequence[Pin]]) -> tuple[int, int]:
    """How many pins are below what their project resolves to alone, and by how many days at most."""
    lower, days = 0, 0
    for name, pins in after.items():
        own = before[name].by_name
        for pin in pins:
            was = own.get(pin.name)
            if was and pin.version < was.version:
                lower += 1
                times = was.file and was.file.upload_time, pin.file and pin.file.upload_time
                if times[0] and times[1]:
                    days = max(days, (times[0] - times[1]).days)
    return lower, days


def in_one(entries: Sequence[Entry], questions: Mapping[str, Sequence[str]], newer: str) -> dict[str, tuple[Pin, ...]]:
    """The pins of each project out of one lock of uv's."""
    environment = entries[0].locks[0].environment
    extras = {name: f"p{number}" for number, name in enumerate(questions)}
    with tempfile.TemporaryDirectory() as folder:
        lines = ["[project]", 'name = "fleet"', 'version = "0"', f'requires-python = "=={environment.python}.*"']
        lines += ["dependencies = []", "[project.optional-dependencies]"]
        lines += [f"{extras[name]} = {json.dumps(list(texts))}" for name, texts in questions.items()]
        lines += ["[tool.uv]", "package = false", "no-build = true", f'exclude-newer = "{newer}"']
        markers = f"sys_platform == 'linux' and platform_machine == '{environment.platform.machine}'"
        lines += [f"environments = [{json.dumps(markers)}]"]
        lines += ["conflicts = [[" + ", ".join(f'{{ extra = "{one}" }}' for one in extras.values()) + "]]"]
        Path(folder, "pyproject.toml").write_text("\n".join(lines) + "\n")
        _uv(folder, "lock")
        found = {}
        for name, extra in extras.items():
            text = _uv(folder, "export", "--frozen", "--no-emit-project", "--extra", extra, "--format", "pylock.toml")
            found[name] = read_pins(text, environment)
        return found


def _uv(folder: str, *arguments: str) -> str:
    command = [os.fsdecode(uv.find_uv_bin()), *arguments, "--cache-dir", str(cache_folder() / "uv"), "--quiet"]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def scanned(settings: Settings) -> Scan:
    """A scan of the projects that resolve."""
    result = scanning.scan(settings, NoProgress())
    entries = tuple(entry for entry in result.inventory.entries if entry.locks)
    return replace(result, inventory=replace(result.inventory, entries=entries))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fleet", type=Path)
    parser.add_argument("--exclude-newer", required=True)
    parser.add_argument("--budget", type=float, default=300.0)
    options = parser.parse_args()
    settings = Settings(
        root=options.fleet,
        cache=cache_folder(),
        exclude_newer=moment(options.exclude_newer),
        budget_s=options.budget,
        relock=True,
    )
    result = scanned(settings)
    entries = result.inventory.entries
    own = {entry.project.name: entry.locks[0] for entry in entries}
    rows: list[tuple[str, Mapping[str, Sequence[Pin]], float]] = [
        ("each alone", {name: one.pins for name, one in own.items()}, 0.0)
    ]
    for mode in (Align.SAFE, Align.DEEP):
        started = time.monotonic()
        end = started + options.budget
        done = aligned(result, settings, NoProgress(), mode=mode, committed=None, end=end)
        rows.append(
            (
                f"--align {mode}",
                {entry.project.name: entry.locks[0].pins for entry in done.inventory.entries},
                time.monotonic() - started,
            )
        )
        for advice in done.advice:
            print(
                f"<!-- {mode}: {advice.package} {advice.before} to {advice.after}: {advice.saved_bytes / MB:.0f} MB, "
                f"{len(advice.edits)} edits -->"
            )
    questions = {
        entry.project.name: lock.question(
            entry.reading,
            entry.locks[0].environment,
            indexes=result.config.indexes,
            exclude_newer=result.inventory.index_date,
        ).requirements
        for entry in entries
    }
    started = time.monotonic()
    rows.append(
        (
            "one uv lock, conflicting extras",
            in_one(entries, questions, options.exclude_newer),
            time.monotonic() - started,
        )
    )
    alone = size(distinct(rows[0][1].values()))
    known = {sha256: pin for _, fleet, _ in rows for sha256, pin in distinct(fleet.values()).items()}
    print(f"# {options.fleet.name}: {len(entries)} projects\n")
    print("| way | wheels | MB | against alone | pins lowered | by at most, days | s |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, fleet, spent_s in rows:
        files = {sha256: known[sha256] for sha256 in distinct(fleet.values())}
        lower, days = downgrades(own, fleet)
        print(
            f"| {name} | {len(files)} | {size(files):.0f} | {size(files) / alone - 1:+.1%} | {lower} | {days} "
            f"| {spent_s:.1f} |"
        )


if __name__ == "__main__":
    main()
