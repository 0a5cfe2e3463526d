"""The probe as it is sent: its source after `python -I -c`, here with this interpreter instead of an image's."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

SOURCE = files("depdoctor.adapters").joinpath("probe.py").read_text(encoding="utf-8")

MODULES = {
    "fine": "WORD = 1",
    "noisy": "print('to stdout'); import sys; print('to stderr', file=sys.stderr)",
    "raises": "raise RuntimeError('first line\\nlast line\\n')",
    "chained": "try:\n    import not_there\nexcept ImportError as e:\n    raise ImportError('see the site') from e",
    "crashes": "import ctypes; ctypes.string_at(0)",
    "leaves": "import sys; sys.exit(0)",
    "ends": "import os; os._exit(5)",
    "sleeps": "import time; time.sleep(60)",
    "clashes": "import sys\nif 'fine' in sys.modules: raise RuntimeError('not beside fine')",
    "json": "raise RuntimeError('the probe itself must not import the application')",
}


@pytest.fixture
def application(tmp_path: Path) -> Path:
    for name, code in MODULES.items():
        (tmp_path / f"{name}.py").write_text(code)
    return tmp_path


def probe(folder: Path, root: Path, *modules: str, seconds: float = 30) -> Any:
    command = [sys.executable, "-I", "-c", SOURCE, str(root), str(seconds), *modules]
    return json.loads(subprocess.run(command, cwd=folder, check=True, capture_output=True).stdout)


def test_every_failure_is_laid_at_its_own_door(application: Path) -> None:
    names = ["fine", "noisy", "raises", "chained", "crashes", "leaves", "ends", "tomllib", "absent"]
    assert probe(application, application, *names)["import_errors"] == {
        "raises": "RuntimeError: last line",
        "chained": "ImportError: see the site (from ModuleNotFoundError: No module named 'not_there')",
        "crashes": "killed by SIGSEGV",
        "leaves": "SystemExit: 0",
        "ends": "ended the interpreter with status 5",
        "absent": "ModuleNotFoundError: No module named 'absent'",
    }


def test_an_import_has_its_time_and_the_next_goes_on(application: Path) -> None:
    answer = probe(application, application, "sleeps", "absent", seconds=1)
    assert answer["import_errors"] == {
        "sleeps": "did not finish within 1 s",
        "absent": "ModuleNotFoundError: No module named 'absent'",
    }


def test_a_module_that_fails_only_beside_another_is_not_blamed(application: Path) -> None:
    assert probe(application, application, "fine", "clashes")["import_errors"] == {}


def test_the_working_directory_cannot_take_the_place_of_the_standard_library(application: Path) -> None:
    assert probe(application, application, "fine")["import_errors"] == {}


def test_only_the_environment_at_the_root_counts(application: Path, tmp_path: Path) -> None:
    site = Path(sysconfig.get_path("purelib", "posix_prefix", {"base": str(tmp_path), "platbase": str(tmp_path)}))
    for folder, metadata in {
        "Some_Thing-1.0.dist-info": "Name: Some.Thing\nVersion: 1.0\n",
        "twice-1.0.dist-info": "Name: twice\nVersion: 1.0\n",
        "twice-2.0.dist-info": "Name: twice\nVersion: 2.0\n",
        "broken-1.0.dist-info": "",
    }.items():
        (site / folder).mkdir(parents=True)
        (site / folder / "METADATA").write_text(metadata)
    (site / "old-3.0.egg-info").mkdir()
    (site / "old-3.0.egg-info/PKG-INFO").write_text("Name: old\nVersion: 3.0\n")
    answer = probe(application, tmp_path)
    assert answer["installed"] == {
        "broken": "unreadable",
        "old": "3.0",
        "some-thing": "1.0",
        "twice": "1.0, 2.0",
    }
    assert answer["python"] == ".".join(str(part) for part in sys.version_info[:3])
