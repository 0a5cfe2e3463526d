"""A real environment that three projects broke by installing on top of one another, from the small package index."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import uv

PROJECTS = {"chat": "chatchain\n", "hub": "hubclient==0.23.1\nnumlib<2\n", "rank": "numlib>=2\n"}
"""hub and rank want different arrays; chat imports what it never declared."""

APPS = {"chat": "import chatchain\nimport tokenkit\n", "hub": "import hubclient\n", "rank": "import numlib\n"}

INSTALLED = (["chatchain==0.3.0", "tokenkit==0.19.1"], ["hubclient==0.23.1", "numlib<2"], ["numlib>=2"], ["audiolib"])
"""In this order; nobody needs the last."""


def fleet(root: Path) -> Path:
    for name, lines in PROJECTS.items():
        (root / name).mkdir(parents=True)
        (root / name / "requirements.txt").write_text(lines, encoding="utf-8")
        (root / name / "app.py").write_text(f'{APPS[name]}print("{name} ok")\n', encoding="utf-8")
    return root


def installed(venv: Path, index: str) -> Path:
    tool = uv.find_uv_bin()
    surroundings = {**os.environ, "UV_DEFAULT_INDEX": index, "VIRTUAL_ENV": str(venv)}
    subprocess.run([tool, "venv", "-q", "--python", sys.executable, str(venv)], check=True)
    for wanted in INSTALLED:
        subprocess.run([tool, "pip", "install", "-q", *wanted], env=surroundings, check=True)
    # It passes for one of the Python that images get by default, whichever runs the tests.
    settings = (venv / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    kept = [line for line in settings if not line.startswith("version")]
    (venv / "pyvenv.cfg").write_text("\n".join([*kept, "version_info = 3.11.9", ""]), encoding="utf-8")
    return venv
