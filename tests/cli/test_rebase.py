"""`rebase` puts what stands in a registry on the successor of its base, as a build would have, and sends no layer."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from registry_server import Fake, serving

from depdoctor import cli, planfile

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG = "application/vnd.oci.image.config.v1+json"
DEBIAN = "Package: zlib1g\nVersion: 1:1.2.13\n\nPackage: libc6\nStatus: install ok\nVersion: {}\n\n"
ENV = ("PATH=/usr/local/bin:/usr/bin", "LANG=C.UTF-8")


def a_layer(files: Mapping[str, str]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    return gzip.compress(out.getvalue(), mtime=0)


def a_base(fake: Fake, tag: str, *files: Mapping[str, str], env: tuple[str, ...] = ENV, **running: Any) -> str:
    """Push a base of these layers; its reference."""
    layers = [a_layer(one) for one in files]
    document = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": [f"PYTHON_VERSION=3.11.{len(tag)}", *env], **running},
        "rootfs": {
            "type": "layers",
            "diff_ids": [f"sha256:{hashlib.sha256(gzip.decompress(one)).hexdigest()}" for one in layers],
        },
        "history": [{"created_by": f"{tag} {number}"} for number in range(len(layers))],
    }
    content = json.dumps(document).encode()
    digest, *digests = fake.put("base/python", content, *layers)
    rows = [{"mediaType": LAYER, "digest": one, "size": len(data)} for one, data in zip(digests, layers, strict=True)]
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "digest": digest, "size": len(content)},
        "layers": rows,
    }
    fake.put_manifest("base/python", tag, manifest, MANIFEST)
    return f"{fake.host}/base/python:{tag}"


def debian(version: str, more: str = "") -> dict[str, str]:
    return {"var/lib/dpkg/status": DEBIAN.format(version), "etc/issue": more}


@pytest.fixture
def fake() -> Iterator[Fake]:
    with serving() as running:
        yield running


@pytest.fixture
def fleet(fake: Fake, package_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two services that were built on `:old` and pushed."""
    monkeypatch.setenv("UV_DEFAULT_INDEX", package_server)
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    base = a_base(fake, "old", debian("2.36-9+deb12u7"), {"usr/local/bin/python3.11": "old"})
    root = tmp_path / "fleet"
    for name in ("one", "two"):
        (root / name).mkdir(parents=True)
        (root / name / "requirements.txt").write_text("numlib\n")
        (root / name / "app.py").write_text(f"print('{name}')\n")
    (root / "depdoctor.toml").write_text(f'[image]\nbase = "{base}"\n')
    assert cli.run(["plan", str(root), "--quiet"]) == 0
    assert cli.run(["push", str(root), "--quiet", "--to", f"{fake.host}/team"]) == 0
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "another machine"))
    return root


def rebase(fleet: Path, fake: Fake, base: str, *options: str) -> int:
    return cli.run(["rebase", str(fleet), "--from", f"{fake.host}/team", "--base", base, "--quiet", *options])


def tags(fake: Fake, name: str) -> dict[str, str]:
    """The digest that each tag of an image stands for."""
    return {
        tag: f"sha256:{hashlib.sha256(content).hexdigest()}"
        for tag, (_, content) in fake.manifests[f"team/{name}"].items()
        if ":" not in tag and not tag.startswith("sha256-")
    }


def test_it_is_the_image_that_a_build_would_make(
    fleet: Path, fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patched = a_base(fake, "patched", debian("2.36-9+deb12u10"), {"usr/local/bin/python3.11": "new"}, {"more": "x"})
    before = (fleet / planfile.PLAN_NAME).read_text()
    assert rebase(fleet, fake, patched, "--dry-run") == 0
    assert (fleet / planfile.PLAN_NAME).read_text() == before
    assert len(tags(fake, "one")) == 1
    assert rebase(fleet, fake, patched) == 0
    assert len(tags(fake, "one")) == 2
    rebased = tags(fake, "one")
    # Where the plan stands on the new base, a build with all its wheels makes the very same.
    (fleet / "depdoctor.toml").write_text(f'[image]\nbase = "{patched}"\n')
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    assert cli.run(["plan", str(fleet), "--check", "--quiet"]) == 0
    assert cli.run(["push", str(fleet), "--quiet", "--to", f"{fake.host}/team"]) == 0
    assert tags(fake, "one") == rebased
    assert cli.run(["verify", str(fleet), "--remote", "--from", f"{fake.host}/team", "--quiet"]) == 0


def test_no_layer_of_ours_is_read_or_sent(fleet: Path, fake: Fake) -> None:
    patched = a_base(fake, "patched", debian("2.36-9+deb12u10"), {"usr/local/bin/python3.11": "new"})
    (tag,) = tags(fake, "one")
    manifest = json.loads(fake.manifests["team/one"][tag][1])
    ours = {layer["digest"] for layer in manifest["layers"][2:]}
    assert len(ours) == 3
    received = fake.received_bytes
    fake.requests.clear()
    assert rebase(fleet, fake, patched) == 0
    read = {path.rpartition("/")[2] for method, path in fake.requests if method == "GET" and "/blobs/" in path}
    assert not read & ours
    assert fake.received_bytes - received < 30_000  # manifests, configurations and documents of two images


def test_the_bill_of_materials_follows(fleet: Path, fake: Fake) -> None:
    patched = a_base(fake, "patched", debian("2.36-9+deb12u10"), {"usr/local/bin/python3.11": "new"})
    assert rebase(fleet, fake, patched) == 0
    (image, _) = planfile.load(fleet / planfile.PLAN_NAME).images
    bills = []
    for tag, (_, content) in fake.manifests["team/one"].items():
        document = json.loads(content)
        if ":" in tag and document.get("artifactType") == "application/vnd.cyclonedx+json":
            bills.append(json.loads(fake.blobs["team/one"][document["layers"][0]["digest"]]))
    bases = {one["bom-ref"] for bill in bills for one in bill["components"] if one["type"] == "container"}
    assert f"base:{image.base.pinned}" in bases
    assert len(bills) == 2
    ours = [[one for one in bill["components"] if one["type"] == "library"] for bill in bills]
    assert ours[0] == ours[1] != []


REFUSED = {
    "another libc": ([debian("2.41-12"), {"usr/local/bin/python3.11": ""}], ENV, {}, "has glibc 2.41, and the wheels"),
    "musl": ([{"lib/apk/db/installed": "C:Q1\nP:musl\nV:1.2.5-r0\n\n"}], ENV, {}, "has musl 1.2"),
    "nothing known": ([{"usr/local/bin/python3.11": ""}], ENV, {}, "cannot be told to have the same C library"),
    "another Python": (
        [debian("2.36-9"), {"usr/bin/python3.12": ""}],
        (*ENV, "PYTHON_VERSION=3.12.1"),
        {},
        "has no Python 3.11",
    ),
    "environment": ([debian("2.36-9")], (*ENV, "LD_LIBRARY_PATH=/cuda"), {}, "sets LD_LIBRARY_PATH to '/cuda'"),
    "user": ([debian("2.36-9")], ENV, {"User": "app"}, "is run otherwise: User is 'app'"),
}


@pytest.mark.parametrize("story", REFUSED)
def test_another_base_is_refused(story: str, fleet: Path, fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    layers, env, running, message = REFUSED[story]
    before = (fleet / planfile.PLAN_NAME).read_text()
    assert rebase(fleet, fake, a_base(fake, "other", *layers, env=env, **running)) == 3
    assert message in capsys.readouterr().err
    assert len(tags(fake, "one")) == 1
    assert (fleet / planfile.PLAN_NAME).read_text() == before


def test_what_is_not_as_planned_is_refused(fleet: Path, fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    patched = a_base(fake, "patched", debian("2.36-9+deb12u10"), {"usr/local/bin/python3.11": "new"})
    (tag,) = tags(fake, "two")
    fake.manifests["team/one"][tag] = fake.manifests["team/two"][tag]
    _, content = fake.manifests["team/two"][tag]
    document = json.loads(content)
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    fake.manifests["team/one"][digest] = fake.manifests["team/two"][tag]
    fake.blobs["team/one"][document["config"]["digest"]] = fake.blobs["team/two"][document["config"]["digest"]]
    assert rebase(fleet, fake, patched) == 3
    said = capsys.readouterr().err
    assert "not what the native builder makes from the plan" in said
    assert "image one" in said


def test_the_newest_base_is_left_alone(fleet: Path, fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["rebase", str(fleet), "--from", f"{fake.host}/team"]) == 0
    said = capsys.readouterr()
    assert "every base is the newest" in said.err
    assert said.out.startswith("nothing had to be made")
    a_base(fake, "old", debian("2.36-9+deb12u10"), {"usr/local/bin/python3.11": "new"})
    assert cli.run(["rebase", str(fleet), "--from", f"{fake.host}/team", "--image", "one"]) == 0
    one, two = planfile.load(fleet / planfile.PLAN_NAME).images
    assert one.base.reference == two.base.reference
    assert one.base.digest != two.base.digest


def test_without_a_plan_there_is_nothing_to_move(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["rebase", str(tmp_path), "--from", "registry.example/team"]) == 2
    assert "there is no depdoctor.plan.json" in capsys.readouterr().err


def test_what_was_never_pushed_is_said(fleet: Path, fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    patched = a_base(fake, "patched", debian("2.36-9+deb12u10"), {"usr/local/bin/python3.11": "new"})
    assert cli.run(["rebase", str(fleet), "--from", f"{fake.host}/other", "--base", patched]) == 3
    assert "depdoctor push" in capsys.readouterr().err
