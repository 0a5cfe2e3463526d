"""Plans whose base, plan file or projects are not there or not whole: what happened, where, what to do."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from registry_server import Fake, serving

from depdoctor import cli, planfile
from depdoctor.adapters.registry import OciRegistry

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
MERGE = '{\n<<<<<<< HEAD\n "images": [],\n=======\n "images": [ ],\n>>>>>>> theirs\n "nodes": []\n}\n'


@pytest.fixture(autouse=True)
def _surroundings(tmp_path: Path, package_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", package_server)
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "fleet" / "one"
    folder.mkdir(parents=True)
    (folder / "requirements.txt").write_text("numlib==1.26.4\n")
    return folder.parent


@pytest.fixture
def registry() -> Iterator[Fake]:
    with serving() as fake:
        yield fake


def put_base(fake: Fake, name: str = "base", tag: str = "1") -> str:
    """A base with a Python, and the digest of its manifest."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("usr/local/bin/python3.11"))
    layer = buffer.getvalue()
    (layer_digest,) = fake.put(name, layer)
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Env": ["PYTHON_VERSION=3.11.7"]},
            "rootfs": {"type": "layers", "diff_ids": [layer_digest]},
        }
    ).encode()
    (config_digest,) = fake.put(name, config)
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config_digest, "size": 1},
        "layers": [{"mediaType": LAYER, "digest": layer_digest, "size": len(layer)}],
    }
    return fake.put_manifest(name, tag, document, MANIFEST)


def plan(root: Path, *options: str) -> int:
    return cli.run(["plan", str(root), "--quiet", *options])


def test_base_that_is_not_there_is_an_error(root: Path, registry: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    assert plan(root, "--base", f"{registry.host}/base:none") == 3
    told = capsys.readouterr().err
    assert f"there is no base image {registry.host}/base:none" in told
    assert "`base` under [image]" in told
    assert "--base scratch" in told
    assert not (root / planfile.PLAN_NAME).exists()


def test_base_that_is_not_there_for_one_python_stops_no_other_project(
    root: Path, registry: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    put_base(registry, "python", "3.11-slim")
    (root / "two").mkdir()
    (root / "two" / "requirements.txt").write_text("tokenkit\n")
    (root / "two" / ".python-version").write_text("3.12\n")
    assert plan(root, "--base", f"{registry.host}/python:3.11-slim") == 0
    made = planfile.load(root / planfile.PLAN_NAME)
    assert [image.name for image in made.images] == ["one"]
    assert [one.project for one in made.skipped] == ["two"]
    assert f"there is no base image {registry.host}/python:3.12-slim" in made.skipped[0].reason
    capsys.readouterr()


def test_base_that_is_gone_stops_a_build(root: Path, registry: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    put_base(registry)
    assert plan(root, "--base", f"{registry.host}/base:1") == 0
    registry.manifests.clear()
    assert cli.run(["build", str(root), "--quiet", "--output", str(root / "images")]) == 3
    assert "does not have, or does not show, the base that was planned" in capsys.readouterr().err


def test_digest_is_that_of_the_bytes_where_no_header_tells(registry: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = put_base(registry)
    from registry_server import Handler

    answer = Handler.answer

    def without_header(self: Handler, status: int, body: bytes = b"", **headers: str) -> None:
        headers.pop("Docker_Content_Digest", None)
        answer(self, status, body, **headers)

    monkeypatch.setattr(Handler, "answer", without_header)
    assert OciRegistry().digest(f"{registry.host}/base:1") == digest


def test_offline_takes_the_base_from_the_store(root: Path, registry: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    digest = put_base(registry)
    assert plan(root, "--base", f"{registry.host}/base:1") == 0
    assert cli.run(["build", str(root), "--quiet", "--output", str(root / "images")]) == 0
    asked = len(registry.requests)
    assert plan(root, "--fresh", "--offline", "--base", f"{registry.host}/base:1") == 0
    committed = planfile.load(root / planfile.PLAN_NAME)
    assert [image.base.digest for image in committed.images] == [digest]
    capsys.readouterr()
    assert cli.run(["build", str(root), "--offline", "--output", str(root / "again")]) == 0
    assert "layers are built alone" not in capsys.readouterr().err
    assert len(registry.requests) == asked
    index = json.loads((root / "again" / "one" / "index.json").read_bytes())
    assert index == json.loads((root / "images" / "one" / "index.json").read_bytes())


def test_base_that_was_never_seen_is_left_out_only_without_a_connection(
    root: Path, registry: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    put_base(registry)
    assert plan(root, "--base", "scratch") == 0
    assert cli.run(["build", str(root), "--quiet", "--output", str(root / "images")]) == 0
    (root / "depdoctor.toml").write_text(f'[image]\nbase = "{registry.host}/base:1"\n')
    (root / planfile.PLAN_NAME).unlink()
    assert cli.run(["build", str(root), "--offline", "--output", str(root / "images")]) == 0
    assert "the layers are built alone" in capsys.readouterr().err
    assert registry.requests == []


def test_plan_keeps_the_base_that_it_has(
    root: Path, registry: Fake, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = put_base(registry)
    reference = f"{registry.host}/base:1"
    assert plan(root, "--base", reference) == 0
    registry.put_manifest("base", "1", {"schemaVersion": 2, "layers": []}, MANIFEST)
    asked = registry.counted()["HEAD"]
    assert cli.run(["plan", str(root), "--base", reference]) == 0
    assert registry.counted()["HEAD"] == asked, "what the plan holds is asked about once an hour"
    for module in ("depdoctor.adapters.scan_memory", "depdoctor.pipeline.bases", "depdoctor.cli.again"):
        monkeypatch.setattr(f"{module}.this_hour", lambda: "2031-01-01T00:00:00+00:00")
    for _ in range(3):
        assert cli.run(["plan", str(root), "--base", reference]) == 0
        assert "has moved on" in capsys.readouterr().err
    assert [image.base.digest for image in planfile.load(root / planfile.PLAN_NAME).images] == [digest]
    assert plan(root, "--fresh", "--base", reference) == 0
    assert [image.base.digest for image in planfile.load(root / planfile.PLAN_NAME).images] != [digest]


def test_half_merged_plan_is_a_finding_and_stops_no_scan(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / planfile.PLAN_NAME).write_text(MERGE)
    assert cli.run(["scan", str(root), "--format", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    (found,) = [one for one in report["findings"] if one["subject"] == planfile.PLAN_NAME]
    assert (found["kind"], found["severity"]) == ("unreadable", "warning")
    assert [(cause["path"], cause["line"]) for cause in found["causes"]] == [(planfile.PLAN_NAME, 2)]
    assert "merge" in found["message"]
    assert cli.run(["scan", str(root)]) == 0
    assert planfile.PLAN_NAME in capsys.readouterr().out


def test_half_merged_plan_is_replaced_only_afresh(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = root / planfile.PLAN_NAME
    path.write_text(MERGE)
    assert plan(root, "--base", "scratch") == 2
    assert f"{planfile.PLAN_NAME}:2" in capsys.readouterr().err
    assert path.read_text() == MERGE
    assert plan(root, "--base", "scratch", "--fresh") == 0
    assert [image.name for image in planfile.load(path).images] == ["one"]


def test_no_projects_means_no_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    for options in ((), ("--check",), ("--fresh",)):
        assert plan(tmp_path / "empty", *options) == 2
        assert "no projects found" in capsys.readouterr().err
    assert list((tmp_path / "empty").iterdir()) == []
