"""`build --build-sdists`: a project with a source distribution becomes an image without an engine."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from sdists import a_sdist

from depdoctor import cli, planfile

HERE = "{}.{}".format(*sys.version_info)


def test_it_is_built_where_that_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    house, root = tmp_path / "house", tmp_path / "fleet"
    (root / "one").mkdir(parents=True)
    house.mkdir()
    pin, path = a_sdist(tmp_path)
    assert pin.file
    shutil.copy(path, house / pin.file.filename)
    (root / "one" / "requirements.txt").write_text("demo==1.0\n")
    (root / "depdoctor.toml").write_text(
        f'python = "{HERE}"\nindex-url = "{house.as_uri()}"\nfind-links = ["{house.as_uri()}"]\n'
        '[image]\nbase = "scratch"\n'
    )
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_FIND_LINKS", str(house))
    assert cli.run(["plan", str(root), "--quiet", "--build-sdists"]) == 0
    images = planfile.load(root / planfile.PLAN_NAME).images
    assert [image.name for image in images] == ["one"]
    (tmp_path / "count").unlink()
    output = tmp_path / "images"
    assert cli.run(["build", str(root), "--builder", "oci", "--output", str(output)]) == 2
    said = capsys.readouterr().err
    assert "has source distributions to build: demo==1.0" in said
    assert "--build-sdists" in said
    assert not (tmp_path / "count").exists()
    for _ in range(2):
        assert cli.run(["build", str(root), "--builder", "oci", "--output", str(output), "--build-sdists"]) == 0
    assert (tmp_path / "count").read_text() == "built\n"
    (manifest,) = json.loads((output / "one" / "index.json").read_text())["manifests"]
    assert manifest["digest"]
