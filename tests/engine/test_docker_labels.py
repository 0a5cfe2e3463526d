"""What Docker builds says of its revision what native images say; a commit elsewhere changes no digest."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from repositories import commit, git

from depdoctor import cli
from depdoctor.adapters.docker import DockerEngine
from depdoctor.adapters.registry import OciRegistry

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="there is no git here")


@pytest.mark.parametrize("builder", ["docker", "buildx"])
def test_revisions_are_those_of_the_project(
    builder: str,
    engine: DockerEngine,
    base: str,
    registry: str,
    prefix: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert engine.client.ping()
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    root, destination = tmp_path / "fleet", f"{registry}/{prefix}/labels-{builder}"
    for name in ("one", "two"):
        (root / name).mkdir(parents=True)
        (root / name / "requirements.txt").touch()
        (root / name / "app.py").write_text(f"print({name!r})\n")
    (root / "depdoctor.toml").write_text(f'[image]\nbase = "{base}"\n')
    assert cli.run(["plan", str(root), "--quiet"]) == 0
    git(root, "init", "--quiet")

    def built() -> dict[str, tuple[str, dict[str, str]]]:
        """The digest and the labels of each image."""
        capsys.readouterr()
        arguments = ["--builder", builder, "--push", destination, "--quiet", "--format", "json"]
        assert cli.run(["build", str(root), *arguments]) == 0
        found = {}
        client = OciRegistry()
        for image in json.loads(capsys.readouterr().out)["images"]:
            name, digest = image["name"], image["digest"]
            config = json.loads(client.manifest(f"{destination}/{name}@{digest}")[1])["config"]["digest"]
            told = json.loads(b"".join(client.blob(f"{destination}/{name}", config)))["config"]["Labels"]
            found[name] = digest, told
        return found

    first = commit(root, "first")
    before = built()
    assert {labels["org.opencontainers.image.revision"] for _, labels in before.values()} == {first}
    (root / "two" / "app.py").write_text("print(2)\n")
    dirty = built()
    assert dirty["one"] == before["one"]
    assert dirty["two"][1]["depdoctor.dirty"] == "true"
    second = commit(root, "second")
    after = built()
    assert after["one"] == before["one"]
    assert after["two"][1]["org.opencontainers.image.revision"] == second
    assert "depdoctor.dirty" not in after["two"][1]
