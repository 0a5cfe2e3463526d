"""What `build`, `push`, `verify` and `generate` refuse at once, and what they say to do instead."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from depdoctor import cli


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no-engine.sock")
    root = tmp_path / "fleet"
    for name in ("one", "two"):
        (root / name).mkdir(parents=True)
        (root / name / "requirements.txt").touch()
    (root / "depdoctor.toml").write_text(
        '[image]\nbase = "scratch"\n[[project]]\npath = "two"\nsystem-packages = ["libgomp1"]\n'
    )
    return root


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["build", "--push", "http://registry.example/team"], "leave the `http://` out"),
        (["build", "--push", "registry.example/Team"], "`registry.example/team`"),
        (["build", "--push", "registry.example/team:v1"], "without a tag"),
        (["build", "--push", "registry.example:99999/team"], "write it like"),
        (["push", "--to", "https://registry.example/team"], "leave the `https://` out"),
        (["verify", "--from", "registry.example/TEAM"], "`registry.example/team`"),
    ],
)
def test_registry_that_is_none_is_refused_at_once(
    fleet: Path, arguments: list[str], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command, *rest = arguments
    assert cli.run([command, str(fleet), *rest]) == 2
    said = capsys.readouterr().err
    assert f"`{rest[0]} {rest[1]}` is not REGISTRY/PREFIX" in said
    assert hint in said
    assert "planning" not in said


@pytest.mark.parametrize("arguments", [["build"], ["verify"], ["generate", "--output", "made"]])
def test_folder_without_projects_says_what_a_project_is(
    tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    command, *rest = arguments
    assert cli.run([command, "empty", *rest]) == 2
    said = capsys.readouterr().err
    assert "no projects found under `empty`" in said
    assert "a project is a folder with" in said
    assert not (tmp_path / "made").exists()


def test_native_builder_refuses_what_needs_system_packages(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["build", str(fleet), "--builder", "oci", "--output", str(fleet / "out")]) == 2
    said = capsys.readouterr().err
    assert "`two` needs packages of the system: libgomp1" in said
    assert "--builder docker" in said
    assert not (fleet / "out").exists()


def test_certificates_that_are_not_there_are_told(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = fleet / "depdoctor.toml"
    config.write_text(config.read_text().replace('"scratch"', '"scratch"\nca-bundle = "gone.pem"'))
    assert cli.run(["build", str(fleet), "--builder", "docker", "--load"]) == 2
    assert "`image.ca-bundle` names gone.pem, and there is no such file" in capsys.readouterr().err


@pytest.mark.parametrize("only", ["", " , ", "nope", "compose,nope"])
def test_only_what_there_is_can_be_generated(only: str, fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["generate", str(fleet), "--output", str(fleet / "out"), "--only", only]) == 2
    assert "one of dockerfile, bake" in capsys.readouterr().err
    assert not (fleet / "out").exists()


def test_layouts_of_the_others_can_be_had(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["build", str(fleet), "--output", str(fleet / "out")]) == 0
    assert "no layout for two, since it needs packages of the system: libgomp1" in capsys.readouterr().err
    assert [path.name for path in (fleet / "out").iterdir()] == ["one"]


def test_names_that_collide_stop_only_their_projects(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (fleet / "one!").mkdir()
    (fleet / "one!" / "requirements.txt").touch()
    assert cli.run(["plan", str(fleet)]) == 0
    assert "no image for one!: its image would be called `one`, as that of `one`" in capsys.readouterr().out
    assert cli.run(["scan", str(fleet)]) == 1
    assert "DD603" in capsys.readouterr().out


def test_folder_name_that_is_no_text_breaks_no_output(fleet: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    odd = Path(os.fsdecode(os.fsencode(fleet) + b"/caf\xe9"))
    odd.mkdir()
    (odd / "requirements.txt").touch()
    for arguments in (["scan"], ["scan", "--list"], ["scan", "--format", "json"], ["plan"]):
        assert cli.run([arguments[0], str(fleet), *arguments[1:]]) == 0
    assert b"no image for caf?: the path of its folder holds" in capfdbinary.readouterr().out


def test_what_an_engine_does_otherwise_is_told(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (fleet / "depdoctor.toml").write_text('[image]\nbase = "registry.invalid/python:3.11"\nclobber = "last-wins"\n')
    arguments = ["build", str(fleet), "--load", "--builder", "docker", "--compression", "zstd", "--offline"]
    assert cli.run(arguments) == 3
    said = capsys.readouterr().err
    assert "compression is chosen by BuildKit" in said
