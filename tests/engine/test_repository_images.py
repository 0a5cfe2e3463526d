"""A package from a private repository and a wheel of the project, installed by Docker where it compiles."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from git_repositories import a_repository, serving

from depdoctor import cli, planfile
from depdoctor.adapters.docker import DockerEngine
from depdoctor.adapters.registry import OciRegistry

PASSWORD = "s3cret-of-the-team"


@pytest.fixture
def served(engine: DockerEngine, base: str, tmp_path: Path) -> str:
    """Where the builds see the server of the repository."""
    fetched = "apt-get -qq update && apt-get -qq install --yes --download-only --no-install-recommends git"
    if subprocess.run(
        ["docker", "run", "--rm", base, "sh", "-c", fetched], capture_output=True, check=False
    ).returncode:
        pytest.skip("containers do not reach the archive of the base")
    return str(engine.client.networks.get("bridge").attrs["IPAM"]["Config"][0]["Gateway"])


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_a_commit_is_built_where_docker_compiles_and_its_account_stays_out(  # noqa: PLR0917 - fixtures
    engine: DockerEngine,
    base_with_pip: str,
    installer: str,
    registry: str,
    prefix: str,
    served: str,
    make_wheel: Callable[[Path, str, str, str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    root = tmp_path / "fleet"
    (root / "api" / "wheels").mkdir(parents=True)
    wheel = make_wheel(root / "api" / "wheels", "beside", "2.0", "WORD = 'beside'\n")
    commit = a_repository(tmp_path / "served" / "demo", Path("/tmp/count"))
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))
    with serving(tmp_path / "served", served, f"team:{PASSWORD}") as address:
        (tmp_path / "netrc").write_text(f"machine {served} login team password {PASSWORD}\n")
        (tmp_path / ".netrc").write_text((tmp_path / "netrc").read_text())
        (root / "api" / "requirements.txt").write_text(f"demo @ git+{address}/demo/.git@v1\n./wheels/{wheel.name}\n")
        (root / "api" / "app.py").write_text(
            "import beside, demo, shutil\nprint(demo.x, beside.WORD, shutil.which('git'))\n"
        )
        (root / "depdoctor.toml").write_text(
            f'[image]\nbase = "{base_with_pip}"\ninstaller = "{installer}"\nbuild-packages = []\n'
            '[[project]]\npath = "api"\ncommand = ["python", "app.py"]\n'
        )
        assert cli.run(["plan", str(root)]) == 0
        plan = planfile.load(root / planfile.PLAN_NAME)
        assert f"git+{address}/demo/.git@{commit}" in {pin.source for pin in plan.packages}
        destination = f"{registry}/{prefix}/repositories-{installer}"
        capfd.readouterr()
        assert cli.run(["build", str(root), "--push", destination, "--format", "json"]) == 0
    said = capfd.readouterr()
    assert (
        f"api is built with docker, since it has source distributions to build: demo==1.0 from git+{address}"
        in said.err
    )
    (image,) = json.loads(said.out)["images"]
    assert engine.run(image["reference"]) == "1 beside None\n"
    client = OciRegistry()
    reference = f"{destination}/api@{image['digest']}"
    manifest = json.loads(client.manifest(reference)[1])
    blobs = [*manifest["layers"][-6:], manifest["config"]]
    content = [b"".join(client.blob(f"{destination}/api", blob["digest"])) for blob in blobs]
    held = subprocess.run(["gzip", "-dcf"], input=b"".join(content[:-1]), capture_output=True, check=False).stdout
    assert PASSWORD.encode() not in held + content[-1] + (root / planfile.PLAN_NAME).read_bytes()
    assert cli.run(["verify", str(root), "--from", destination]) == 0
