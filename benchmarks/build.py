"""Measure building and pushing a fleet natively, against `docker buildx bake --push` of naive Dockerfiles.

    python benchmarks/build.py FLEET --base IMAGE --registry HOST:PORT [--runs 5] [--peer-runs 5] [--zstd] [--shared]
        [--output FILE.md]

FLEET is a folder of projects with a `requirements.txt` each, and is copied. Both sides have their packages on the local
disk: the native builder its wheels in its cache (and no layer), the peer its packages unpacked in uv's cache, which is
a mount kept between builds; both have the base in the registry. Runs alternate; every one pushes to a prefix of its
own. With `--zstd` the naive Dockerfiles are baked with layers of zstd, too (for an engine with the containerd store),
and with `--shared` a file with hand-written shared stages. Then the native builder alone, on whole commands: nothing
changed, code changed, one pin changed (`plan` and `build --push`, together and each).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import re
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
import uv

NAIVE, ZSTD = "bake, naive Dockerfiles", "bake, naive Dockerfiles, zstd"
SHARED = "bake, hand-written shared stages"
PINNED, PACKAGE = "tabular-scorer", "idna"
"""The project and the package of which one pin is changed."""

VERSIONS = ("3.11", "3.10", "3.7", "3.6", "3.4")
"""To what it is changed, one after another: no image had it before."""


@dataclass(kw_only=True)
class Bench:
    """One benchmark: a copy of the fleet, the wheels, and what was measured."""

    root: Path
    fleet: Path
    base: str
    registry: str
    seconds: dict[str, list[float]] = field(default_factory=dict)
    sent: dict[str, int] = field(default_factory=dict)
    pinned: list[str] = field(default_factory=list)
    """The lock of one project, with another pin each."""

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
        self.wheels.mkdir()
        self._keep_wheels(filling)
        lock = self.fleet / PINNED / "requirements.txt"
        before = lock.read_text()
        for version in VERSIONS:
            self.pinned.append(_with_pin(before, version))
            lock.write_text(self.pinned[-1])
            self.depdoctor("plan", str(self.fleet), cache=filling)
            one = ("--image", PINNED, "--output", str(self.root / "images"))
            self.depdoctor("build", str(self.fleet), *one, cache=filling)
            self._keep_wheels(filling)
        lock.write_text(before)
        self.depdoctor("plan", str(self.fleet), cache=filling)
        shutil.rmtree(filling)
        shutil.rmtree(self.root / "images")

    def _keep_wheels(self, filled: Path) -> None:
        """Link what the plan names, out of a cache."""
        for digest in _hashes(json.loads((self.fleet / "depdoctor.plan.json").read_text())):
            blob = filled / "store" / "blobs" / "sha256" / digest
            if blob.exists() and not (self.wheels / digest).exists():
                os.link(blob, self.wheels / digest)

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
        self.took(name, time.perf_counter() - started)
        self.sent[name] = _sent(json.loads(text))

    def took(self, name: str, seconds: float) -> None:
        """Remember and tell one measure: a run that fails late leaves what it has measured."""
        self.seconds.setdefault(name, []).append(seconds)
        sys.stderr.write(f"{name}: {seconds:.2f} s\n")

    def peer(self, name: str, *, measured: bool = True) -> None:
        """Bake and push with BuildKit; without measuring, to fill uv's cache."""
        folder = self.root / f"peer-{'shared' if name == SHARED else 'naive'}"
        prefix = self.prefix()
        bake = naive.write(self.fleet, folder, self.base, prefix, shared=name == SHARED)
        zstd = ["--set", "*.output=type=image,push=true,compression=zstd,force-compression=true"]
        command = [
            *("docker", "buildx", "bake", "--file", str(bake), "--no-cache", "--progress=plain"),
            *(zstd if name == ZSTD else ["--push"]),
        ]
        environment = {**os.environ, "BUILDX_BAKE_ENTITLEMENTS_FS": "0"}
        started = time.perf_counter()
        run = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if run.returncode:
            raise SystemExit(f"{' '.join(command)}\n{run.stderr[-4000:]}")
        if measured:
            self.took(name, time.perf_counter() - started)
        self._forget(prefix)

    def _forget(self, prefix: str) -> None:
        """Remove what a run of the peer left in the engine but its mounts: gigabytes that no other run uses."""
        listed = ["docker", "image", "ls", "--quiet", "--filter", f"reference={prefix}/*"]
        images = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split()
        subprocess.run(["docker", "image", "rm", "--force", *images], capture_output=True, check=False)
        kept = ["docker", "buildx", "prune", "--all", "--force", "--filter", "type=regular"]
        subprocess.run(kept, capture_output=True, check=True)

    def changes(self, runs: int) -> None:
        """Small changes, natively: the whole command each time."""
        cache, prefix = self.cold_cache(), self.prefix()
        self.depdoctor("plan", str(self.fleet), cache=cache)
        self.native("first", cache, prefix)
        code = next(self.fleet.glob("*/app.py"))
        for run in range(runs):
            self.native("nothing changed", cache, prefix)
            code.write_text(f"{code.read_text()}# {run}\n")
            self.native("code changed", cache, prefix)
        for text in self.pinned[:runs]:
            (self.fleet / PINNED / "requirements.txt").write_text(text)
            started = time.perf_counter()
            self.depdoctor("plan", str(self.fleet), cache=cache)
            planned = time.perf_counter() - started
            self.native("one pin changed: build", cache, prefix)
            self.took("one pin changed: plan", planned)
            self.took("one pin changed: both", planned + self.seconds["one pin changed: build"][-1])
        del self.seconds["first"], self.sent["first"]
        shutil.rmtree(cache)


def _with_pin(text: str, version: str) -> str:
    """A compiled file with another version of one package, and its hashes."""
    ask = [uv.find_uv_bin(), "pip", "compile", "-", "--generate-hashes", "--no-deps", "--no-header", "--no-annotate"]
    wanted = f"{PACKAGE}=={version}\n"
    block = subprocess.run(ask, input=wanted, capture_output=True, text=True, check=True).stdout
    return re.sub(rf"^{PACKAGE}==.*?(?=^\S|\Z)", lambda _: block, text, flags=re.MULTILINE | re.DOTALL)


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
    parser.add_argument("--zstd", action="store_true")
    parser.add_argument("--shared", action="store_true")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    peers = [NAIVE, *([ZSTD] if options.zstd else []), *([SHARED] if options.shared else [])]
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
            bench.peer(SHARED, measured=False)  # all peers share uv's cache, and this fills it soonest
        for run in range(max(options.runs, options.peer_runs)):
            if run < options.runs:
                cache = bench.cold_cache()
                bench.native("native, cold", cache, bench.prefix())
                shutil.rmtree(cache)
            if run < options.peer_runs:
                for peer in peers:
                    bench.peer(peer)
        bench.changes(options.runs)
        text = report(bench, driver, load)
    sys.stdout.write(text)
    if options.output:
        options.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
