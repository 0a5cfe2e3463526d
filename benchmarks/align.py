"""Measure alignment: the distinct wheel bytes of a fleet as resolved one by one, aligned, and locked in one by uv.

    python benchmarks/align.py FLEET... --exclude-newer DATE
    python benchmarks/align.py --loose 1 2 3 --exclude-newer DATE

uv's way is one project with an extra for each project of the fleet, all declared to conflict: its later forks prefer
what its earlier ones took. Every figure counts each wheel for one environment once, as downloaded. `--loose` makes
fleets of eight from these seeds, mostly of ranges and bare names. "verified" counts the projects whose pins, all of
them held fixed, uv resolves to themselves. Wants an index.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import uv
from packaging.requirements import Requirement

from depdoctor import lock
from depdoctor.adapters.uv import UvResolver
from depdoctor.adapters.uv_pylock import read_pins
from depdoctor.cli.settings import cache_folder
from depdoctor.config import moment
from depdoctor.model.alignment import Align
from depdoctor.model.distribution import Pin
from depdoctor.model.inventory import Entry
from depdoctor.model.lock import Lock, Question, Resolved
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


LOOSE: Mapping[str, tuple[str, ...]] = {
    "framework": (
        *("torch>=2.2", "torch>=2.1", "torch", "torch==2.4.0", "torch>=2.3,<2.7", "torch~=2.5"),
        *("tensorflow>=2.16", "tensorflow>=2.15,<2.19", "onnxruntime", "onnxruntime>=1.17", "jax>=0.4.30"),
    ),
    "model": (
        *("transformers>=4.40", "transformers", "transformers>=4.38,<4.50", "sentence-transformers>=3", "timm>=1.0"),
        *("xgboost>=2", "lightgbm", "spacy>=3.7", "torchvision", "diffusers>=0.30", "accelerate>=0.30"),
    ),
    "data": ("numpy", "numpy<2", "pandas>=2", "scipy", "scikit-learn>=1.4", "datasets", "pyarrow>=15", "matplotlib"),
    "serving": ("fastapi", "uvicorn", "gradio>=4", "mlflow-skinny", "flask", "pydantic>=2", "gunicorn", "requests"),
}
"""What a project of a loose fleet may ask for: one framework, one or two models, and so on."""


def loose(seed: int, folder: Path, projects: int = 8) -> Path:
    """A small fleet of loose requirements, the same for the same seed."""
    chance = random.Random(seed)
    root = folder / f"loose-{seed}"
    for number in range(projects):
        lines = [chance.choice(LOOSE["framework"])]
        for kind, most in (("model", 2), ("data", 3), ("serving", 3)):
            lines += chance.sample(LOOSE[kind], chance.randint(1, most))
        named = {Requirement(line).name: line for line in lines}
        (root / f"p{number}").mkdir(parents=True)
        (root / f"p{number}" / "requirements.txt").write_text("\n".join(named.values()) + "\n")
    return root


def verified(entries: Sequence[Entry], ask: Callable[[Entry], Question], fleet: Mapping[str, Sequence[Pin]]) -> int:
    """Of how many projects uv resolves the pins to themselves."""
    resolver = UvResolver(cache_folder())

    def stands(entry: Entry) -> bool:
        pins = {f"{pin.name}=={pin.version}" for pin in fleet[entry.project.name]}
        question = ask(entry)
        answer = resolver.resolve(replace(question, constraints=tuple(sorted({*question.constraints, *pins}))))
        return isinstance(answer, Resolved) and {f"{pin.name}=={pin.version}" for pin in answer.pins} == pins

    return sum(map(stands, entries))


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
    parser.add_argument("fleets", nargs="*", type=Path)
    parser.add_argument("--loose", nargs="*", type=int, default=[], metavar="SEED")
    parser.add_argument("--exclude-newer", required=True)
    parser.add_argument("--budget", type=float, default=300.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        fleets = [*options.fleets, *(loose(seed, Path(folder)) for seed in options.loose)]
        for fleet in fleets:
            compared(fleet, options.exclude_newer, options.budget)


def compared(root: Path, newer: str, budget_s: float) -> None:
    settings = Settings(root=root, cache=cache_folder(), exclude_newer=moment(newer), budget_s=budget_s, relock=True)
    result = scanned(settings)
    entries = result.inventory.entries
    own = {entry.project.name: entry.locks[0] for entry in entries}

    def ask(entry: Entry) -> Question:
        return lock.question(
            entry.reading,
            entry.locks[0].environment,
            indexes=result.config.indexes,
            exclude_newer=result.inventory.index_date,
        )

    rows: list[tuple[str, Mapping[str, Sequence[Pin]], float]] = [
        ("each alone", {name: one.pins for name, one in own.items()}, 0.0)
    ]
    for mode in (Align.SAFE, Align.DEEP):
        started = time.monotonic()
        end = started + budget_s
        done = aligned(result, settings, NoProgress(), mode=mode, committed=None, end=end)
        pins = {entry.project.name: entry.locks[0].pins for entry in done.inventory.entries}
        rows.append((f"--align {mode}", pins, time.monotonic() - started))
        for advice in done.advice:
            print(
                f"<!-- {mode}: {advice.package} {advice.before} to {advice.after}: {advice.saved_bytes / MB:.0f} MB, "
                f"{len(advice.edits)} edits -->"
            )
    started = time.monotonic()
    joint = in_one(entries, {entry.project.name: ask(entry).requirements for entry in entries}, newer)
    rows.append(("one uv lock, conflicting extras", joint, time.monotonic() - started))
    alone = size(distinct(rows[0][1].values()))
    print(f"\n# {root.name}: {len(entries)} projects\n")
    print("| way | wheels | MB | against alone | pins lowered | by at most, days | verified | s |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    known = {sha256: pin for _, fleet, _ in rows for sha256, pin in distinct(fleet.values()).items()}
    for name, fleet, spent_s in rows:
        files = {sha256: known[sha256] for sha256 in distinct(fleet.values())}
        lower, days = downgrades(own, fleet)
        print(
            f"| {name} | {len(files)} | {size(files):.0f} | {size(files) / alone - 1:+.1%} | {lower} | {days} "
            f"| {verified(entries, ask, fleet)}/{len(entries)} | {spent_s:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
