"""The main job as a user does it: from a folder of projects to images that run and are what was locked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from depdoctor import cli
from depdoctor.adapters.docker import DockerEngine

APP = """\
import {module}

print("{name}", {module}.__name__, "ok")
"""


@pytest.fixture
def fleet(tmp_path: Path, package_server: str, base: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UV_DEFAULT_INDEX", package_server)
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    root = tmp_path / "fleet"
    wanted = {"Text Models/embed": "tokenkit==0.20.3\nnumlib>=2\n", "judge": "tokenkit==0.19.1\nnumlib>=2\n"}
    for name, requirements in wanted.items():
        folder = root / name
        folder.mkdir(parents=True)
        (folder / "requirements.txt").write_text(requirements, encoding="utf-8")
        (folder / "app.py").write_text(APP.format(name=name, module="tokenkit"), encoding="utf-8")
    (root / "depdoctor.toml").write_text(f'[image]\nbase = "{base}"\n', encoding="utf-8")
    return root


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Iterator[object]:
    def run(*arguments: str) -> tuple[int, dict[str, object]]:
        status = cli.run([*arguments, "--format", "json"])
        return status, json.loads(capsys.readouterr().out)

    return run


def test_from_folder_to_verified_images(
    fleet: Path, run: object, engine: DockerEngine, registry: str, prefix: str, package_server: str
) -> None:
    assert callable(run)
    status, scanned = run("scan", str(fleet))
    assert status == 0
    crossing = [one for one in scanned["findings"] if one["kind"] == "version-conflict"]
    assert [(one["subject"], one["projects"]) for one in crossing] == [("tokenkit", ["Text Models/embed", "judge"])]

    status, planned = run("plan", str(fleet))
    assert status == 0
    assert [image["name"] for image in planned["images"]] == ["judge", "text-models-embed"]
    assert all("@sha256:" in image["base"] for image in planned["images"])
    assert run("plan", str(fleet), "--check")[0] == 0
    isolated = [one for one in run("scan", str(fleet))[1]["findings"] if one["kind"] == "version-conflict"]
    assert [one["severity"] for one in isolated] == ["note"]

    destination = f"{registry}/{prefix}/whole"
    status, built = run("build", str(fleet), "--push", destination)
    assert status == 0
    for image in built["images"]:
        engine.pull(image["reference"])
    said = {image["name"]: engine.run(image["reference"], ["python", "app.py"]) for image in built["images"]}
    assert said == {"judge": "judge tokenkit ok\n", "text-models-embed": "Text Models/embed tokenkit ok\n"}

    status, again = run("build", str(fleet), "--push", destination)
    assert [image["uploaded_bytes"] for image in again["images"]] == [0, 0]
    assert [image["digest"] for image in again["images"]] == [image["digest"] for image in built["images"]]

    status, verified = run("verify", str(fleet), "--from", destination)
    assert (status, verified["findings"]) == (0, [])


def test_verify_tells_an_image_that_is_not_what_was_locked(
    fleet: Path, run: object, engine: DockerEngine, registry: str, prefix: str
) -> None:
    assert callable(run)
    assert run("plan", str(fleet))[0] == 0
    status, built = run("build", str(fleet), "--push", f"{registry}/{prefix}/other")
    references = {image["name"]: image["reference"] for image in built["images"]}
    impostor = f"{registry}/{prefix}/impostor/judge:v1"
    engine.pull(references["text-models-embed"])
    engine.tag(references["text-models-embed"], impostor)
    status, verified = run("verify", str(fleet), "--image", impostor)
    assert status == 1
    assert [(one["kind"], one["subject"]) for one in verified["findings"]] == [("not-installed", "tokenkit")]
