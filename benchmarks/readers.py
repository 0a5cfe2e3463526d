"""Measure every reader on files of 10 MB of the worst shapes: seconds of the processor, and memory in times the file.

    python benchmarks/readers.py [--megabytes N] [--only FORMAT]

Each pair of reader and shape runs in a process of its own. Readers are given the whole file, though `read` refuses what
is larger than 8 MiB. The floor is the library that the format has to be parsed with, where there is one.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from depdoctor.model.formats import format_of
from depdoctor.read import READERS
from depdoctor.read.errors import ManifestError

CORPUS = Path(__file__).parents[1] / "fixtures" / "read" / "corpus"

LIMIT_S, LIMIT_TIMES = 5.0, 20.0
"""What no reader may take: seconds for 10 MB, and times the file in memory."""


def repeated(text: str) -> Callable[[int], str]:
    return lambda size: text * (size // len(text) + 1)


SHAPES: Mapping[str, Callable[[int], str]] = {
    "one line": repeated("a"),
    "empty lines": repeated("\n"),
    "short lines": repeated("a\n"),
    "requirements": repeated("numpy>=1.26 ; python_version < '3.12'  # x\n"),
    "continued": repeated("a \\\n"),
    "quotes": repeated("\"'"),
    "brackets": repeated("["),
    "braces": repeated("{"),
    "pairs": lambda size: "".join(f"k{number} = 1\n" for number in range(size // 12)),
    "mapping": lambda size: "".join(f"k{number}: 1\n" for number in range(size // 12)),
    "tables": lambda size: "".join(f"[t{number}]\na = 1\n" for number in range(size // 18)),
    "packages": lambda size: "".join(f'[[package]]\nname = "n{n}"\nversion = "1"\n' for n in range(size // 44)),
    "dotted": lambda size: "a" + ".b" * (size // 2) + " = 1\n",
    "nested list": lambda size: "x = " + "[" * (size // 2) + "]" * (size // 2) + "\n",
    "yaml list": lambda size: "dependencies:\n" + "  - numpy=1.2\n" * (size // 14),
    "yaml nested": lambda size: "- " * (size // 2),
    "yaml aliases": lambda size: (
        "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, size // 40))
    ),
    "json list": lambda size: '{"default": {"a": [' + "1," * (size // 2) + "1]}}",
    "includes": lambda size: "".join(f"-r r{number}.txt\n" for number in range(size // 12)),
    "variables": repeated("${A} "),
    "run": lambda size: "FROM a\n" + "RUN pip install a && \\\n" * (size // 24) + "true\n",
    "arguments": lambda size: "FROM a\n" + "".join(f"ARG A{n}=${{A{n - 1}}}${{A{n - 1}}}\n" for n in range(size // 28)),
    "setup": lambda size: "setup(install_requires=[" + "'a'," * (size // 4) + "])\n",
    "sums": lambda size: "x = []\n" + "x = x + ['a']\n" * (size // 14) + "setup(install_requires=x)\n",
    "sections": lambda size: "[options]\ninstall_requires =\n" + "  numpy>=1\n" * (size // 12),
}


def of_corpus(format_name: str, size: int) -> str | None:
    """A real file of the format, over and over."""
    for path in sorted(CORPUS.rglob("*")):
        if path.is_file() and format_of(path.name) == format_name and path.stat().st_size > 100:
            return repeated(path.read_text(encoding="utf-8", errors="replace") + "\n")(size)
    return None


def memory_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure(format_name: str, shape: str, size: int) -> None:
    """Print what one reader takes for one shape, as JSON: seconds, times the file in memory, and what came of it."""
    text = of_corpus(format_name, size) if shape == "real, repeated" else SHAPES[shape](size)
    if text is None:
        print(json.dumps(None))
        return
    before = memory_bytes()
    start = time.process_time()
    try:
        READERS[format_name](text, "app/file")
        outcome = "read"
    except ManifestError as error:
        outcome = error.message[:60]
    print(json.dumps([time.process_time() - start, (memory_bytes() - before) / len(text), outcome]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=10)
    parser.add_argument("--only", choices=sorted(READERS))
    parser.add_argument("--one", nargs=2, metavar=("FORMAT", "SHAPE"), help="measure one pair in this process")
    options = parser.parse_args()
    size = int(options.megabytes * 1_000_000)
    if options.one:
        measure(*options.one, size)
        return
    print(f"{options.megabytes:g} MB a file; load {os.getloadavg()[0]:.1f}")
    print("\n| reader | slowest shape | s | largest shape | x file | over a limit |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in [options.only] if options.only else sorted(READERS):
        took: dict[str, tuple[float, float]] = {}
        over = []
        for shape in (*SHAPES, "real, repeated"):
            command = [sys.executable, __file__, "--megabytes", str(options.megabytes), "--one", name, shape]
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
                answer = (
                    json.loads(done.stdout)
                    if done.returncode == 0
                    else [60, 0, done.stderr.strip().rpartition("\n")[2][:80]]
                )
            except subprocess.TimeoutExpired:
                answer = [60, 0, "no end"]
            if answer is None:
                continue
            took[shape] = (answer[0], answer[1])
            if answer[0] > LIMIT_S or answer[1] > LIMIT_TIMES:
                over.append(f"{shape}: {answer[0]:.1f} s, {answer[1]:.0f} x, {answer[2]}")
        slow, large = max(took, key=lambda s: took[s][0]), max(took, key=lambda s: took[s][1])
        row = (name, slow, f"{took[slow][0]:.2f}", large, f"{took[large][1]:.1f}", "; ".join(over) or "none")
        print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
