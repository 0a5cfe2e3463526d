"""Whole projects: includes, groups, encodings, and staying inside the root."""

from __future__ import annotations

from pathlib import Path

import pytest

from depdoctor.discover import discover
from depdoctor.model.reading import Reading
from depdoctor.read import read
from depdoctor.read.files import LARGEST_BYTES


def write(root: Path, files: dict[str, str | bytes]) -> None:
    for path, content in files.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)


def reading(root: Path, files: dict[str, str | bytes], name: str = "app") -> Reading:
    write(root, files)
    (project,) = (project for project in discover(root) if project.name == name)
    return read(project, root)


def required(reading: Reading) -> list[tuple[str, str, str]]:
    return [
        (str(declared.requirement), declared.group, str(declared.location))
        for manifest in reading.manifests
        for declared in manifest.requirements
    ]


def problems(reading: Reading) -> list[tuple[str, str]]:
    return [(problem.kind, str(problem.location)) for manifest in reading.manifests for problem in manifest.problems]


def test_what_lies_outside_is_read_where_that_is_allowed(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "base.txt": "b\n-r more.txt\n",
            "more.txt": "c\n",
            "root/app/requirements.txt": f"a\n-r ../../base.txt\n-r link.txt\n-c {tmp_path}/limits.txt\n",
            "limits.txt": "c<2\n",
            "linked.txt": "d\n",
        },
    )
    (tmp_path / "root/app/link.txt").symlink_to(tmp_path / "linked.txt")
    (project,) = discover(tmp_path / "root")
    refused = read(project, tmp_path / "root")
    assert [one.name for manifest in refused.manifests for one in manifest.requirements] == ["a"]
    assert sorted(problems(refused)) == [("outside", f"app/requirements.txt:{line}") for line in (2, 3, 4)]
    allowed = read(project, tmp_path / "root", outside_allowed=True)
    assert sorted(one.name for manifest in allowed.manifests for one in manifest.requirements) == ["a", "b", "c", "d"]
    assert [str(one.requirement) for manifest in allowed.manifests for one in manifest.constraints] == ["c<2"]
    assert problems(allowed) == []


def test_files_of_one_folder_are_groups(tmp_path: Path) -> None:
    found = reading(
        tmp_path,
        {
            "app/requirements.txt": "a\n",
            "app/requirements-dev.txt": "-r requirements.txt\nb\n",
            "app/requirements_gpu.txt": "c\n",
            "app/test-requirements.txt": "d\n",
            "app/requirements/docs.txt": "e\n",
        },
    )
    assert required(found) == [
        ("a", "", "app/requirements.txt:1"),
        ("b", "dev", "app/requirements-dev.txt:2"),
        ("e", "docs", "app/requirements/docs.txt:1"),
        ("c", "gpu", "app/requirements_gpu.txt:1"),
        ("d", "test", "app/test-requirements.txt:1"),
    ]


@pytest.mark.parametrize(
    ("beside", "group"), [("requirements.txt", "train"), ("environment.yml", "train"), ("pyproject.toml", "")]
)
def test_an_environment_file_of_another_name_is_another_environment(tmp_path: Path, beside: str, group: str) -> None:
    texts = {
        "requirements.txt": "a==1\n",
        "environment.yml": "dependencies: [{pip: [a==1]}]\n",
        "pyproject.toml": '[project]\nname = "app"\nversion = "1"\ndependencies = ["a==1"]\n',
    }
    train = "dependencies:\n- libx=1\n- pip:\n  - a==2\n"
    found = reading(tmp_path, {f"app/{beside}": texts[beside], "app/train_env.yaml": train})
    assert {(name, place.partition(":")[0]): where for name, where, place in required(found)} == {
        ("a==1", f"app/{beside}"): "",
        ("a==2", "app/train_env.yaml"): group,
    }
    assert [one.group for manifest in found.manifests for one in manifest.conda] == [group]


@pytest.mark.parametrize(
    ("environment", "group"),
    [
        ("dependencies: [python=3.11, pip, {pip: [a==2, b==2, d]}]\n", "conda"),
        ("dependencies: [a=2, b=2]\n", "conda"),
        ("dependencies: [cudatoolkit=11, ffmpeg, git, {pip: [a==1]}]\n", ""),
        ("dependencies: [python=3.11, {pip: [a==2, b==2, -r requirements.txt]}]\n", ""),
    ],
)
def test_an_environment_file_that_lists_the_same_is_another_way_to_install_it(
    tmp_path: Path, environment: str, group: str
) -> None:
    found = reading(tmp_path, {"app/requirements.txt": "a==1\nb==1\nc==1\n", "app/environment.yml": environment})
    other = next(manifest for manifest in found.manifests if manifest.path == "app/environment.yml")
    assert len(other.requirements) == environment.count("==") + environment.count(", d]")
    assert {one.group for one in (*other.requirements, *other.conda)} == {group}


def test_a_file_in_parts_is_read_once(tmp_path: Path) -> None:
    found = reading(
        tmp_path,
        {
            "app/requirements.txt": "-r requirements/base.txt\n",
            "app/requirements/base.txt": "a\n",
            "app/requirements/test.txt": "t\n",
            "app/requirements/dev.txt": "-r base.txt\n-r test.txt\nd\n",
        },
    )
    assert required(found) == [
        ("a", "", "app/requirements/base.txt:1"),
        ("d", "dev", "app/requirements/dev.txt:3"),
        ("t", "dev", "app/requirements/test.txt:1"),
        ("t", "test", "app/requirements/test.txt:1"),
    ]


def test_a_projects_only_file_is_its_default_group(tmp_path: Path) -> None:
    assert required(reading(tmp_path, {"app/requirements_rag.txt": "a\n"})) == [("a", "", "app/requirements_rag.txt:1")]


def test_constraints_constrain(tmp_path: Path) -> None:
    found = reading(
        tmp_path, {"app/requirements.txt": "-c ../shared/limits.txt\na\n", "shared/limits.txt": "a<2\nb<3\n"}
    )
    assert required(found) == [("a", "", "app/requirements.txt:2")]
    assert [str(declared.requirement) for manifest in found.manifests for declared in manifest.constraints] == [
        "a<2",
        "b<3",
    ]


def test_files_know_the_groups_that_draw_them_in(tmp_path: Path) -> None:
    found = reading(
        tmp_path,
        {
            "app/requirements.txt": "a\n",
            "app/requirements-dev.txt": "-r more.txt\n-e ../lib\n-r gone.txt\n",
            "app/more.txt": "b\n",
            "app/requirements-test.txt": b"\x00\x01",
            "lib/pyproject.toml": "[project]\nname = 'lib'\ndependencies = ['c']\n",
        },
    )
    assert {manifest.path: manifest.groups for manifest in found.manifests} == {
        "app/requirements.txt": ("",),
        "app/requirements-dev.txt": ("dev",),
        "app/more.txt": ("dev",),
        "lib/pyproject.toml": ("dev",),
    }
    assert {include.group for manifest in found.manifests for include in manifest.includes} == {"dev"}
    assert [(one.path, one.groups) for one in found.unreadable] == [("app/requirements-test.txt", ("test",))]


def test_cycles_are_told(tmp_path: Path) -> None:
    found = reading(tmp_path, {"app/requirements.txt": "-r more.txt\na\n", "app/more.txt": "-r requirements.txt\nb\n"})
    assert [entry[0] for entry in required(found)] == ["a", "b"]
    assert problems(found) == [("cycle", "app/more.txt:1")]


def test_a_missing_include_is_told(tmp_path: Path) -> None:
    found = reading(tmp_path, {"app/requirements.txt": "a\n-r gone.txt\n"})
    assert problems(found) == [("missing", "app/requirements.txt:2")]
    assert found.unreadable == ()


def test_symlinks_do_not_lead_out(tmp_path: Path) -> None:
    write(tmp_path, {"outside/secret.txt": "secret-package\n", "root/app/requirements.txt": "-r link.txt\na\n"})
    (tmp_path / "root/app/link.txt").symlink_to(tmp_path / "outside/secret.txt")
    (tmp_path / "root/app/requirements-dev.txt").symlink_to(tmp_path / "outside/secret.txt")
    found = reading(tmp_path / "root", {})
    assert "secret-package" not in repr(found)
    assert problems(found) == [("outside", "app/requirements.txt:1")]
    assert [(entry.path, entry.problem.kind) for entry in found.unreadable] == [("app/requirements-dev.txt", "outside")]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-32", "utf-8"])
def test_encodings_with_a_mark(tmp_path: Path, encoding: str) -> None:
    found = reading(tmp_path, {"app/requirements.txt": "# für Größe\r\na==1\r\n".encode(encoding)})
    assert required(found) == [("a==1", "", "app/requirements.txt:2")]
    assert problems(found) == []


def test_a_declared_encoding(tmp_path: Path) -> None:
    found = reading(tmp_path, {"app/requirements.txt": "# -*- coding: latin-1 -*-\na # für\n".encode("latin-1")})
    assert required(found) == [("a", "", "app/requirements.txt:2")]
    assert problems(found) == []


def test_a_legacy_encoding_is_told(tmp_path: Path) -> None:
    found = reading(tmp_path, {"app/requirements.txt": "a # für\n".encode("cp1252")})
    assert required(found) == [("a", "", "app/requirements.txt:1")]
    assert problems(found) == [("encoding", "app/requirements.txt")]


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("requirements.txt", b"\x89PNG\r\n\x00\x00", 0),
        ("requirements.txt", b"# coding: no-such-codec\na\n", 0),
        ("requirements.txt", b"\xff\xfea", 0),
        ("requirements.txt", b"a" * (LARGEST_BYTES + 1), 0),
        ("pyproject.toml", b"[project]\nname = 'x'\nbroken\n", 3),
        ("uv.lock", b"[[package]]\nname = 'x'\n", 0),
        ("uv.lock", b"version = 1\n\n[[package]]\nname = 'x'\nversion = 'what'\nsource = {}\n", 3),
        ("pylock.toml", b"lock-version = '1.0'\ncreated-by = 'me'\n[[packages]]\nname = 'X Y'\n", 4),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path: Path, name: str, content: bytes, line: int) -> None:
    found = reading(tmp_path, {f"app/{name}": content})
    (unreadable,) = found.unreadable
    assert found.manifests == ()
    assert unreadable.path == f"app/{name}"
    assert unreadable.problem.location.line == line
    assert unreadable.problem.reason


def test_a_compiled_file_is_the_lock_of_what_is_declared(tmp_path: Path) -> None:
    found = reading(
        tmp_path,
        {"app/requirements.in": "a>=1\n", "app/requirements.txt": "a==1 --hash=sha256:aa\nb==2 --hash=sha256:bb\n"},
    )
    assert required(found) == [("a>=1", "", "app/requirements.in:1")]
    assert [manifest.path for manifest in found.manifests if manifest.is_lock] == ["app/requirements.txt"]


def test_a_compiled_file_beside_a_pyproject(tmp_path: Path) -> None:
    found = reading(
        tmp_path,
        {
            "app/pyproject.toml": "[project]\nname = 'app'\ndependencies = ['a>=1']\n",
            "app/requirements.txt": "a==1 --hash=sha256:aa\nb==2 --hash=sha256:bb\n",
        },
    )
    assert required(found) == [("a>=1", "", "app/pyproject.toml:3")]


def test_a_lock_alone_declares_what_it_pins(tmp_path: Path) -> None:
    found = reading(tmp_path, {"app/requirements.txt": "a==1 --hash=sha256:aa\n"})
    assert required(found) == [("a==1", "", "app/requirements.txt:1")]


def test_a_folder_that_is_required_counts(tmp_path: Path) -> None:
    found = reading(
        tmp_path,
        {
            "app/requirements.txt": "-e ../lib[fast]\na\n",
            "lib/pyproject.toml": "[project]\nname = 'lib'\ndependencies = ['b']\n"
            "[project.optional-dependencies]\nfast = ['c']\nslow = ['d']\n",
        },
    )
    assert required(found) == [
        ("a", "", "app/requirements.txt:2"),
        ("b", "", "lib/pyproject.toml:3"),
        ("c", "", "lib/pyproject.toml:5"),
    ]


def test_an_own_extra_may_be_part_of_what_runs(tmp_path: Path) -> None:
    found = reading(
        tmp_path,
        {
            "app/requirements.txt": "-e .[gpu]\n",
            "app/pyproject.toml": "[project]\nname = 'app'\ndependencies = ['b']\n"
            "[project.optional-dependencies]\ngpu = ['c']\n",
        },
    )
    assert required(found) == [
        ("b", "", "app/pyproject.toml:3"),
        ("c", "extra:gpu", "app/pyproject.toml:5"),
        ("c", "", "app/pyproject.toml:5"),
    ]


def test_folders_that_require_one_another(tmp_path: Path) -> None:
    manifest = "[project]\nname = '{0}'\ndependencies = ['x-{0}', '{1} @ ../{1}']\n"
    found = reading(
        tmp_path,
        {"app/pyproject.toml": manifest.format("app", "lib"), "lib/pyproject.toml": manifest.format("lib", "app")},
    )
    assert [entry[0] for entry in required(found)] == ["x-app", "x-lib"]


WORKSPACE = {
    "pyproject.toml": "[project]\nname = 'top'\nversion = '1'\n[tool.uv.workspace]\nmembers = ['packages/*']\n",
    "uv.lock": "version = 1\n"
    "[[package]]\nname = 'top'\nversion = '1'\nsource = { virtual = '.' }\n"
    "[[package]]\nname = 'one'\nversion = '1'\nsource = { editable = 'packages/one' }\n",
    "packages/one/pyproject.toml": "[project]\nname = 'one'\ndependencies = ['two', 'x']\n"
    "[tool.uv.sources]\ntwo = { workspace = true }\n",
    "packages/two/pyproject.toml": "[project]\nname = 'two'\ndependencies = ['y']\n",
}


def test_a_workspace_member_knows_its_siblings_and_its_place_in_the_lock(tmp_path: Path) -> None:
    found = reading(tmp_path, WORKSPACE, "packages/one")
    assert [entry[0] for entry in required(found)] == ["x", "y"]
    (lock,) = (manifest for manifest in found.manifests if manifest.is_lock)
    assert lock.path == "uv.lock"
    assert [package.name for package in lock.packages if package.is_root] == ["one"]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"app/.python-version": "3.12.1\n"}, "3.12"),
        ({".python-version": "# all\n3.10\n"}, "3.10"),
        ({"app/.python-version": "pypy3.9\n", "app/runtime.txt": "python-3.11.4"}, "3.11"),
        ({"app/.python-version": "cpython@3.13"}, "3.13"),
        ({}, ""),
    ],
)
def test_python(tmp_path: Path, files: dict[str, str | bytes], expected: str) -> None:
    assert reading(tmp_path, {"app/requirements.txt": "a\n", **files}).python == expected


def test_nothing_is_executed(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    code = f"open({str(mark)!r}, 'w').close()\n"
    reading(
        tmp_path,
        {
            "app/requirements.txt": "-e .\na\n",
            **{f"app/{name}": code for name in ("setup.py", "conftest.py", "app.py", "sitecustomize.py", "x.pth")},
        },
    )
    assert not mark.exists()


def test_a_dockerfile_is_a_group_of_its_own(tmp_path: Path) -> None:
    found = reading(
        tmp_path,
        {
            "app/requirements.txt": "a\n",
            "app/more.txt": "m\n",
            "app/Dockerfile": "FROM python:3.12\nCOPY requirements.txt more.txt ./\n"
            "RUN pip install -r requirements.txt -r more.txt b\n",
            "app/docker/Dockerfile.gpu": "FROM base\nCOPY requirements.txt .\nRUN pip install -r requirements.txt c\n",
        },
    )
    assert required(found) == [
        ("a", "", "app/requirements.txt:1"),
        ("b", "image", "app/Dockerfile:3"),
        ("m", "image", "app/more.txt:1"),
        ("c", "image-docker-gpu", "app/docker/Dockerfile.gpu:3"),
    ]
    assert found.python == "3.12"
    assert problems(found) == []


def test_setup_py_tells_what_pyproject_leaves_open(tmp_path: Path) -> None:
    found = reading(
        tmp_path,
        {
            "app/pyproject.toml": "[project]\nname = 'app'\ndynamic = ['dependencies']\n",
            "app/setup.py": "setup(install_requires=['a'])\n",
        },
    )
    assert required(found) == [("a", "", "app/setup.py:1")]
    assert problems(found) == []


def test_setup_py_is_overruled_by_pyproject(tmp_path: Path) -> None:
    found = reading(
        tmp_path,
        {
            "app/pyproject.toml": "[project]\nname = 'app'\ndependencies = ['b']\n",
            "app/setup.py": "setup(install_requires=['a'])\n",
        },
    )
    assert required(found) == [("b", "", "app/pyproject.toml:3")]


def test_a_poetry_lock_gets_its_project_for_a_root(tmp_path: Path) -> None:
    found = reading(
        tmp_path,
        {
            "app/pyproject.toml": "[tool.poetry]\nname = 'app'\n[tool.poetry.dependencies]\na = '^1'\n",
            "app/poetry.lock": "[[package]]\nname = 'a'\nversion = '1.2'\n[metadata]\nlock-version = '2.0'\n",
        },
    )
    (lock,) = (manifest for manifest in found.manifests if manifest.is_lock)
    root = lock.packages[0]
    assert (root.is_root, root.source, [str(edge) for edge in root.requires or ()]) == (True, "./app", ["a<2,>=1"])
