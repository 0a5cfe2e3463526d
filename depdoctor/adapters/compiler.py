"""Byte-code, made by an interpreter of the version that will run it. What it compiles is never run."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, cast

from depdoctor.errors import BuildError
from depdoctor.model.noun import dataclass

LARGEST_BYTES = 16 << 20
"""No source of this size was written by hand, and compiling it takes a hundred times the memory."""

TIMEOUT_S = 60

_SIZES = struct.Struct("<2L")
_SIZE = struct.Struct("<L")

PROGRAM = """\
import sys
sys.path[:] = [path for path in sys.path if path]
import marshal, struct
from importlib.util import MAGIC_NUMBER, source_hash

def shared(code):
    kept, left = [], [code]
    while left:
        one = left.pop()
        if isinstance(one, str):
            kept.append(one)
        elif isinstance(one, (tuple, frozenset)):
            left.extend(one)
        elif isinstance(one, type(code)):
            kept += one.co_name, one.co_filename, getattr(one, "co_qualname", "")
            kept += one.co_names + one.co_varnames + one.co_cellvars + one.co_freevars
            left.extend(one.co_consts)
    return kept

def answer(path, source):
    try:
        code = compile(source, path, "exec", dont_inherit=True, optimize=0)
        kept = shared(code)
        return MAGIC_NUMBER + struct.pack("<L", 1) + source_hash(source) + marshal.dumps(code)
    except Exception:
        return b""

while True:
    sizes = sys.stdin.buffer.read(8)
    if len(sizes) < 8:
        break
    path, source = map(sys.stdin.buffer.read, struct.unpack("<2L", sizes))
    made = answer(path.decode(), source)
    sys.stdout.buffer.write(struct.pack("<L", len(made)) + made)
    sys.stdout.buffer.flush()
"""
"""`marshal` writes a string that something else refers to in another way than one that nothing does, and what else a
process has seen decides that. So everything is referred to once more (`shared`), and the bytes are always the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ByteCompiler:
    """Matches `seams.Compiler`. Can be sent to another process."""

    interpreter: str

    def compile(self, sources: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
        """The file of byte-code (PEP 552, unchecked hash) for each path and source; b"" for what does not compile."""
        process: subprocess.Popen[bytes] | None = None
        try:
            for path, source in sources:
                if len(source) > LARGEST_BYTES:
                    yield b""
                    continue
                process = process or self._started()
                made = _asked(process, path.encode(), source)
                if made is None:  # the interpreter itself gave up on it
                    _end(process)
                    process = None
                yield made or b""
        finally:
            if process:
                _end(process)

    def _started(self) -> subprocess.Popen[bytes]:
        command = [self.interpreter, "-S", "-s", "-B", "-W", "ignore", "-c", PROGRAM]
        environment = {"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8", "PATH": os.environ.get("PATH", "")}
        try:
            return subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env=environment,
            )
        except OSError as error:
            raise BuildError(f"cannot run {self.interpreter}: {error.strerror}") from error


def _asked(process: subprocess.Popen[bytes], path: bytes, source: bytes) -> bytes | None:
    """The answer of a process, None if it ended without one."""
    asking, answering = cast("BinaryIO", process.stdin), cast("BinaryIO", process.stdout)
    try:
        asking.write(_SIZES.pack(len(path), len(source)) + path + source)
        asking.flush()
    except OSError:
        return None
    size = answering.read(_SIZE.size)
    made = answering.read(_SIZE.unpack(size)[0]) if len(size) == _SIZE.size else b""
    return made if size and _SIZE.pack(len(made)) == size else None


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(OSError):
        cast("BinaryIO", process.stdin).close()
    cast("BinaryIO", process.stdout).close()
    try:
        process.wait(TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def compiler(python: str, reason: str = "compile byte-code with") -> ByteCompiler:
    """The compiler for a Python minor version ("3.11"): one that uv finds, that of pyenv, or this very interpreter.

    Raises `BuildError` where there is none on this machine.
    """
    for candidate in _candidates(python):
        if _minor(candidate) == python:
            return ByteCompiler(interpreter=candidate)
    raise BuildError(
        f"there is no Python {python} on this machine to {reason}",
        hint=f"Install one, with `uv python install {python}` for instance, or build with `--builder docker`",
    )


def _candidates(python: str) -> Iterator[str]:
    import uv

    asked = ["python", "find", python, "--system", "--no-project", "--no-config", "--no-python-downloads", "--quiet"]
    with suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(
            [os.fsdecode(uv.find_uv_bin()), *asked], capture_output=True, text=True, check=False, timeout=TIMEOUT_S
        )
        if done.returncode == 0:
            yield done.stdout.strip()
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    found = versions.glob(f"{python}.*/bin/python{python}")
    yield from map(str, sorted(found, key=lambda path: (len(path.parts[-3]), path.parts[-3]), reverse=True))
    if python == "{}.{}".format(*sys.version_info):
        yield sys.executable


def _minor(interpreter: str) -> str:
    """The minor version of an interpreter, "" for what is none or is no CPython."""
    program = "import sys; print(*sys.version_info[:2], sys.implementation.name)"
    try:
        done = subprocess.run(
            [interpreter, "-I", "-S", "-c", program], capture_output=True, text=True, check=False, timeout=TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    major, minor, name, *_ = [*done.stdout.split(), "", "", ""]
    return f"{major}.{minor}" if name == "cpython" else ""
