"""Serve the six from images of the builders that are not native: built, pushed, pulled, healthy, asked, one killed.

    python benchmarks/serve.py --base IMAGE --registry HOST:PORT --context NAME [--output FILE.md]

For `--builder docker`, and for `--builder buildx` on the docker contexts that are named, each in turn: the images are
built and pushed to a prefix of their own, removed from the engine, pulled and started by the Compose file that
`depdoctor generate` writes; every port is asked on the path of its health check, the process of one service is killed
from outside, and is to answer again. What was made is removed from the engine; repositories of this run stay in the
registry. The engine has to be on this machine, and whoever runs this may kill its processes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import yaml

AGAIN_S = 120

SIX = Path(__file__).parents[1] / "fixtures" / "fleets" / "six"


@dataclass(kw_only=True)
class Served:
    """One builder's images, served."""

    builder: str
    prefix: str
    seconds: dict[str, float] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)

    def timed(self, what: str, work: Callable[[], str]) -> str:
        started = time.perf_counter()
        result = work()
        self.seconds[what] = time.perf_counter() - started
        return result


def run(*command: str, **environment: str) -> str:
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    return done.stdout


def depdoctor(*arguments: str) -> str:
    return run(sys.executable, "-m", "depdoctor", *arguments)


def ask(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return str(answer.read().decode())


def asked_until(port: int, path: str) -> str:
    """The answer, which may take as long as a start takes."""
    end = time.monotonic() + AGAIN_S
    while True:
        try:
            return ask(port, path)
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def serve(fleet: Path, served: Served, contexts: list[str]) -> None:
    """Build, push, pull, start, ask, kill, ask again, take down."""
    choice = [word for name in contexts for word in ("--docker-context", name)] if served.builder == "buildx" else []
    build = ("build", str(fleet), "--builder", served.builder, "--push", served.prefix, "--format", "json", *choice)
    built = json.loads(served.timed("build and push", lambda: depdoctor(*build)))
    served.facts["images"] = str(len(built["images"]))
    for image in run("docker", "image", "ls", "--quiet", f"{served.prefix}/*").split():
        run("docker", "image", "rm", "--force", image)
    output = fleet.parent / served.builder
    depdoctor("generate", str(fleet), "--output", str(output), "--only", "compose", "--quiet")
    composed = ("docker", "compose", "--file", str(output / "compose.yaml"), "--project-name", served.builder)
    environment = {"REGISTRY": served.prefix}
    try:
        served.timed("pull", lambda: run(*composed, "pull", "--quiet", **environment))
        up = (*composed, "up", "--detach", "--wait", "--wait-timeout", "600")
        try:
            served.timed("start until all are healthy", lambda: run(*up, **environment))
        except SystemExit:
            for container in run(*composed, "ps", "--all", "--quiet", **environment).split():
                state = json.loads(run("docker", "inspect", "--format", "{{json .State}}", container))
                if state.get("Health", {}).get("Status") != "healthy":
                    sys.stderr.write(json.dumps(state, indent=1) + run("docker", "logs", "--tail", "20", container))
            raise
        services = yaml.safe_load((output / "compose.yaml").read_text())["services"]
        plan = {one["name"]: one for one in json.loads((fleet / "depdoctor.plan.json").read_text())["images"]}
        ports = {name: int(one["ports"][0].rsplit(":", 2)[1]) for name, one in services.items()}
        answers = {name: ask(port, plan[name]["health"]) for name, port in ports.items()}
        served.facts["ports that answer"] = f"{len(answers)} ({', '.join(map(str, sorted(ports.values())))})"
        states = run(*composed, "ps", "--format", "{{.Health}}", **environment).split()
        served.facts["healthy"] = str(states.count("healthy"))
        victim = min(ports)
        container = run(*composed, "ps", "--quiet", victim, **environment).strip()
        os.kill(int(run("docker", "inspect", "--format", "{{.State.Pid}}", container)), signal.SIGKILL)
        again = served.timed("killed until it answers", lambda: asked_until(ports[victim], plan[victim]["health"]))
        restarts = run("docker", "inspect", "--format", "{{.RestartCount}}", container).strip()
        served.facts["killed"] = f"{victim}: restarts {restarts}, the same answer: {again == answers[victim]}"
    finally:
        down = [*composed, "down", "--timeout", "1", "--rmi", "all"]
        subprocess.run(down, env={**os.environ, **environment}, check=False, capture_output=True)


def report(all_served: list[Served], load: float) -> str:
    info = run("docker", "info", "--format", "{{.ServerVersion}}, {{.Driver}}").strip()
    names = list(all_served[0].seconds) + list(all_served[0].facts)
    lines = [
        f"# benchmarks/serve.py, {datetime.now(UTC).date()}",
        "",
        f"{os.cpu_count()} cores; load before and after {load:.1f}, {os.getloadavg()[0]:.1f}; engine: {info}.",
        "",
        f"| | {' | '.join(one.builder for one in all_served)} |",
        f"| --- |{' --- |' * len(all_served)}",
    ]
    for name in names:
        cells = (f"{one.seconds[name]:.1f} s" if name in one.seconds else one.facts[name] for one in all_served)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve a fleet from images of each builder that is not native.")
    parser.add_argument("--base", required=True)
    parser.add_argument("--registry", required=True)
    parser.add_argument("--context", action="append", default=[])
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    load = os.getloadavg()[0]
    done: list[Served] = []
    with tempfile.TemporaryDirectory(prefix="depdoctor-serve-") as folder:
        fleet = Path(folder) / "fleet"
        shutil.copytree(SIX, fleet)
        (fleet / "depdoctor.toml").write_text(
            f'[image]\nbase = "{options.base}"\n[[project]]\npath = "boosted-ranker"\nsystem-packages = ["libgomp1"]\n'
        )
        depdoctor("plan", str(fleet), "--quiet")
        for builder in ("docker", "buildx"):
            one = Served(builder=builder, prefix=f"{options.registry}/serve-{uuid.uuid4().hex[:8]}/{builder}")
            serve(fleet, one, options.context)
            done.append(one)
    text = report(done, load)
    sys.stdout.write(text)
    if options.output:
        options.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
