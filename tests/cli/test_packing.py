"""Byte-code and compression: from the configuration into the plan, or as a flag of one build."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from depdoctor import cli, planfile
from depdoctor.model.packing import Compression, Packing

HERE = "{}.{}".format(*sys.version_info)


def fleet(root: Path, more: str = "") -> Path:
    (root / "one").mkdir(parents=True)
    (root / "one" / "requirements.txt").write_text("numlib\n")
    (root / "depdoctor.toml").write_text(f'python = "{HERE}"\n[image]\nbase = "scratch"\n{more}')
    return root


def built(root: Path, output: Path, *options: str) -> tuple[list[str], list[str]]:
    """The media types of the layers, and what the history says."""
    assert cli.run(["build", str(root), "--quiet", "--output", str(output), *options]) == 0
    (layout,) = output.iterdir()
    blobs = layout / "blobs" / "sha256"
    digest = json.loads((layout / "index.json").read_bytes())["manifests"][0]["digest"]
    manifest = json.loads((blobs / digest[7:]).read_bytes())
    config = json.loads((blobs / manifest["config"]["digest"][7:]).read_bytes())
    return [layer["mediaType"] for layer in manifest["layers"]], config["rootfs"]["diff_ids"]


def test_a_plan_says_how_its_images_are_packed(
    package_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", package_server)
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    root = fleet(tmp_path / "fleet", 'compile = true\ncompression = "zstd"\n')
    assert cli.run(["plan", str(root), "--quiet"]) == 0
    (image,) = planfile.load(root / planfile.PLAN_NAME).images
    assert image.packing == Packing(compiled=True, compression=Compression.ZSTD)
    types, _ = built(root, tmp_path / "images")
    assert {one.rpartition("+")[2] for one in types} == {"zstd"}


def test_a_flag_packs_one_build_otherwise(
    package_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", package_server)
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    root = fleet(tmp_path / "fleet")
    assert cli.run(["plan", str(root), "--quiet"]) == 0
    committed = (root / planfile.PLAN_NAME).read_text()
    assert "packing" not in committed
    plain = built(root, tmp_path / "plain")
    compiled = built(root, tmp_path / "compiled", "--compile")
    single = built(root, tmp_path / "single", "--compression", "gzip")
    assert plain[0] == compiled[0] == single[0]
    assert [one == other for one, other in zip(plain[1], compiled[1], strict=True)] == [True, False, True]
    assert plain[1] == single[1]
    capsys.readouterr()
    assert cli.run(["build", str(root), "--compression", "zstd", "--output", str(tmp_path / "zstd")]) == 0
    assert "cannot be read by engines before" in capsys.readouterr().err
    assert (root / planfile.PLAN_NAME).read_text() == committed


def test_a_python_that_is_not_here_is_said(
    package_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", package_server)
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    root = fleet(tmp_path / "fleet")
    assert cli.run(["plan", str(root), "--quiet"]) == 0
    monkeypatch.setattr("depdoctor.adapters.compiler._candidates", lambda _: iter([sys.executable + "-gone"]))
    assert cli.run(["build", str(root), "--compile", "--output", str(tmp_path / "images")]) == 3
    assert f"no Python {HERE} on this machine" in capsys.readouterr().err
