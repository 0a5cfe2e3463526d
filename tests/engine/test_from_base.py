"""A framework that comes with the base: the image that is built sees it, behind what was installed into its own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from depdoctor import cli

DOCKERFILE = """\
FROM {base}
COPY frame /usr/local/lib/python3.11/dist-packages/frame
COPY frame /usr/local/lib/python3.11/dist-packages/numlib
"""

IMAGES = """\
title = "Images of one's own"
date = 2026-11-22
source = "built for this test"
confidence = "primary"
schema = 1

[[base]]
image = ".*/framework"
tag = "1"
release = "bookworm"
python = "3.11"
"""

PACKAGES = """\
title = "What they bring"
date = 2026-11-22
source = "built for this test"
confidence = "primary"
schema = 1

[[contents]]
image = ".*/framework"
tag = "1"
packages = ["frame==1.0a0+nv"]
"""


@pytest.fixture
def framework(base: str, registry: str, prefix: str, tmp_path: Path) -> str:
    """A base that has `frame`, and a `numlib` that no project should get."""
    reference = f"{registry}/{prefix}/framework:1"
    folder = tmp_path / "framework"
    (folder / "frame").mkdir(parents=True)
    (folder / "frame" / "__init__.py").write_text("WORD = 'from the base'\n")
    (folder / "Dockerfile").write_text(DOCKERFILE.format(base=base))
    subprocess.run(["docker", "build", "--quiet", "--tag", reference, folder], check=True)
    subprocess.run(["docker", "push", "--quiet", reference], check=True)
    return reference


@pytest.mark.parametrize(
    ("builder", "requirements", "numlib"),
    [
        ("oci", "frame>=0.9\nnumlib==1.26.4\n", "/venv/lib/python3.11/site-packages"),
        # BuildKit reaches no index on loopback: here the image has nothing of its own.
        ("docker", "frame>=0.9\n", "/usr/local/lib/python3.11/dist-packages"),
    ],
)
def test_an_image_finds_what_its_base_brings(
    builder: str,
    requirements: str,
    numlib: str,
    framework: str,
    package_server: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", package_server)
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    root, app, tables = tmp_path / "fleet", tmp_path / "fleet" / "app", tmp_path / "fleet" / "tables"
    app.mkdir(parents=True)
    tables.mkdir()
    (tables / "base_images.toml").write_text(IMAGES)
    (tables / "base_packages.toml").write_text(PACKAGES)
    (root / "depdoctor.toml").write_text(
        '[rules]\npath = "tables"\n[[project]]\npath = "app"\ncommand = ["python", "app.py"]\n'
    )
    (app / "Dockerfile").write_text(f"FROM {framework}\n")
    (app / "requirements.txt").write_text(requirements)
    (app / "app.py").write_text("import frame, numlib\nprint(frame.WORD, frame.__file__, numlib.__file__)\n")
    assert cli.run(["plan", str(root), "--quiet"]) == 0
    capsys.readouterr()
    target = f"{framework.rpartition('/')[0]}/{builder}"
    assert cli.run(["build", str(root), "--push", target, "--builder", builder, "--quiet", "--format", "json"]) == 0
    (image,) = json.loads(capsys.readouterr().out)["images"]
    reference = f"{target}/app@{image['digest']}"
    said = subprocess.run(["docker", "run", "--rm", reference], check=True, capture_output=True, text=True).stdout
    frame = "/usr/local/lib/python3.11/dist-packages/frame/__init__.py"
    assert said == f"from the base {frame} {numlib}/numlib/__init__.py\n"
