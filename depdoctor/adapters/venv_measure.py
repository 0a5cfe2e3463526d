"""Measures what a service costs that is started from a virtual environment on this machine, beside its image.

Runs that environment's own Python and the service's own command, which whoever names the environment asks for.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from depdoctor.adapters.docker_measure import HEALTHY_S, IMPORTS, POLL_S, STARTED, answers
from depdoctor.errors import UsageError
from depdoctor.model.measurement import Measurement, NotMeasured
from depdoctor.model.plan import Image

IMPORT_S = 600
GRACE_S = 10


def measure(venv: Path, image: Image, folder: Path, *, healthy_s: float = HEALTHY_S) -> Measurement:
    """Start an interpreter, the imports and the service of an image from a virtual environment, in `folder`.

    Raises `UsageError` where there is no Python in it.
    """
    venv = venv.absolute()  # not resolved: a link to a Python leads out of its environment
    python = venv / "bin" / "python"
    if not python.exists():
        raise UsageError(f"`{venv}` is no virtual environment", hint="name its folder, which holds `bin/python`")
    environment = {**os.environ, "VIRTUAL_ENV": str(venv), "PATH": f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    environment |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}
    began = time.perf_counter()
    subprocess.run([python, "-I", "-c", STARTED], capture_output=True, check=True)
    start_s = time.perf_counter() - began
    import_s, resident_bytes = _imported(python, image, folder, environment)
    answer_s, service_bytes = _served(image, folder, environment, healthy_s)
    return Measurement(
        name=image.name,
        pull_s=NotMeasured(reason="a virtual environment is not pulled"),
        start_s=start_s,
        import_s=import_s,
        resident_bytes=resident_bytes,
        healthy_s=answer_s,
        service_bytes=service_bytes,
        size_bytes=sum(path.lstat().st_size for path in venv.rglob("*") if not path.is_dir()),
        unique_bytes=NotMeasured(reason="all services share the environment"),
    )


def _imported(
    python: Path, image: Image, folder: Path, environment: Mapping[str, str]
) -> tuple[float | NotMeasured, int | NotMeasured]:
    if not image.imports:
        why = NotMeasured(reason="nothing is known to be imported")
        return why, why
    command = [str(python), "-c", IMPORTS, *image.imports]
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=IMPORT_S
        )
    except subprocess.TimeoutExpired:
        why = NotMeasured(reason=f"the imports took over {IMPORT_S} s")
        return why, why
    if done.returncode:
        why = NotMeasured(reason=(done.stderr.strip() or "it ended").splitlines()[-1])
        return why, why
    seconds, resident = json.loads(done.stdout.rstrip().splitlines()[-1])
    return seconds, resident


def _served(
    image: Image, folder: Path, environment: Mapping[str, str], limit_s: float
) -> tuple[float | NotMeasured, int | NotMeasured]:
    if not image.port or not image.health or not image.command:
        why = NotMeasured(reason="the project names no command, port and health path")
        return why, why
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", image.port)) == 0:
            why = NotMeasured(reason=f"something else listens to port {image.port}")
            return why, why
    program = shutil.which(image.command[0], path=environment["PATH"])
    if program is None:
        why = NotMeasured(reason=f"there is no `{image.command[0]}` in the virtual environment")
        return why, why
    address = f"http://127.0.0.1:{image.port}{image.health}"
    began = time.perf_counter()
    with _service([program, *image.command[1:]], folder, environment) as process:
        while time.perf_counter() - began < limit_s:
            if answers(address):
                return time.perf_counter() - began, _memory(process.pid)
            if process.poll() is not None:
                why = NotMeasured(reason=f"the service ended with status {process.returncode} before it was healthy")
                return why, why
            time.sleep(POLL_S)
    why = NotMeasured(reason=f"no healthy answer within {limit_s:g} s")
    return why, why


@contextmanager
def _service(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """The service in a session of its own, which is ended whole."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        for ending in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, ending)
                process.wait(GRACE_S)
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue
        process.wait()


def _memory(session: int) -> int | NotMeasured:
    """What the processes of a session hold of memory that no other process shares with them, and shared pages once."""
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) != session:
                continue
            lines = (folder / "smaps_rollup").read_text().splitlines()
        except (OSError, IndexError, ValueError):
            continue
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return total or NotMeasured(reason="this system does not tell the memory of processes")
