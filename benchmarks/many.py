"""What 10, 100 and 1,000 projects take for real: resolved, planned, built, pushed, pulled.

    python benchmarks/many.py --base IMAGE --registry HOST:PORT [--plan-alone] [--output FILE.md] PROJECTS...

Fleets are made up as in `scale.py`: each project names, without versions, one of eight frameworks (which needs twelve
other packages) and eight of the packages that all choose from. All wheels are real and served on loopback, but a few
kilobytes each: this measures what grows with the number of projects and images, and `build.py` what grows with bytes.
Each step is a whole command, with a cache that was empty before the first. Repositories of a run stay in the registry.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

FRAMEWORKS, WITH_EACH, CHOSEN = 8, 12, 8
PULLS = 10
UPLOADED = datetime(2026, 1, 1, tzinfo=UTC).date()


def make_index() -> ModuleType:
    path = Path(__file__).parents[1] / "fixtures" / "make_index.py"
    spec = importlib.util.spec_from_file_location("make_index", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def releases(common: int) -> Iterator[dict[str, Any]]:
    for kind in range(FRAMEWORKS):
        needed = [f"with{kind}n{number}" for number in range(WITH_EACH)]
        for version in ("1.0", "1.1"):
            yield {"name": f"framework{kind}", "version": version, "uploaded": UPLOADED, "requires": needed}
        yield from ({"name": name, "version": "2.0", "uploaded": UPLOADED} for name in needed)
    for number in range(common):
        for version in ("1.0", "2.0", "3.0"):
            yield {"name": f"common{number}", "version": version, "uploaded": UPLOADED}


def write_fleet(root: Path, projects: int, base: str, chance: random.Random) -> None:
    common = [f"common{number}" for number in range(40 + projects // 10)]
    weights = [1 / (rank + 1) for rank in range(len(common))]
    for number in range(projects):
        folder = root / f"p{number:05}"
        folder.mkdir(parents=True)
        chosen = sorted({f"framework{chance.randrange(FRAMEWORKS)}", *chance.choices(common, weights, k=CHOSEN)})
        (folder / "requirements.txt").write_text("\n".join([*chosen, ""]))
        (folder / "app.py").write_text(f"print({number})\n")
    (root / "depdoctor.toml").write_text(f'[image]\nbase = "{base}"\n')


def depdoctor(root: Path, cache: Path, index: str, *arguments: str) -> tuple[float, float, str]:
    """Seconds by the clock and of the processors that a command took, and what it printed."""
    environment = {**os.environ, "DEPDOCTOR_CACHE_DIR": str(cache), "UV_DEFAULT_INDEX": index}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-m", "depdoctor", arguments[0], str(root), *arguments[1:]]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def measured(projects: int, base: str, registry: str, *, plan_alone: bool) -> list[str]:
    chance = random.Random(projects)
    with tempfile.TemporaryDirectory(prefix="depdoctor-many-") as name:
        folder = Path(name)
        root, cache, prefix = folder / "fleet", folder / "cache", f"{registry}/many-{uuid.uuid4().hex[:8]}"
        made = make_index()
        made.write_index(folder / "index", list(releases(40 + projects // 10)))
        write_fleet(root, projects, base, chance)
        told = []
        with made.served(folder / "index") as index:
            push = ("build", "--push", prefix, "--quiet", "--format", "json")
            steps = {
                "plan, nothing known": ("plan", "--quiet"),
                "plan again": ("plan", "--quiet"),
                "build and push": push,
                "again, nothing changed": push,
                "again, code of one changed": push,
            }
            for step, arguments in steps.items():
                if plan_alone and "plan" not in step:
                    told.append("")
                    continue
                if "code" in step:
                    (root / "p00000" / "app.py").write_text("print('changed')\n")
                seconds, busy, printed = depdoctor(root, cache, index, *arguments)
                told.append(f"{seconds:.1f} ({busy:.1f})")
                print(projects, step, told[-1], file=sys.stderr, flush=True)
        references = [] if plan_alone else [one["reference"] for one in json.loads(printed)["images"]]
        told.append(pulled(chance.sample(references, min(PULLS, len(references)))))
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
        size = (root / "depdoctor.plan.json").stat().st_size / 1e6
        return [f"{projects:,}", *told, f"{size:.1f} MB", f"{peak} MiB"]


def pulled(references: list[str]) -> str:
    """Seconds to pull some images, one after another, with an engine that has none of them."""
    if not references:
        return ""
    started = time.perf_counter()
    for reference in references:
        subprocess.run(["docker", "pull", "--quiet", reference], check=True, capture_output=True)
    seconds = time.perf_counter() - started
    subprocess.run(["docker", "rmi", "--force", *references], check=False, capture_output=True)
    return f"{seconds:.1f} for {len(references)}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Resolve, plan, build, push and pull many small projects.")
    parser.add_argument("projects", type=int, nargs="+")
    parser.add_argument("--base", required=True)
    parser.add_argument("--registry", required=True)
    parser.add_argument("--plan-alone", action="store_true")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    head = ["projects", "plan, nothing known", "plan again", "build and push", "nothing changed", "code of one changed"]
    head += ["pull", "plan file", "peak of one process so far"]
    lines = [
        f"# benchmarks/many.py, {datetime.now(UTC).date()}",
        "",
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at first. Seconds by the clock (and of processors).",
        "",
        f"| {' | '.join(head)} |",
        f"| {' | '.join('---' for _ in head)} |",
    ]
    rows = (
        measured(projects, options.base, options.registry, plan_alone=options.plan_alone)
        for projects in options.projects
    )
    lines += [f"| {' | '.join(row)} |" for row in rows]
    text = "\n".join(lines) + "\n"
    sys.stdout.write(text)
    if options.output:
        options.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
