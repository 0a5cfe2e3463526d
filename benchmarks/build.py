"""Measure building and pushing a fleet natively, against `docker buildx bake --push` of naive Dockerfiles.

    python benchmarks/build.py FLEET --base IMAGE --registry HOST:PORT [--runs 5] [--peer-runs 5] [--output FILE.md]

FLEET is a folder of projects with a `requirements.txt` each, and is copied. Both sides have their packages on the local
disk: the native builder its wheels in its cache (and no layer), the peer its packages unpacked in uv's cache, which is
a mount kept between builds; both have the base in the registry. Runs alternate; every one pushes to a prefix of its
own. Then the native builder alone, on whole commands: nothing changed, code changed, one pin changed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import naive


@dataclass(kw_only=True)
class Bench:
    """One benchmark: a copy of the fleet, the wheels, and what was measured."""

    root: Path
    fleet: Path
    base: str
    registry: str
    seconds: dict[str, list[float]] = field(default_factory=dict)
    sent: dict[str, int] = field(default_factory=dict)

    @property
    def wheels(self) -> Path:
        """A cache that holds the wheels and nothing else; caches of runs link to them."""
        return self.root / "wheels"

    def prefix(self) -> str:
        return f"{self.registry}/bench-{uuid.uuid4().hex[:8]}"

    def depdoctor(self, *arguments: str, cache: Path) -> str:
        environment = {**os.environ, "DEPDOCTOR_CACHE_DIR": str(cache)}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed tool has its byte-code
        run = subprocess.run(
            [sys.executable, "-m", "depdoctor", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode:
            raise SystemExit(f"depdoctor {' '.join(arguments)}\n{run.stdout}{run.stderr}")
        return run.stdout

    def prepare(self) -> None:
        """Plan the fleet, and fetch its wheels once."""
        (self.fleet / "depdoctor.toml").write_text(f'[image]\nbase = "{self.base}"\n')
        filling = self.root / "filling"
        self.depdoctor("plan", str(self.fleet), cache=filling)
        self.depdoctor("build", str(self.fleet), "--output", str(self.root / "images"), cache=filling)
        plan = json.loads((self.fleet / "depdoctor.plan.json").read_text())
        self.wheels.mkdir()
        for digest in _hashes(plan):
            blob = filling / "store" / "blobs" / "sha256" / digest
            if blob.exists():
                os.link(blob, self.wheels / digest)
        shutil.rmtree(filling)
        shutil.rmtree(self.root / "images")

    def cold_cache(self) -> Path:
        cache = Path(tempfile.mkdtemp(dir=self.root, prefix="cache-"))
        blobs = cache / "store" / "blobs" / "sha256"
        blobs.mkdir(parents=True)
        for wheel in self.wheels.iterdir():
            os.link(wheel, blobs / wheel.name)
        return cache

    def native(self, name: str, cache: Path, prefix: str) -> None:
        started = time.perf_counter()
        text = self.depdoctor("build", str(self.fleet), "--push", prefix, "--format", "json", cache=cache)
        self.seconds.setdefault(name, []).append(time.perf_counter() - started)
        self.sent[name] = _sent(json.loads(text))

    def peer(self, name: str, *, measured: bool = True) -> None:
        """Bake and push with BuildKit; without measuring, to fill uv's cache."""
        bake = naive.write(self.fleet, self.root / "naive", self.base, self.prefix())
        started = time.perf_counter()
        subprocess.run(
            ["docker", "buildx", "bake", "--file", str(bake), "--no-cache", "--push", "--progress=quiet"],
            check=True,
            capture_output=True,
            env={**os.environ, "BUILDX_BAKE_ENTITLEMENTS_FS": "0"},
        )
        if measured:
            self.seconds.setdefault(name, []).append(time.perf_counter() - started)

    def changes(self, runs: int) -> None:
        """Small changes, natively: the whole command each time."""
        cache, prefix = self.cold_cache(), self.prefix()
        self.native("first", cache, prefix)
        code = next(self.fleet.glob("*/app.py"))
        for run in range(runs):
            self.native("nothing changed", cache, prefix)
            code.write_text(f"{code.read_text()}# {run}\n")
            self.native("code changed", cache, prefix)
        del self.seconds["first"], self.sent["first"]
        shutil.rmtree(cache)


def _hashes(document: object) -> set[str]:
    """Every SHA-256 anywhere in a plan."""
    if isinstance(document, dict):
        return set().union(*map(_hashes, [*document.values()]))
    if isinstance(document, list):
        return set().union(*map(_hashes, document))
    return {document} if isinstance(document, str) and len(document) == hashlib.sha256().digest_size * 2 else set()


def _sent(document: object) -> int:
    """The bytes that were sent, wherever the result names them."""
    if isinstance(document, dict):
        return sum(value if key == "uploaded_bytes" else _sent(value) for key, value in document.items())
    return sum(map(_sent, document)) if isinstance(document, list) else 0


def report(bench: Bench, store: str, load: tuple[float, float, float]) -> str:
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    loads = f"load when it began and ended {load[0]:.1f} and {os.getloadavg()[0]:.1f}"
    lines = [
        f"# benchmarks/build.py, {datetime.now(UTC).date()}",
        "",
        f"{machine}; {loads}; the peer's engine: {store}.",
        "",
        "| what | median, s | runs, s | sent, MB |",
        "| --- | --- | --- | --- |",
    ]
    for name, seconds in bench.seconds.items():
        runs = " ".join(f"{second:.2f}" for second in seconds)
        sent = f"{bench.sent[name] / 1e6:.1f}" if name in bench.sent else ""
        lines.append(f"| {name} | {statistics.median(seconds):.2f} | {runs} | {sent} |")
    ours = bench.seconds.get("native, cold")
    for name, seconds in bench.seconds.items():
        if name.startswith("bake") and ours:
            lines += [
                "",
                f"Cold build and push: {statistics.median(seconds) / statistics.median(ours):.1f} times {name}.",
            ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure building and pushing a fleet.")
    parser.add_argument("fleet", type=Path)
    parser.add_argument("--base", required=True)
    parser.add_argument("--registry", required=True)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--peer-runs", type=int, default=5)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    load = os.getloadavg()
    with tempfile.TemporaryDirectory(prefix="depdoctor-bench-") as folder:
        root = Path(folder)
        shutil.copytree(options.fleet, root / "fleet")
        bench = Bench(root=root, fleet=root / "fleet", base=options.base, registry=options.registry)
        bench.prepare()
        driver = "none"
        if options.peer_runs:
            info = ["docker", "info", "--format", "{{.ServerVersion}}, {{.Driver}}"]
            driver = subprocess.run(info, check=True, capture_output=True, text=True).stdout.strip()
            bench.peer("", measured=False)
        for run in range(max(options.runs, options.peer_runs)):
            if run < options.runs:
                cache = bench.cold_cache()
                bench.native("native, cold", cache, bench.prefix())
                shutil.rmtree(cache)
            if run < options.peer_runs:
                bench.peer("bake, naive Dockerfiles")
        bench.changes(options.runs)
        text = report(bench, driver, load)
    sys.stdout.write(text)
    if options.output:
        options.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
