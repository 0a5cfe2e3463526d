"""Makes layers that are not in the store yet, in as many processes as it pays to start."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence

from depdoctor.build.oci.bytecode import ByteCode
from depdoctor.build.oci.layer import WheelFile, make_layer
from depdoctor.build.oci.owners import note
from depdoctor.model.image import Blob
from depdoctor.model.noun import dataclass
from depdoctor.model.packing import Compression
from depdoctor.model.seams import Compiler, Store

LARGE_BYTES = 24 << 20
"""Wheels of fewer bytes than this are done before a second process would have started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A layer that is to be made, or the part of one. Everything in it can be sent to another process."""

    key: str
    title: str
    python: str
    wheels: tuple[WheelFile, ...]
    size_bytes: int
    store: Store
    part: tuple[int, int] = (1, 1)
    compression: Compression = Compression.COPY
    compiler: Compiler | None = None
    last_wins: bool = False


def run(jobs: Sequence[Job], cores: int) -> Iterator[tuple[Job, Blob]]:
    """Do the jobs, the largest first, in as many processes as it pays to start."""
    ordered = sorted(jobs, key=lambda job: (-job.size_bytes, job.key))
    awaited = outlasting(jobs, cores)
    others_bytes = sum(job.size_bytes for job in ordered[1:])
    workers = min(cores + 1, len(jobs)) if others_bytes > LARGE_BYTES else 1  # one waits for the disk
    if workers == 1:
        yield from ((job, make(job, spare_core=job.key in awaited)) for job in ordered)
        return
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from multiprocessing import active_children, get_context

    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=_end_with_parent) as pool:
        try:
            futures = {pool.submit(make, job, spare_core=job.key in awaited): job for job in ordered}
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BaseException:
            for child in active_children():
                child.terminate()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def outlasting(jobs: Sequence[Job], cores: int) -> frozenset[str]:
    """The keys of jobs that take longer than an equal share of all: cores would be idle while they are waited for."""
    whole = sum(job.size_bytes for job in jobs)
    return frozenset(job.key for job in jobs if cores > 1 and job.size_bytes * cores > whole)


def make(job: Job, *, spare_core: bool = False) -> Blob:
    """Make one layer, in this process or another, and note what it is."""
    with job.store.draft() as draft:
        bytecode = ByteCode(compiler=job.compiler, store=job.store) if job.compiler else None
        made = make_layer(
            job.wheels,
            job.python,
            draft,
            job.part,
            compression=job.compression,
            bytecode=bytecode,
            last_wins=job.last_wins,
            spare_core=spare_core,
        )
        if not job.store.has(made.blob.digest):
            job.store.keep(draft, made.blob.digest)
    for sha256, text in made.metadata.items():
        if text and job.store.recall(f"metadata {sha256}") is None:
            job.store.remember(f"metadata {sha256}", text)
    note(job.store, job.key, made.blob, made.owned)
    return made.blob


def _end_with_parent() -> None:
    """Let this process clean up and end when it is interrupted, and end when its parent is gone, whatever killed it."""
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, lambda number, _: sys.exit(128 + number))
    from multiprocessing import parent_process
    from multiprocessing.connection import wait

    parent = parent_process()
    if parent:
        sentinel = parent.sentinel
        threading.Thread(target=lambda: (wait([sentinel]), os._exit(1)), daemon=True).start()
