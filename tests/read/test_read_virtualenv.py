"""A virtual environment read from its files, as `importlib.metadata` reads it, and as no installer left it."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path

import pytest
import uv
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from depdoctor.model.installed import InstalledDistribution, InstalledEnvironment
from depdoctor.read import read_environment

BACKEND = """
import zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "workshop-1.2.dist-info"
    with zipfile.ZipFile(f"{folder}/workshop-1.2-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}/METADATA", "Metadata-Version: 2.1\\nName: Workshop\\nVersion: 1.2\\n")
        wheel.writestr(f"{name}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("__editable__.workshop-1.2.pth", "/nowhere\\n")
        wheel.writestr(f"{name}/RECORD", f"{name}/METADATA,,\\n{name}/WHEEL,,\\n{name}/RECORD,,\\n")
    return "workshop-1.2-py3-none-any.whl"
"""


def run(*arguments: str | Path) -> None:
    command = [uv.find_uv_bin(), *map(str, arguments), "--offline", "--no-config", "--no-cache"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, index_folder: Path) -> Path:
    """A real virtual environment: packages of the small index, one from a file, one editable, one of old setuptools."""
    root = tmp_path_factory.mktemp("environment")
    run("venv", "--python", sys.executable, root / "venv")
    project = root / "workshop"
    project.mkdir()
    (project / "backend.py").write_text(BACKEND)
    (project / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    wheel = index_folder / "files" / "boardlog-1.8-py3-none-any.whl"
    options = ("--python", root / "venv", "--no-index", "--find-links", index_folder / "files", "--link-mode", "copy")
    run("pip", "install", *options, "formers", "hubclient", "-e", project, wheel)
    packages = site_packages(root / "venv")
    old = packages / "Old_Thing-0.9-py3.11.egg-info"
    old.mkdir()
    (old / "PKG-INFO").write_text(
        "Metadata-Version: 1.0\nName: Old-Thing\nVersion: 0.9\n\nRequires-Dist: not-a-header\n"
    )
    (old / "requires.txt").write_text(
        "numlib>=1.2\n\n[:python_version < '3']\nenum34\n\n[fast]\ntokenkit\n\n[fast:os_name == 'nt']\nwinshell\n"
    )
    (packages / "older-0.1.egg-info").write_text("Metadata-Version: 1.0\nName: older\nVersion: 0.1\nSummary: x\n  y\n")
    (packages / "a_mark.pth").write_text(f"import pathlib; pathlib.Path({str(root / 'mark')!r}).touch()\n")
    return root


def site_packages(venv: Path) -> Path:
    (found,) = venv.glob("lib/python*/site-packages")
    return found


def by_name(environment: InstalledEnvironment) -> dict[str, InstalledDistribution]:
    return {each.name: each for each in environment.distributions}


def test_the_same_as_the_standard_library(environment: Path) -> None:
    read = read_environment(environment, "venv")
    theirs = {
        canonicalize_name(each.name): each
        for each in importlib.metadata.distributions(path=[str(site_packages(environment / "venv"))])
    }
    ours = by_name(read)
    assert len(theirs) >= 7
    assert ours.keys() == theirs.keys()
    for name, other in theirs.items():
        mine = ours[name]
        assert str(mine.version) == other.version
        assert {str(each) for each in mine.requires} == {str(Requirement(each)) for each in other.requires or ()}
        assert mine.requires_python == other.metadata.get("Requires-Python", "")
        if mine.location.endswith(".dist-info"):
            assert mine.installer == (other.read_text("INSTALLER") or "").strip()
            assert mine.requested == (other.read_text("REQUESTED") is not None)
            files = other.files or ()
            assert [each.path for each in mine.files] == [str(each) for each in files]
            assert [each.size_bytes for each in mine.files] == [each.size for each in files]
    assert read.problems == ()


def test_hashes_are_those_of_the_files(environment: Path) -> None:
    packages = site_packages(environment / "venv")
    hashed = [each for each in by_name(read_environment(environment, "venv"))["numlib"].files if each.sha256]
    assert hashed
    for each in hashed:
        content = (packages / each.path).read_bytes()
        assert hashlib.sha256(content).hexdigest() == each.sha256
        assert len(content) == each.size_bytes


def test_what_the_environment_tells_of_itself(environment: Path) -> None:
    read = read_environment(environment, "venv")
    assert read.python == ".".join(map(str, sys.version_info[:3]))
    assert read.home == str(Path(sys.base_prefix, "bin")) or Path(read.home).is_dir()
    assert not read.system_site_packages
    assert read.site_packages == (f"venv/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages",)
    assert not (environment / "mark").exists()


def test_where_packages_come_from(environment: Path) -> None:
    found = by_name(read_environment(environment, "venv"))
    assert found["workshop"].editable
    assert found["workshop"].source == (environment / "workshop").as_uri()
    assert found["boardlog"].source.endswith("/boardlog-1.8-py3-none-any.whl")
    assert not found["boardlog"].editable
    assert found["numlib"].source == ""
    assert found["old-thing"].requested is None


def test_what_was_asked_for_as_its_installer_recorded_it(tmp_path: Path) -> None:
    installed(tmp_path, "asked-1.dist-info", METADATA="Name: asked\nVersion: 1\n", INSTALLER="pip\n", REQUESTED="")
    installed(tmp_path, "drawn-1.dist-info", METADATA="Name: drawn\nVersion: 1\n", INSTALLER="pip\n")
    installed(tmp_path, "silent-1.dist-info", METADATA="Name: silent\nVersion: 1\n")
    found = by_name(read_environment(tmp_path))
    assert {name: each.requested for name, each in found.items()} == {"asked": True, "drawn": False, "silent": None}


def test_a_folder_of_packages_alone(environment: Path) -> None:
    packages = site_packages(environment / "venv")
    alone, within = read_environment(packages), read_environment(environment, "venv")
    assert by_name(alone).keys() == by_name(within).keys()
    assert alone.site_packages == (".",)
    assert "older-0.1.egg-info" in {each.location for each in alone.distributions}


def installed(folder: Path, name: str, **files: str) -> Path:
    info = folder / name
    info.mkdir(parents=True)
    for filename, content in files.items():
        (info / filename.replace("__", ".")).write_text(content)
    return info


def the_one(folder: Path) -> InstalledDistribution:
    (found,) = read_environment(folder).distributions
    return found


def test_a_repository_as_source(tmp_path: Path) -> None:
    url = "https://user:s3cr3t@code.example/a/tool"
    commit = "0123456789abcdef0123456789abcdef01234567"
    data = {"url": url, "vcs_info": {"vcs": "git", "commit_id": commit}, "subdirectory": "python"}
    installed(tmp_path, "tool-1.dist-info", METADATA="Name: tool\nVersion: 1\n", direct_url__json=json.dumps(data))
    assert the_one(tmp_path).source == f"git+https://code.example/a/tool@{commit}#subdirectory=python"


def test_a_name_that_only_the_folder_tells(tmp_path: Path) -> None:
    installed(tmp_path, "half_a_tool-1.5.dist-info", RECORD="half/__init__.py,,\n")
    read = read_environment(tmp_path)
    assert [(each.name, str(each.version)) for each in read.distributions] == [("half-a-tool", "1.5")]
    assert [problem.location.path for problem in read.problems] == ["half_a_tool-1.5.dist-info/METADATA"]


def test_remains_and_doubles_are_told(tmp_path: Path) -> None:
    for version in ("1", "2"):
        installed(tmp_path, f"twice-{version}.dist-info", METADATA=f"Name: twice\nVersion: {version}\n")
    installed(tmp_path, "~umpy-1.dist-info", METADATA="Name: numpy\nVersion: 1\n")
    (tmp_path / "linked.egg-link").write_text("/home/someone/linked\n.\n")
    (tmp_path / "packed-1-py3.9.egg").write_bytes(b"PK")
    read = read_environment(tmp_path)
    assert [each.name for each in read.distributions] == ["linked", "twice", "twice"]
    assert {problem.location.path for problem in read.problems} == {
        "twice-2.dist-info", "~umpy-1.dist-info", "linked.egg-link", "packed-1-py3.9.egg",
    }  # fmt: skip


def test_broken_parts_cost_only_themselves(tmp_path: Path) -> None:
    installed(
        tmp_path,
        "tool-1.dist-info",
        METADATA="Name: tool\nVersion: one\nRequires-Dist: good>=1\nRequires-Dist: not good\n",
        direct_url__json="[" * 100_000,
        RECORD='a.py,sha256=short,12\nb.py,,many\n"' + "x" * 200_000,
    )
    read = read_environment(tmp_path)
    (found,) = read.distributions
    assert found.version is None
    assert [str(each) for each in found.requires] == ["good>=1"]
    assert [(each.path, each.sha256, each.size_bytes) for each in found.files] == [("a.py", "", 12), ("b.py", "", None)]
    assert len(read.problems) == 4


def test_no_link_leads_out(tmp_path: Path) -> None:
    outside = installed(tmp_path / "elsewhere", "secret-1.dist-info", METADATA="Name: secret\nVersion: 1\n")
    packages = tmp_path / "root" / "site-packages"
    installed(packages, "tool-1.dist-info").joinpath("METADATA").symlink_to(outside / "METADATA")
    (packages / "secret-1.dist-info").symlink_to(outside)
    read = read_environment(tmp_path / "root", "site-packages")
    assert "outside" in {problem.kind for problem in read.problems}
    assert all(each.requires == () and each.files == () for each in read.distributions)
    assert "Name: secret" not in repr(read)


def test_no_environment_at_all(tmp_path: Path) -> None:
    for path in (".", "missing", "../.."):
        read = read_environment(tmp_path, path)
        assert read.distributions == ()
        assert read.problems


PARTS = st.sampled_from(["METADATA", "RECORD", "direct_url.json", "INSTALLER", "PKG-INFO", "requires.txt"])
FOLDERS = st.sampled_from(["a-1.dist-info", "-.dist-info", ".dist-info", "b.egg-info", "c-1.egg/EGG-INFO"])
LINES = st.lists(
    st.sampled_from(
        [
            *(
                "Name: a",
                "Name: a",
                "Version: 1",
                "Version: x",
                "Requires-Dist: b ; extra == 'c'",
                "Requires-Dist: (",
                "",
            ),
            *(
                "  folded",
                ":",
                "\x00",
                "[x:",
                "[:python_version < '3']",
                "b>=1",
                "a,sha256=-,1",
                '"',
                "{",
                '{"url": 1}',
            ),
            *('{"url": "a", "vcs_info": {}}', "Name: =?utf-8?q?=ff?=", "Metadata-Version: 9", "\ud7ff"),
        ]
    ),
    max_size=8,
).map("\n".join)


@given(files=st.lists(st.tuples(FOLDERS, PARTS, st.one_of(LINES.map(str.encode), st.binary(max_size=60))), max_size=5))
@settings(max_examples=120, deadline=None)
def test_anything_installed_is_read(
    files: list[tuple[str, str, bytes]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("any") / "site-packages"
    root.mkdir()
    for folder, name, content in files:
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder / name).write_bytes(content)
    read = read_environment(root.parent, "site-packages")
    told = {problem.location.path.split("/")[1] for problem in read.problems}
    seen = {each.location.split("/")[1] for each in read.distributions} | told
    assert {folder.partition("/")[0] for folder, _, _ in files} <= seen | {""}
