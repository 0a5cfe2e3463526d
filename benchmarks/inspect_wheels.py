#!/usr/bin/env python3
"""What looking into remote wheels costs: requests, bytes and seconds of each wheel, and of a second run.

    python benchmarks/inspect_wheels.py torch==2.6.0 onnxruntime-gpu==1.20.2 ... [--python 3.11]

Each requirement becomes a project of its own, which is locked by uv through the index that it is configured with, and
scanned twice with `--inspect` and a cache of its own, empty at first. Only wheels that are looked into are shown; the
requests for their file lists and metadata, which a scan sends without `--inspect` too, are among theirs.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter

from depdoctor.__main__ import main as depdoctor
from depdoctor.adapters.inspection import WheelInspector


@dataclass(slots=True)
class Cost:
    """What one wheel took: requests with their ranges, bytes as they came, seconds in all and of the processor."""

    requests: list[str] = field(default_factory=list)
    sent_bytes: int = 0
    took_s: float = 0.0
    processor_s: float = 0.0


def main() -> None:
    """Print a row for each wheel, and how many requests the second run sent."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("requirements", nargs="+")
    parser.add_argument("--python", default="3.11")
    parser.add_argument("--verbose", action="store_true", help="print each request, too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DEPDOCTOR_CACHE_DIR"] = f"{folder}/cache"
        root = Path(folder) / "projects"
        for requirement in options.requirements:
            project = root / requirement.partition("=")[0].partition("[")[0]
            project.mkdir(parents=True)
            (project / "requirements.txt").write_text(f"{requirement}\n")
            (project / ".python-version").write_text(f"{options.python}\n")
        with counted() as costs:
            scan(root)
        costs = {name: cost for name, cost in costs.items() if cost.took_s}
        print(f"{'wheel':75} requests   MiB  seconds  of CPU")
        for wheel, cost in sorted(costs.items()):
            sent = f"{len(cost.requests):8} {cost.sent_bytes / 2**20:5.1f}"
            print(f"{wheel:75} {sent} {cost.took_s:8.2f} {cost.processor_s:7.2f}")
            if options.verbose:
                print("".join(f"    {line}\n" for line in cost.requests), end="")
        with counted() as again:
            scan(root)
        print(f"second run: {sum(len(cost.requests) for cost in again.values())} requests for wheels")


def scan(root: Path) -> None:
    """Scan all projects with `--inspect`; what it prints is not what is asked here."""
    with contextlib.redirect_stdout(io.StringIO()):
        depdoctor(["scan", str(root), "--inspect", "--quiet"])


@contextlib.contextmanager
def counted() -> Iterator[dict[str, Cost]]:
    """Count what is asked of wheels while this is open."""
    costs: dict[str, Cost] = defaultdict(Cost)
    send, one = HTTPAdapter.send, WheelInspector._one  # noqa: SLF001 - nothing else begins and ends with one wheel

    def counting(self: HTTPAdapter, request: PreparedRequest, **options: Any) -> Response:
        response = send(self, request, **options)
        wheel = unquote(urlsplit(str(request.url)).path.rpartition("/")[2])
        if wheel.endswith(".whl"):
            cost, stream = costs[wheel], response.raw.stream
            cost.requests.append(f"{request.method} {request.headers.get('Range', '')} {response.status_code}")

            def pieces(*amount: int, **told: Any) -> Iterator[bytes]:
                for piece in stream(*amount, **told):
                    cost.sent_bytes += len(piece)
                    yield piece

            response.raw.stream = pieces
        return response

    def timed(self: WheelInspector, file: Any, members: Any) -> Any:
        started, begun = time.perf_counter(), time.thread_time()
        try:
            return one(self, file, members)
        finally:
            costs[file.filename].took_s = time.perf_counter() - started
            costs[file.filename].processor_s = time.thread_time() - begun

    HTTPAdapter.send, WheelInspector._one = counting, timed  # type: ignore[method-assign]  # noqa: SLF001
    try:
        yield costs
    finally:
        HTTPAdapter.send, WheelInspector._one = send, one  # type: ignore[method-assign]  # noqa: SLF001


if __name__ == "__main__":
    main()
