"""Kill builds and pushes at random moments, and see that nothing is ever wrong afterwards.

    python benchmarks/faults.py FLEET --base IMAGE --registry HOST:PORT --wheels DIR [--rounds 100] [--image NAME]

DIR holds the wheels of the fleet's plan. Each round starts `depdoctor build --push` and kills it with SIGKILL at a
moment of its time, at random; then every blob of the store is read and held against its name. After some rounds the
command runs to its end, and must push the very digests that it pushes when nobody disturbs it; the next rounds start
without layers, and push elsewhere.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from depdoctor import planfile
from depdoctor.adapters.store import BlobStore

PATIENCE_S = 5
"""How long the processes of a killed run may outlive it."""

ROUNDS_A_RUN = 5
"""How often a run is killed before it is let through."""


@dataclass(kw_only=True)
class Faults:
    """The fleet, the store, and what happened."""

    root: Path
    fleet: Path
    registry: str
    wheels: Path
    images: list[str]
    bad: list[str] = field(default_factory=list)
    killed_at_s: list[float] = field(default_factory=list)
    took_s: float = 0.0
    """How long the first run took, which made and sent everything."""
    ended: int = 0
    left: int = 0

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    def begin(self) -> str:
        """An empty store but for the wheels; where to push to."""
        shutil.rmtree(self.cache, ignore_errors=True)
        blobs = self.cache / "store" / "blobs" / "sha256"
        blobs.mkdir(parents=True)
        plan = planfile.load(self.fleet / planfile.PLAN_NAME)
        chosen = [image for image in plan.images if not self.images or image.name in self.images]
        for pin in {pin for image in chosen for pin in plan.pins(image)}:
            if pin.file:
                shutil.copyfile(self.wheels / pin.file.filename, blobs / pin.file.sha256)
        return f"{self.registry}/faults-{uuid.uuid4().hex[:8]}"

    def start(self, prefix: str) -> subprocess.Popen[str]:
        chosen = [word for name in self.images for word in ("--image", name)]
        return subprocess.Popen(
            [
                sys.executable,
                "-m",
                "depdoctor",
                "build",
                str(self.fleet),
                "--push",
                prefix,
                "--format",
                "json",
                *chosen,
            ],
            env={**os.environ, "DEPDOCTOR_CACHE_DIR": str(self.cache)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def whole(self, prefix: str) -> dict[str, str]:
        """Run to the end; the digest of each image."""
        started = time.monotonic()
        process = self.start(prefix)
        out, err = process.communicate()
        if process.returncode:
            raise SystemExit(f"a run that nobody disturbed failed\n{out}{err}")
        self.took_s = self.took_s or time.monotonic() - started
        return {image["name"]: image["digest"] for image in json.loads(out)["images"]}

    def kill(self, prefix: str, after_s: float, *, cold: bool) -> None:
        began = time.monotonic()
        process = self.start(prefix)
        children: list[int] = []
        end = time.monotonic() + after_s
        while time.monotonic() < end and process.poll() is None:
            children = _children(process.pid) or children
            time.sleep(min(0.02, max(0.0, end - time.monotonic())))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            self.killed_at_s.append(after_s)
        else:
            self.ended += 1
            self.took_s = min(self.took_s, time.monotonic() - began) if cold else self.took_s
        process.communicate()
        patience = time.monotonic() + PATIENCE_S
        while any(Path(f"/proc/{child}").exists() for child in children) and time.monotonic() < patience:
            time.sleep(0.05)
        self.left += sum(Path(f"/proc/{child}").exists() for child in children)
        store = BlobStore(self.cache / "store")
        self.bad += store.verify()

    def told(self) -> str:
        killed, times = len(self.killed_at_s), f"{self.took_s:.1f} s"
        what = f"{len(self.bad)} bad blobs, {self.left} processes left"
        return f"{killed} runs killed at random moments of {times}, {self.ended} ended before: {what}"


def _children(process: int) -> list[int]:
    try:
        text = Path(f"/proc/{process}/task/{process}/children").read_text()
    except OSError:
        return []
    return [int(word) for word in text.split()]


def main() -> int:
    parser = argparse.ArgumentParser(description="Kill builds and pushes at random moments.")
    parser.add_argument("fleet", type=Path)
    parser.add_argument("--base", required=True)
    parser.add_argument("--registry", required=True)
    parser.add_argument("--wheels", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--image", action="append", default=[])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="depdoctor-faults-") as folder:
        root = Path(folder)
        shutil.copytree(options.fleet, root / "fleet")
        (root / "fleet" / "depdoctor.toml").write_text(f'[image]\nbase = "{options.base}"\n')
        faults = Faults(
            root=root, fleet=root / "fleet", registry=options.registry, wheels=options.wheels, images=options.image
        )
        planning = ["plan", str(faults.fleet), "--quiet"]
        subprocess.run([sys.executable, "-m", "depdoctor", *planning], check=True, stdout=subprocess.DEVNULL)
        expected = faults.whole(faults.begin())
        prefix, wrong = "", 0
        for number in range(options.rounds):
            if number % ROUNDS_A_RUN == 0:
                prefix = faults.begin()
            faults.kill(prefix, chance.uniform(0.05, faults.took_s), cold=number % ROUNDS_A_RUN == 0)
            if number % ROUNDS_A_RUN == ROUNDS_A_RUN - 1:
                wrong += faults.whole(prefix) != expected
                wrong += bool(list((faults.cache / "store" / "drafts").iterdir()))
                sys.stdout.write(
                    f"{faults.told()}, {wrong} wrong results of {(number + 1) // ROUNDS_A_RUN} whole runs\n"
                )
                sys.stdout.flush()
        return bool(faults.bad or faults.left or wrong)


if __name__ == "__main__":
    sys.exit(main())
