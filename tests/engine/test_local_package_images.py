"""A workspace whose services share a folder: images of both builders run, and hold what the lock says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from depdoctor import cli
from depdoctor.adapters.docker import DockerEngine

BUILD = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
FILES = {
    "pyproject.toml": '[tool.uv.workspace]\nmembers = ["services/*", "libs/*"]\n',
    "services/api/pyproject.toml": f'{BUILD}[project]\nname = "api"\nversion = "2"\ndependencies = ["common"]\n'
    '[project.scripts]\nanswer = "api.main:answer"\n'
    "[tool.uv.sources]\ncommon = { workspace = true }\n",
    "services/api/src/api/main.py": "import importlib.metadata as m\nfrom common import WORD\n"
    'def answer():\n    print(WORD, m.version("common"), m.version("api"))\n',
    "services/plain/requirements.txt": "-e ../../libs/common\n",
    "services/plain/app.py": "import common, tools\nfrom shared.config import X\nprint(common.WORD, X, tools.X)\n",
    "shared/__init__.py": "",
    "shared/config.py": "X = 'shared'\n",
    "tools.py": "X = 1\n",
    "libs/common/pyproject.toml": f'{BUILD}[project]\nname = "common"\nversion = "1.5"\n',
    "libs/common/common/__init__.py": 'import importlib.metadata as m\nWORD = "common " + m.version("common")\n',
}
LOCK = """\
version = 1
requires-python = ">=3.11"
[manifest]
members = ["api", "common"]
[[package]]
name = "api"
version = "2"
source = { editable = "services/api" }
dependencies = [{ name = "common" }]
[package.metadata]
requires-dist = [{ name = "common", editable = "libs/common" }]
[[package]]
name = "common"
version = "1.5"
source = { editable = "libs/common" }
"""


@pytest.mark.parametrize("builder", ["oci", "docker"])
def test_services_import_the_folder_that_they_share(
    builder: str,
    engine: DockerEngine,
    base: str,
    registry: str,
    prefix: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    root = tmp_path / "fleet"
    for path, text in {**FILES, "uv.lock": LOCK}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    (root / "depdoctor.toml").write_text(
        f'python = "3.11"\n[image]\nbase = "{base}"\n'
        '[[project]]\npath = "services/api"\ncommand = ["answer"]\n'
        '[[project]]\npath = "services/plain"\ncommand = ["python", "app.py"]\n'
    )
    assert cli.run(["scan", str(root), "--strict"]) == 0
    assert cli.run(["plan", str(root)]) == 0
    capfd.readouterr()
    destination = f"{registry}/{prefix}/local-{builder}"
    status = cli.run(["build", str(root), "--builder", builder, "--push", destination, "--format", "json"])
    said = capfd.readouterr()
    assert status == 0, said.err
    images = {one["name"]: one["reference"] for one in json.loads(said.out)["images"]}
    for reference in images.values():
        engine.pull(reference)
    assert engine.run(images["services-api"]) == "common 1.5 1.5 2\n"
    assert engine.run(images["services-plain"]) == "common 1.5 shared 1\n"
    assert cli.run(["verify", str(root), "--from", destination]) == 0
