"""Runs inside an image and says what is installed there and what does not import; never imported by depdoctor itself.

Its source is sent as `python -I -c SOURCE ROOT SECONDS MODULE...`, so that nothing has to be in the image, and it
prints one JSON object: `python`, `installed` (version by normalized name, from the environment at ROOT alone), and
`import_errors` (reason by module). Standard library only, Python 3.8 and newer.

Modules are imported in order in one child, as a service would; the first that fails ends that child. It is then tried
alone before it is blamed, so that a crash is laid at the door of the module that caused it.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from email import message_from_string
from pathlib import Path

CHILD = """
import sys
here = [sys.path.pop(0)] if sys.path[0] == "" else []
import faulthandler, importlib, json, os
sys.path[:0] = here
seconds, report = float(sys.argv[1]), open(sys.argv[2], "w", encoding="utf-8")

def line(exception):
    lines = [part.strip() for part in str(exception).splitlines() if part.strip()]
    return type(exception).__name__ + (": " + lines[-1] if lines else "")

def reason(exception):
    root, seen = exception, set()
    while id(root) not in seen:
        seen.add(id(root))
        root = root.__cause__ or (None if root.__suppress_context__ else root.__context__) or root
    text = line(exception)
    return text if str(root) in str(exception) else text + " (from " + line(root) + ")"

def tell(**record):
    print(json.dumps(record), file=report, flush=True)

for name in sys.argv[3:]:
    tell(start=name)
    faulthandler.dump_traceback_later(seconds, exit=True)
    try:
        importlib.import_module(name)
    except BaseException as exception:
        tell(error=reason(exception))
        os._exit(1)
    faulthandler.cancel_dump_traceback_later()
tell(done=True)
os._exit(0)
"""


def installed(root: str) -> dict[str, str]:
    """The distributions of the environment at a root; a name found twice shows both versions."""
    base = {"base": root, "platbase": root}
    found: dict[str, list[str]] = {}
    for site in sorted({Path(sysconfig.get_path(kind, "posix_prefix", base)) for kind in ("purelib", "platlib")}):
        for path in sorted((*site.glob("*.dist-info"), *site.glob("*.egg-info"))):
            files = importlib.metadata.Distribution.at(path)
            metadata = message_from_string(files.read_text("METADATA") or files.read_text("PKG-INFO") or "")
            name = re.sub(r"[-_.]+", "-", metadata.get("Name", path.name.split("-")[0])).lower()
            found.setdefault(name, []).append(metadata.get("Version", "unreadable"))
    return {name: ", ".join(sorted(versions)) for name, versions in sorted(found.items())}


def attempt(modules: Sequence[str], seconds: float) -> tuple[int, str]:
    """Import modules in a fresh interpreter: how many went well, and why the next one did not ("" if all did)."""
    with tempfile.TemporaryDirectory() as folder:
        report, noise = Path(folder, "report"), Path(folder, "stderr")
        command = [sys.executable, "-c", CHILD, str(seconds), str(report), *modules]
        with noise.open("wb") as stderr:
            status = subprocess.call(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr)
        records = [json.loads(line) for line in report.read_text("utf-8").splitlines()] if report.exists() else []
        lines = [line.strip() for line in noise.read_text("utf-8", "replace").splitlines() if line.strip()]
    if records and "done" in records[-1]:
        return len(modules), ""
    started = sum("start" in record for record in records)
    return max(started - 1, 0), _why(status, lines, records[-1] if records else {}, seconds)


def _why(status: int, lines: Sequence[str], last: Mapping[str, str], seconds: float) -> str:
    if "error" in last:
        return last["error"]
    if status < 0:
        name = signal.Signals(-status).name
        return f"killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
    if any(line.startswith("Timeout (") for line in lines):
        return f"did not finish within {seconds:g} s"
    return lines[-1] if lines else f"ended the interpreter with status {status}"


def import_errors(modules: Sequence[str], seconds: float) -> dict[str, str]:
    """Why each module that does not import does not."""
    errors: dict[str, str] = {}
    remaining = list(modules)
    while remaining:
        good, why = attempt(remaining, seconds)
        if not why:
            break
        name = remaining[good]
        if good:
            why = attempt([name], seconds)[1]
        if why:
            errors[name] = why
        remaining = remaining[good + 1 :]
    return errors


if __name__ == "__main__":
    answer = {
        "python": ".".join(str(part) for part in sys.version_info[:3]),
        "installed": installed(sys.argv[1]),
        "import_errors": import_errors(sys.argv[3:], float(sys.argv[2])),
    }
    json.dump(answer, sys.stdout)
