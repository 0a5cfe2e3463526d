"""`verify --remote` holds what stands in a registry against the plan."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from registry_server import Fake, serving

from depdoctor import cli
from depdoctor.model.weights import LEAST_BYTES


@pytest.fixture
def fake() -> Iterator[Fake]:
    with serving() as running:
        yield running


@pytest.fixture
def root(package_server: str, fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose image stands in the registry."""
    folder = tmp_path / "root" / "one"
    folder.mkdir(parents=True)
    (folder / "requirements.txt").write_text("numlib\n")
    (folder / "app.py").write_text("print('one')\n")
    (tmp_path / "root" / "depdoctor.toml").write_text('[image]\nbase = "scratch"\n')
    monkeypatch.setenv("UV_DEFAULT_INDEX", package_server)
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert cli.run(["plan", str(tmp_path / "root"), "--quiet"]) == 0
    assert cli.run(["push", str(tmp_path / "root"), "--to", f"{fake.host}/team", "--quiet"]) == 0
    return tmp_path / "root"


def verified(root: Path, fake: Fake, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    capsys.readouterr()
    status = cli.run(["verify", str(root), "--from", f"{fake.host}/team", "--remote", "--format", "json", "--quiet"])
    return status, [one["message"] for one in json.loads(capsys.readouterr().out)["findings"]]


def changed(fake: Fake, change: Callable[[dict[str, Any], dict[str, Any]], None]) -> None:
    """Let another image stand under the tag, made of the one that stands there."""
    held = fake.manifests["team/one"]
    tag = next(name for name in held if not name.startswith("sha256"))
    manifest = json.loads(held[tag][1])
    config = json.loads(fake.blobs["team/one"][manifest["config"]["digest"]])
    change(manifest, config)
    content = json.dumps(config).encode()
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    fake.blobs["team/one"][digest] = content
    manifest["config"]["digest"], manifest["config"]["size"] = digest, len(content)
    fake.put_manifest("team/one", tag, manifest, held[tag][0])


def test_what_was_pushed_is_as_planned_and_no_layer_is_pulled(
    root: Path, fake: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.requests.clear()
    assert verified(root, fake, capsys) == (0, [])
    documents = [json.loads(content) for _, content in fake.manifests["team/one"].values()]
    layers = {blob["digest"] for document in documents for blob in document.get("layers", ())}
    assert not [path for _, path in fake.requests if any(digest in path for digest in layers)]


def test_a_layer_that_was_exchanged_is_named(root: Path, fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    other = f"sha256:{'d' * 64}"
    changed(fake, lambda manifest, _: manifest["layers"][1].update(digest=other))
    status, messages = verified(root, fake, capsys)
    assert status == 1
    assert any("does not hold numlib==" in message for message in messages)
    assert any(other in message for message in messages)
    assert len(messages) == 2


def test_another_command_is_named(root: Path, fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    changed(fake, lambda _, config: config["config"].update(Cmd=["sh"], User="0"))
    status, messages = verified(root, fake, capsys)
    assert (status, len(messages)) == (1, 1)
    assert "what differs: Cmd, User" in messages[0]


def test_another_time_is_named(root: Path, fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    changed(fake, lambda _, config: config.update(created="2001-01-01T00:00:00Z"))
    status, messages = verified(root, fake, capsys)
    assert (status, len(messages)) == (1, 1)
    assert "its time" in messages[0]


def test_changed_code_is_named(root: Path, fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "one" / "app.py").write_text("print('changed')\n")
    status, messages = verified(root, fake, capsys)
    assert status == 1
    assert any("does not hold code of one" in message for message in messages)


@pytest.mark.parametrize("nonsense", [{"layers": 3}, {"config": {}, "layers": []}, [], {"manifests": []}])
def test_what_is_no_image_is_an_error(
    nonsense: object, root: Path, fake: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    held = fake.manifests["team/one"]
    tag = next(name for name in held if not name.startswith("sha256"))
    fake.put_manifest("team/one", tag, nonsense, "application/vnd.oci.image.manifest.v1+json")
    assert cli.run(["verify", str(root), "--from", f"{fake.host}/team", "--remote", "--quiet"]) == 3
    assert "not the manifest of one image" in capsys.readouterr().err


def test_weights_are_layers_too(root: Path, fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "one" / "model.safetensors").write_bytes(b"\x02" + bytes(7) + b"{}" + bytes(LEAST_BYTES))
    assert cli.run(["plan", str(root), "--quiet"]) == 0
    assert cli.run(["push", str(root), "--to", f"{fake.host}/team", "--quiet"]) == 0
    assert verified(root, fake, capsys) == (0, [])
    (root / "one" / "model.safetensors").write_bytes(b"\x03" + bytes(7) + b"{ }" + bytes(LEAST_BYTES))
    assert cli.run(["plan", str(root), "--quiet"]) == 0
    old = next(held for tag, held in fake.manifests["team/one"].items() if not tag.startswith("sha256"))
    assert cli.run(["push", str(root), "--to", f"{fake.host}/team", "--quiet"]) == 0
    held = fake.manifests["team/one"]
    for tag in [name for name in held if not name.startswith("sha256")]:
        held[tag] = old
    status, messages = verified(root, fake, capsys)
    assert status == 1
    assert any("does not hold weights model.safetensors as planned" in message for message in messages)


def test_remote_needs_a_registry(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["verify", str(root), "--remote"]) == 2
    assert "--from" in capsys.readouterr().err


@pytest.mark.parametrize("way", ["positional", "from"])
@pytest.mark.parametrize("by", ["tag", "digest"])
def test_one_image_is_named_by_its_reference(
    way: str, by: str, root: Path, fake: Fake, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    held = fake.manifests["team/one"]
    tag = next(name for name in held if not name.startswith("sha256"))
    digest = f"sha256:{hashlib.sha256(held[tag][1]).hexdigest()}"
    reference = f"{fake.host}/team/one" + (f":{tag}" if by == "tag" else f"@{digest}")
    monkeypatch.chdir(root)
    words = [reference] if way == "positional" else [str(root), "--remote", "--from", reference]
    assert cli.run(["verify", *words, "--quiet"]) == 0
    changed(fake, lambda manifest, _: manifest["layers"].pop())
    fake.manifests["team/one"][digest] = held[tag]
    capsys.readouterr()
    assert cli.run(["verify", *words, "--quiet"]) == (1 if by == "tag" else 3)


def test_a_reference_that_the_plan_does_not_know_is_told(
    root: Path, fake: Fake, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    assert cli.run(["verify", f"{fake.host}/team/two:1", "--quiet"]) == 2
    assert "the plan has no image `two`" in capsys.readouterr().err
    assert cli.run(["verify", ".", "--from", f"{fake.host}/team/one:1", "--quiet"]) == 2
    assert "--remote" in capsys.readouterr().err
