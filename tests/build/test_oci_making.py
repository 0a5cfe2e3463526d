"""How layers are shared out; the processes that make them end with the one that started them."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from depdoctor.adapters.store import BlobStore
from depdoctor.build.oci.making import Job, outlasting

PARENT = """
import os, sys, time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from depdoctor.build.oci.making import _end_with_parent

def work(folder):
    try:
        open(f"{folder}/{os.getpid()}", "w").close()
        time.sleep(60)
    finally:
        open(f"{folder}/cleaned", "w").close()

if __name__ == "__main__":
    with ProcessPoolExecutor(2, get_context("spawn"), initializer=_end_with_parent) as pool:
        pool.submit(work, sys.argv[1]).result()
"""


def is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_their_parent(how: signal.Signals, tmp_path: Path) -> None:
    script, notes = tmp_path / "parent.py", tmp_path / "notes"
    script.write_text(textwrap.dedent(PARENT))
    notes.mkdir()
    path = os.pathsep.join(filter(None, sys.path))
    parent = subprocess.Popen(
        [sys.executable, str(script), str(notes)],
        env={**os.environ, "PYTHONPATH": path},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not (started := [int(note.name) for note in notes.iterdir()]):
        time.sleep(0.02)
    if how is signal.SIGKILL:
        parent.kill()
    else:
        os.killpg(parent.pid, how)
    end = time.monotonic() + 30
    while is_running(started[0]) and time.monotonic() < end:
        time.sleep(0.02)
    assert not is_running(started[0])
    assert (notes / "cleaned").exists() == (how is signal.SIGINT)
    parent.wait(30)


@pytest.mark.parametrize(
    ("sizes", "cores", "awaited"),
    [
        ((9,), 1, ()),
        ((9,), 2, (0,)),
        ((5, 5), 2, ()),
        ((60, 20, 10), 2, (0,)),
        ((60, 20, 10), 8, (0, 1)),
        ((1,) * 9, 8, ()),
        ((0, 0), 8, ()),
    ],
)
def test_a_layer_that_outlasts_the_others_gets_a_spare_core(
    sizes: tuple[int, ...], cores: int, awaited: tuple[int, ...], tmp_path: Path
) -> None:
    store = BlobStore(tmp_path)
    jobs = [
        Job(key=str(number), title="", python="3.11", wheels=(), size_bytes=size, store=store)
        for number, size in enumerate(sizes)
    ]
    assert outlasting(jobs, cores) == {str(number) for number in awaited}
