"""A Dockerfile that installs in one version what the file it draws in has in another."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from depdoctor import cli

FROM = "FROM python:3.11-slim\nCOPY requirements.txt .\n"
DRAWN = "RUN pip install -r requirements.txt\n"


@pytest.mark.parametrize(
    ("dockerfile", "requirements", "told"),
    [
        (f"{FROM}RUN pip install torch==2.3.0\n{DRAWN}", "torch==2.4.0\n", ["Dockerfile:3", "requirements.txt:1"]),
        (f"{FROM}{DRAWN}RUN pip install 'torch<2.4'\n", "torch==2.4.0\n", ["Dockerfile:4", "requirements.txt:1"]),
        # the first will do for the second
        (f"{FROM}RUN pip install 'numpy<2'\n{DRAWN}", "numpy\n", []),
        # another build of the same release
        (f"{FROM}RUN pip install torch==2.4.0+cu118\n{DRAWN}", "torch==2.4.0\n", []),
        # the requirements are for something else
        (f"{FROM}RUN pip install torch==2.3.0\n", "torch==2.4.0\n", []),
        # the stage is not in the image
        (f"FROM python:3.11 AS a\nRUN pip install torch==2.3.0\n{FROM}{DRAWN}", "torch==2.4.0\n", []),
    ],
)
def test_a_package_that_is_installed_twice(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    dockerfile: str,
    requirements: str,
    told: list[str],
) -> None:
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    root = tmp_path / "app"
    root.mkdir()
    (root / "Dockerfile").write_text(dockerfile, encoding="utf-8")
    (root / "requirements.txt").write_text(requirements, encoding="utf-8")
    cli.run(["scan", str(root), "--offline", "--format", "json"])
    findings = [one for one in json.loads(capsys.readouterr().out)["findings"] if one["code"] == "DD601"]
    causes = [cause for one in findings for cause in one["causes"]]
    assert [f"{cause['path']}:{cause['line']}" for cause in causes] == told
