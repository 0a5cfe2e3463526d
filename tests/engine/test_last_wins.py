"""Where two wheels own one path, the same one has it in the images of both builders."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest
from wheels import make_wheel

from depdoctor import cli
from depdoctor.adapters.docker import DockerEngine

FILES = """\
import hashlib, pathlib
telling = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"}
for path in sorted(pathlib.Path("/venv/lib").rglob("*")):
    if path.is_file() and path.name not in telling:
        print(path, hashlib.sha256(path.read_bytes()).hexdigest())
"""


def owned(name: str) -> dict[str, bytes]:
    """The files of a wheel, some of them owned by all: large enough that installing them side by side takes time."""
    shared = {f"cv2/part{number}.py": f"part = {name!r}\n".encode() * 2000 for number in range(40)}
    return {"cv2/__init__.py": f"WORD = {name!r}\n".encode(), f"cv2/{name}.py": b"own = 1\n", **shared}


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_the_same_wheel_wins_in_the_images_of_both_builders(
    engine: DockerEngine,
    base_with_pip: str,
    installer: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    root = tmp_path / "fleet"
    project = f"eye-{uuid.uuid4().hex[:8]}"
    wheels = root / project / "wheels"
    wheels.mkdir(parents=True)
    names = ["aaa", "ccc", "bbb"]
    paths = [make_wheel(wheels, name, files=owned(name)) for name in names]
    (root / project / "requirements.txt").write_text("".join(f"./wheels/{path.name}\n" for path in paths))
    (root / project / "app.py").write_text("import cv2\nprint(cv2.WORD)\n")
    (root / "depdoctor.toml").write_text(
        f'[image]\nbase = "{base_with_pip}"\nclobber = "last-wins"\ninstaller = "{installer}"\n'
        f'[[project]]\npath = "{project}"\ncommand = ["python", "app.py"]\n'
    )
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    assert cli.run(["plan", str(root)]) == 0
    held = {}
    for builder in ("oci", "docker"):
        capfd.readouterr()
        assert cli.run(["build", str(root), "--builder", builder, "--load", "--format", "json"]) == 0
        (image,) = json.loads(capfd.readouterr().out)["images"]
        try:
            assert engine.run(image["reference"]) == "ccc\n"
            held[builder] = engine.run(image["reference"], ["python", "-c", FILES])
        finally:
            engine.client.images.remove(image["reference"])
    assert held["oci"].count("\n") > 40
    assert held["oci"] == held["docker"]
