"""Measure the making of layers: throughput against its floor, size against gzip -6, memory, one process against two.

    python benchmarks/layers.py WHEEL... [--runs 3]

The floor is what nobody who makes a layer of an unseen wheel can skip: inflating its content, the SHA-256 of that and
the SHA-256 of the compressed bytes, from the same files. Whoever checks a wheel while reading it hashes its content
once more, for RECORD, and computes its checksums: that is a second floor. Both are taken from each wheel right before
its layer is made: in CPU seconds, since these depend least on who else uses the machine, and by the clock. A layer is
made on one core, as where every core has one to make, and with a spare core, as the one that outlasts the others.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import resource
import statistics
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from isal import isal_zlib

from depdoctor.build.oci.archive import DEFLATED, Archive
from depdoctor.build.oci.layer import WheelFile, make_layer

CHUNK_BYTES = 1 << 20


def floors(wheel: Path) -> tuple[float, float]:
    """Seconds to inflate and hash, and with what RECORD and checksums ask besides; reading not counted."""
    spent = checking = 0.0
    descriptor = os.open(wheel, os.O_RDONLY)
    archive = Archive(descriptor, wheel.name)
    unpacked, packed = hashlib.sha256(), hashlib.sha256()
    for entry in archive.entries:
        inflate = isal_zlib.decompressobj(-15)
        recorded, crc = hashlib.sha256(), 0
        for raw in archive.chunks(entry, CHUNK_BYTES):
            started = time.process_time()
            packed.update(raw)
            content = inflate.decompress(raw) if entry.method == DEFLATED else raw
            unpacked.update(content)
            between = time.process_time()
            recorded.update(content)
            crc = isal_zlib.crc32(content, crc)
            checking += time.process_time() - between
            spent += between - started
    os.close(descriptor)
    return spent, spent + checking


def make(wheel: Path, *, spare_core: bool = False) -> tuple[int, float, float]:
    """Make one layer into a file; its bytes, the CPU seconds and those of the clock."""
    started, clock = time.process_time(), time.perf_counter()
    with tempfile.TemporaryFile() as out:
        made = make_layer([WheelFile(path=wheel, filename=wheel.name)], "3.11", out, spare_core=spare_core)
    return made.blob.size_bytes, time.process_time() - started, time.perf_counter() - clock


def gzip_bytes(wheel: Path) -> int:
    """The size of the same layer as one gzip stream of level 6."""
    with tempfile.TemporaryFile() as out:
        make_layer([WheelFile(path=wheel, filename=wheel.name)], "3.11", out)
        out.seek(0)
        compress = zlib.compressobj(6, zlib.DEFLATED, 31)
        size = 0
        inflate = isal_zlib.decompressobj(31)
        while piece := out.read(CHUNK_BYTES):
            while piece:
                size += len(compress.compress(inflate.decompress(piece)))
                piece = inflate.unused_data
                if inflate.eof:
                    inflate = isal_zlib.decompressobj(31)
        return size + len(compress.flush())


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def in_processes(wheels: list[Path], count: int) -> float:
    """Seconds to make all layers with so many processes, their start left out."""
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
        list(pool.map(len, [()] * count * 4))
        return timed(lambda: list(pool.map(make, wheels)))


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the making of layers.")
    parser.add_argument("wheels", nargs="+", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--no-gzip", action="store_true", help="leave out the comparison with gzip -6, which is slow")
    options = parser.parse_args()
    wheels = sorted(options.wheels, key=lambda wheel: -wheel.stat().st_size)
    size = sum(wheel.stat().st_size for wheel in wheels)
    runs = []
    for _ in range(options.runs):
        total = [0.0] * 5
        bytes_out = 0
        for wheel in wheels:
            least = floors(wheel)
            made_bytes, *spent = make(wheel)
            clock = make(wheel, spare_core=True)[2]
            bytes_out += made_bytes
            total = [before + more for before, more in zip(total, (*least, *spent, clock), strict=True)]
        runs.append(total)
    one = [in_processes(wheels, 1) for _ in range(options.runs)]
    two = [in_processes(wheels, 2) for _ in range(options.runs)]
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024
    write = sys.stdout.write
    write(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, load {os.getloadavg()}\n")
    write(
        f"{len(wheels)} wheels, {size / 1e6:.0f} MB; layers {bytes_out / 1e6:.0f} MB, {bytes_out / size:.4f} of them\n"
    )

    def middle(number: int) -> float:
        return statistics.median(run[number] for run in runs)

    for number, name in enumerate(("inflate and both hashes", "the same, RECORD's hash and checksums")):
        alone, spare = (statistics.median(run[number] / run[way] for run in runs) for way in (2, 4))
        write(f"floor ({name}): {middle(number):.2f} s; layers {alone:.2f} of it, {spare:.2f} with a spare core\n")
    write(f"layers: {middle(2):.2f} CPU s, {middle(3):.2f} s by the clock, {middle(4):.2f} s with a spare core\n")
    write(f"peak memory {peak:.0f} MB\n")
    alone, both = statistics.median(one), statistics.median(two)
    write(f"one process {alone:.2f} s, two {both:.2f} s: {alone / both:.2f} times\n")
    if not options.no_gzip:
        with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
            plain = sum(pool.map(gzip_bytes, wheels))
        write(f"gzip -6 {plain / 1e6:.0f} MB: layers are {bytes_out / plain:.4f} of it\n")


if __name__ == "__main__":
    main()
