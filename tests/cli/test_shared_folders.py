"""Projects that share a folder of code: it is in their images, once, and importable."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest

from depdoctor import cli
from depdoctor.model.image import ENVIRONMENT_ROOT

SITE = f"{ENVIRONMENT_ROOT}/lib/python3.11/site-packages"[1:]


def content(layout: Path) -> dict[str, bytes]:
    """The files of an image by path, and each layer's digest by "sha256:..."."""
    manifest = blob(layout, json.loads((layout / "index.json").read_bytes())["manifests"][0]["digest"])
    found: dict[str, bytes] = {}
    for layer in json.loads(manifest)["layers"]:
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(blob(layout, layer["digest"])))) as archive:
            for member in archive:
                if member.isfile() and (file := archive.extractfile(member)):
                    found[member.name] = file.read()
                    found.setdefault(layer["digest"], b"")
    return found


def blob(layout: Path, digest: str) -> bytes:
    return (layout / "blobs" / digest.replace(":", "/")).read_bytes()


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    root = tmp_path / "fleet"
    files = {
        "depdoctor.toml": 'python = "3.11"\n[image]\nbase = "scratch"\n',
        "one/requirements.txt": "-e ../libs/common\n",
        "one/app.py": "import common\n",
        "two/requirements.txt": "../libs/common\n",
        "two/requirements-dev.txt": "../libs/testing\n",
        "two/app.py": "import common\n",
        "libs/common/setup.py": "from setuptools import setup\nsetup(name='common', version='1.5', "
        "entry_points={'console_scripts': ['tell=common:tell']})\n",
        "libs/common/src/common/__init__.py": "X = 1\n",
        "libs/common/.dockerignore": "notes.txt\n",
        "libs/common/notes.txt": "private\n",
        "libs/testing/setup.py": "from setuptools import setup\nsetup(name='testing')\n",
    }
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


def test_images_hold_the_folders_that_their_projects_install(fleet: Path, tmp_path: Path) -> None:
    assert cli.run(["build", str(fleet), "--offline", "--quiet", "--output", str(tmp_path / "images")]) == 0
    one, two, common = (content(tmp_path / "images" / name) for name in ("one", "two", "libs-common"))
    for image in (one, two):
        assert image["packages/common/src/common/__init__.py"] == b"X = 1\n"
        assert image[f"{SITE}/__local__.common.pth"] == b"/packages/common/src\n"
        assert b"Name: common\nVersion: 1.5\n" in image[f"{SITE}/common-1.5.dist-info/METADATA"]
        assert b"from common import tell" in image[f"{ENVIRONMENT_ROOT[1:]}/bin/tell"]
        assert "packages/common/notes.txt" not in image
        assert not any("testing" in path for path in image)  # a group that the image is without
    assert common[f"{SITE}/__local__.common.pth"] == b"/app/src\n"
    assert not any(path.startswith("packages/") for path in common)
    shared = {path for path in one.keys() & two.keys() if path.startswith("sha256:")}
    assert len(shared) == 2  # the empty environment, and the folder


def test_a_change_in_the_folder_changes_the_images_that_hold_it(fleet: Path, tmp_path: Path) -> None:
    (fleet / "three").mkdir()
    (fleet / "three" / "requirements.txt").write_text("")
    (fleet / "three" / "app.py").write_text("")

    def built(name: str) -> dict[str, str]:
        assert cli.run(["build", str(fleet), "--offline", "--quiet", "--output", str(tmp_path / name)]) == 0
        return {
            layout.name: json.loads((layout / "index.json").read_bytes())["manifests"][0]["digest"]
            for layout in (tmp_path / name).iterdir()
        }

    before = built("before")
    (fleet / "libs/common/src/common/__init__.py").write_text("X = 2\n")
    after = built("after")
    assert {name for name in after if before[name] != after[name]} == {"one", "two", "libs-common"}


def test_the_plan_and_the_generated_files_name_the_folders(fleet: Path, tmp_path: Path) -> None:
    assert cli.run(["plan", str(fleet), "--offline", "--quiet"]) == 0
    images = {one["name"]: one for one in json.loads((fleet / "depdoctor.plan.json").read_text())["images"]}
    row: dict[str, object] = {"name": "common", "version": "1.5", "folder": "libs/common", "source": "src"}
    row["scripts"] = {"tell": "common:tell"}
    assert [images[name].get("local") for name in ("one", "two", "libs-common")] == [[row], [row], [row]]
    assert cli.run(["plan", str(fleet), "--offline", "--quiet", "--check"]) == 0
    assert cli.run(["plan", str(fleet), "--offline", "--quiet", "--base", "base.example/python:3.11"]) == 0
    assert cli.run(["generate", str(fleet), "--quiet", "--output", str(tmp_path / "made")]) == 0
    text = (tmp_path / "made" / "Dockerfile").read_text()
    assert text.count('COPY --link ["libs/common/", "/packages/common/"]') == 1  # one stage for both
    assert text.count(" /packages/ /packages/") == 2
    sources = [line.split()[-2] for line in text.splitlines() if "--from=bundle local/" in line]
    scripts = [one for one in sources if one.endswith("/commands/")]
    assert all("/bin/python\n" in (tmp_path / "made" / one / "tell").read_text() for one in scripts)
    paths = [path for one in sources for path in (tmp_path / "made" / one).glob("*.pth")]
    assert sorted((path.name, path.read_text()) for path in paths) == [
        ("__local__.common.pth", "/app/src\n"),
        ("__local__.common.pth", "/packages/common/src\n"),
        ("__local__.testing.pth", "/app\n"),
    ]
    assert "libs/common/notes.txt" in (tmp_path / "made" / "Dockerfile.dockerignore").read_text().splitlines()


def test_a_folder_that_is_compiled_is_refused_with_the_way_out(fleet: Path) -> None:
    manifest = fleet / "libs/common/setup.py"
    manifest.write_text(manifest.read_text().replace("version='1.5'", "version='1.5', ext_modules=[native]"))
    assert cli.run(["plan", str(fleet), "--offline", "--quiet"]) == 0
    plan = json.loads((fleet / "depdoctor.plan.json").read_text())
    skipped = {one["project"]: one["reason"] for one in plan["skipped"]}
    assert skipped.keys() == {"one", "two"}
    assert skipped["one"].startswith("one/requirements.txt:1: the folder `libs/common` has parts that are compiled")
    assert "uv build --wheel --out-dir wheels libs/common" in skipped["one"]


def test_modules_around_a_project_are_copied_and_told(
    fleet: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {
        "three/requirements.txt": "",
        "three/app.py": "import common, tools\nfrom shared.config import X\n",
        "shared/__init__.py": "",
        "shared/config.py": "X = 3\n",
        "shared/inner/requirements.txt": "",
        "tools.py": "Y = 4\n",
    }
    for path, text in files.items():
        (fleet / path).parent.mkdir(parents=True, exist_ok=True)
        (fleet / path).write_text(text)
    assert cli.run(["scan", str(fleet), "--offline", "--format", "json"]) == 0
    found = [one for one in json.loads(capsys.readouterr().out)["findings"] if one["code"] == "DD513"]
    assert sorted((one["subject"], one["severity"]) for one in found) == [("shared", "note"), ("tools.py", "note")]
    assert cli.run(["build", str(fleet), "--offline", "--quiet", "--output", str(tmp_path / "images")]) == 0
    image = content(tmp_path / "images" / "three")
    assert image["packages/shared/shared/config.py"] == b"X = 3\n"
    assert image["packages/tools/tools.py"] == b"Y = 4\n"
    assert image[f"{SITE}/__local__.shared.pth"] == b"/packages/shared\n"
    assert not any("shared/inner" in path or "dist-info" in path for path in image)
    assert cli.run(["plan", str(fleet), "--offline", "--quiet", "--base", "base.example/python:3.11"]) == 0
    assert cli.run(["generate", str(fleet), "--quiet", "--output", str(tmp_path / "made")]) == 0
    text = (tmp_path / "made" / "Dockerfile").read_text()
    assert 'COPY --link ["shared/", "/packages/shared/shared/"]' in text
    assert '"/packages/shared", "shared/inner"]' in text
    assert 'COPY --link ["tools.py", "/packages/tools/tools.py"]' in text
