"""Generated Dockerfiles have nothing that hadolint would say, and no image in them runs as root."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from fleets import fleet, pin, six

from depdoctor.generate import generate
from depdoctor.model.config import Config, ImageConfig, ProjectConfig
from depdoctor.model.local_package import LocalPackage
from depdoctor.model.plan import Base, Plan
from depdoctor.model.toolchain import Installer, Toolchain
from depdoctor.plan import plan

SNAPSHOT = Toolchain(snapshot="https://snapshot.example/archive/{archive}/20260101T000000Z")
PIP = Toolchain(installer=Installer.PIP, image="registry.example/devel:1.0")
BASE = "registry.example/python:3.11-slim"


def odd() -> Plan:
    """A hostile folder, shell words in command and health, packages of the system, a folder, something to compile."""
    built = pin("built")
    assert built.file
    built = replace(built, file=replace(built.file, filename="built-1.0.tar.gz"))
    hostile = ProjectConfig(
        path="a b/$(id) 'x'",
        command=("python", "-c", "print('$HOME \"x\"')"),
        port=8000,
        health="/h?x=$(id)",
        system_packages=("libgomp1", "libc++1=1:14.0-1"),
    )
    config = Config(projects=(hostile,), image=ImageConfig(base=BASE))
    projects = {"a b/$(id) 'x'": [pin("x"), built], "b": [pin("x")], "c/d": []}
    made = plan(fleet(projects), config, {BASE: Base(reference=BASE, digest="sha256:" + "a" * 64)})
    library = LocalPackage(name="lib", folder="c/d", version="1.0", source="src", scripts=(("lib", "lib:main"),))
    return replace(made, images=tuple(replace(image, local=(library,)) for image in made.images))


@pytest.mark.parametrize("toolchain", [Toolchain(), SNAPSHOT, PIP], ids=["usual", "snapshot", "pip"])
@pytest.mark.parametrize("kind", ["dockerfile", "split"])
def test_hadolint_has_nothing_to_say(kind: str, toolchain: Toolchain, tmp_path: Path) -> None:
    folder = str(Path(sys.executable).parent)
    linter = shutil.which("hadolint", path=folder) or shutil.which("hadolint")
    if not linter:
        pytest.skip("hadolint is not here")
    planned = [odd(), plan(six(), Config(), {})]
    checked = 0
    for number, made in enumerate(planned):
        for path, text in generate(made, only=[kind], toolchain=toolchain).files.items():
            if path.endswith("Dockerfile"):
                file = tmp_path / f"{number}.{path}"
                file.write_text(text)
                done = subprocess.run([linter, str(file)], capture_output=True, text=True, check=False)
                assert (done.returncode, done.stdout + done.stderr) == (0, "")
                checked += 1
    assert checked == (2 if kind == "dockerfile" else 9)


def test_no_image_runs_as_root() -> None:
    made = odd()
    text = generate(made).files["Dockerfile"]
    blocks = {line.split()[3]: rest for line, rest in _stages(text)}
    for image in made.images:
        users = [line for line in blocks[image.name] if line.startswith("USER ")]
        assert users == ["USER 65532:65532"]


def _stages(text: str) -> list[tuple[str, list[str]]]:
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("FROM "):
            found.append((line, []))
        elif found:
            found[-1][1].append(line)
    return found
