"""What is a project and what is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from depdoctor.discover import discover, survey
from depdoctor.errors import UsageError


def tree(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("a\n")
    return root


def put(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def names(root: Path, exclude: tuple[str, ...] = ()) -> list[str]:
    return [project.name for project in discover(root, exclude)]


def test_a_folder_with_a_manifest_is_a_project(tmp_path: Path) -> None:
    tree(tmp_path, "a/requirements.txt", "b/c/uv.lock", "b/c/d/requirements-dev.in", "e/notes.txt", "f/pylock.gpu.toml")
    projects = discover(tmp_path)
    assert [(project.name, project.root, project.manifests) for project in projects] == [
        ("a", "a", ("a/requirements.txt",)),
        ("b/c", "b/c", ("b/c/uv.lock",)),
        ("b/c/d", "b/c/d", ("b/c/d/requirements-dev.in",)),
        ("f", "f", ("f/pylock.gpu.toml",)),
    ]
    assert projects[0].reason == "has requirements.txt"


def test_the_root_is_named_after_its_folder(tmp_path: Path) -> None:
    root = tmp_path / "fleet"
    tree(root, "requirements.txt", "a/requirements.txt")
    assert [(project.name, project.root) for project in discover(root)] == [("a", "a"), ("fleet", ".")]


def test_files_of_a_folder_are_one_project(tmp_path: Path) -> None:
    tree(
        tmp_path, "a/requirements.txt", "a/requirements-dev.txt", "a/requirements/gpu.txt", "a/requirements/x/note.txt"
    )
    (project,) = discover(tmp_path)
    assert project.manifests == ("a/requirements-dev.txt", "a/requirements.txt", "a/requirements/gpu.txt")


@pytest.mark.parametrize(
    "inside",
    [".git", "node_modules", "__pycache__", ".tox", ".venv", "x/.mypy_cache", "lib/python3.11/site-packages"],
)
def test_what_is_never_looked_at(tmp_path: Path, inside: str) -> None:
    tree(tmp_path, f"{inside}/x/requirements.txt", "a/requirements.txt")
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("mark", ["pyvenv.cfg", "CACHEDIR.TAG", "conda-meta/history"])
def test_environments_and_caches_are_known_by_their_marks(tmp_path: Path, mark: str) -> None:
    tree(tmp_path, f"env/{mark}", "env/share/requirements.txt", "a/requirements.txt")
    assert names(tmp_path) == ["a"]


def test_ignore_files_count_from_their_folder_down(tmp_path: Path) -> None:
    tree(tmp_path, *(f"{folder}/requirements.txt" for folder in ("a", "a/out", "b/out", "b/out2", "c/keep", "c/drop")))
    put(tmp_path, ".gitignore", "/b/out2/\nc/*\n")
    put(tmp_path, "a/.gitignore", "out\n")
    put(tmp_path, "c/.gitignore", "!keep/\n")
    assert names(tmp_path) == ["a", "b/out", "c/keep"]


def test_files_are_ignored_too(tmp_path: Path) -> None:
    tree(tmp_path, "a/requirements.txt", "a/requirements-dev.txt", "a/x.py", "a/y.py")
    put(tmp_path, ".gitignore", "requirements-dev.txt\ny.py\n")
    (project,) = discover(tmp_path)
    assert (project.manifests, project.sources) == (("a/requirements.txt",), ("a/x.py",))


def test_exclude(tmp_path: Path) -> None:
    tree(tmp_path, "a/requirements.txt", "third_party/x/requirements.txt", "b/third_party/requirements.txt")
    assert names(tmp_path, ("/third_party/**",)) == ["a", "b/third_party"]
    assert names(tmp_path, ("third_party",)) == ["a"]


def test_a_pattern_made_to_take_for_ever_is_left_out(tmp_path: Path) -> None:
    tree(tmp_path, f"{'a' * 200}/requirements.txt")
    put(tmp_path, ".gitignore", "*a" * 60 + "b\n")
    assert names(tmp_path) == ["a" * 200]


def test_symlinks_to_folders_are_not_followed(tmp_path: Path) -> None:
    tree(tmp_path, "root/a/requirements.txt", "elsewhere/b/requirements.txt")
    (tmp_path / "root/out").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "root/a/loop").symlink_to(tmp_path / "root")
    assert names(tmp_path / "root") == ["a"]


def test_only_files_are_manifests(tmp_path: Path) -> None:

    (tmp_path / "a/requirements.txt").mkdir(parents=True)
    (tmp_path / "b").mkdir()
    os.mkfifo(tmp_path / "b/requirements.txt")
    (tmp_path / "c").mkdir()
    (tmp_path / "c/requirements.txt").symlink_to("gone.txt")
    assert names(tmp_path) == []


def test_sources_belong_to_the_nearest_project(tmp_path: Path) -> None:
    tree(tmp_path, "a/requirements.txt", "a/x.py", "a/src/y.py", "a/b/requirements.txt", "a/b/z.py", "loose.py")
    assert [project.sources for project in discover(tmp_path)] == [("a/src/y.py", "a/x.py"), ("a/b/z.py",)]


@pytest.mark.parametrize(
    ("text", "is_project"),
    [
        ("[tool.ruff]\nline-length = 100\n", False),
        ("", False),
        ("[project]\nname = 'a'\n", True),
        ("[tool.poetry]\nname = 'a'\n", True),
        ("[dependency-groups]\ndev = []\n", True),
        ("project.name = 'a'\n", True),
        ("this is {{ no TOML", True),
    ],
)
def test_settings_of_tools_make_no_project(tmp_path: Path, text: str, is_project: bool) -> None:
    put(tmp_path, "a/pyproject.toml", text)
    assert names(tmp_path) == (["a"] if is_project else [])


def test_a_file_that_only_includes_other_projects_is_no_project(tmp_path: Path) -> None:
    tree(tmp_path, "a/requirements.txt", "b/requirements.txt")
    put(tmp_path, "requirements.txt", "# all of them\n-r a/requirements.txt\n-r b/requirements.txt  # two\n")
    assert names(tmp_path) == ["a", "b"]


@pytest.mark.parametrize("extra", ["numpy\n", "-r parts.txt\n", "--index-url https://index.example\n"])
def test_a_file_that_does_more_than_include_is_one(tmp_path: Path, extra: str) -> None:
    root = tmp_path / "fleet"
    tree(root, "a/requirements.txt", "parts.txt")
    put(root, "requirements.txt", f"-r a/requirements.txt\n{extra}")
    assert names(root) == ["a", "fleet"]


def test_a_file_that_includes_its_own_parts_is_one(tmp_path: Path) -> None:
    tree(tmp_path, "a/requirements/base.txt")
    put(tmp_path, "a/requirements.txt", "-r requirements/base.txt\n")
    (project,) = discover(tmp_path)
    assert project.manifests == ("a/requirements.txt", "a/requirements/base.txt")


def test_workspace_members_share_the_lock(tmp_path: Path) -> None:
    put(
        tmp_path,
        "w/pyproject.toml",
        "[tool.uv.workspace]\nmembers = ['packages/*', 'deep/**/lib']\nexclude = ['packages/old']\n",
    )
    put(tmp_path, "w/uv.lock", "version = 1\n")
    for folder in ("packages/one", "packages/old", "packages/one/inner", "deep/lib", "deep/x/y/lib"):
        put(tmp_path, f"w/{folder}/pyproject.toml", "[project]\nname = 'x'\n")
    projects = {project.name: project for project in discover(tmp_path)}
    members = {name for name, project in projects.items() if project.workspace}
    assert "w" not in projects
    assert members == {"w/packages/one", "w/deep/lib", "w/deep/x/y/lib"}
    one = projects["w/packages/one"]
    assert one.manifests == ("w/packages/one/pyproject.toml", "w/uv.lock")
    assert one.reason == "has pyproject.toml; shares w/uv.lock"


@pytest.mark.parametrize("missing", ["nowhere", "file.txt"])
def test_a_root_that_is_no_folder(tmp_path: Path, missing: str) -> None:
    (tmp_path / "file.txt").touch()
    with pytest.raises(UsageError, match="is not a folder"):
        discover(tmp_path / missing)


def test_an_empty_folder_has_no_project(tmp_path: Path) -> None:
    assert discover(tmp_path) == ()


def test_dockerfiles_belong_to_the_project_around_them(tmp_path: Path) -> None:
    for path in ("a/docker/Dockerfile", "a/Dockerfile.gpu", "b/Dockerfile"):
        put(tmp_path, path, "FROM base\nRUN pip install x\n")
    put(tmp_path, "web/Dockerfile", "FROM node\nRUN npm install\n")
    tree(tmp_path, "a/requirements.txt")
    assert [(project.name, project.manifests) for project in discover(tmp_path)] == [
        ("a", ("a/Dockerfile.gpu", "a/requirements.txt", "a/docker/Dockerfile")),
        ("b", ("b/Dockerfile",)),
    ]


@pytest.mark.parametrize(
    ("name", "text", "is_project"),
    [
        ("setup.py", "from setuptools import setup\nsetup()\n", True),
        ("setup.py", "print('prepares data')\n", False),
        ("setup.cfg", "[metadata]\nname = x\n", True),
        ("setup.cfg", "[flake8]\nignore = E\n", False),
        ("environment.yml", "name: x\ndependencies:\n- a\n", True),
        ("conda_env.yaml", "dependencies: []\n", True),
        ("env.yaml", "stage: production\n", False),
        ("config.yaml", "model_name: x\n", True),
        ("config.yaml", "learning_rate: 1\n", False),
        ("cog.yaml", "build: {}\n", True),
        ("Pipfile", "", True),
    ],
)
def test_common_names_are_looked_into(tmp_path: Path, name: str, text: str, is_project: bool) -> None:
    put(tmp_path, f"a/{name}", text)
    assert names(tmp_path) == (["a"] if is_project else [])


def passed_over(root: Path, exclude: tuple[str, ...] = ()) -> dict[str, str]:
    return {one.path: one.reason for one in survey(root, exclude).passed_over}


@pytest.mark.parametrize(
    ("path", "text", "why"),
    [
        ("a/pyproject.toml", "[tool.ruff]\n", "only configures tools"),
        ("a/setup.py", "print()\n", "calls no setup()"),
        ("a/setup.cfg", "[flake8]\n", "has neither [metadata] nor [options]"),
        ("a/environment.yml", "services: []\n", "has no `dependencies`"),
        ("a/Dockerfile", "FROM node:20\nRUN npm ci\n", "installs nothing of Python, and lies in no project"),
    ],
)
def test_what_is_no_manifest_is_told(tmp_path: Path, path: str, text: str, why: str) -> None:
    put(tmp_path, path, text)
    assert names(tmp_path) == []
    assert passed_over(tmp_path) == {path: why}


def test_a_common_name_is_worth_no_word(tmp_path: Path) -> None:
    put(tmp_path, "a/config.yaml", "threads: 4\n")
    assert passed_over(tmp_path) == {}


def test_collectors_symlinks_and_what_is_left_out_are_told(tmp_path: Path) -> None:
    tree(tmp_path, "a/requirements.txt", "a/requirements-old.txt", "b/requirements.txt", "c/requirements.txt")
    put(tmp_path, "requirements.txt", "-r a/requirements.txt\n-r b/requirements.txt\n")
    put(tmp_path, ".gitignore", "requirements-old.txt\n")
    (tmp_path / "latest").symlink_to("a")
    (tmp_path / "gone").symlink_to("nowhere")
    assert passed_over(tmp_path, ("c/*",)) == {
        "a/requirements-old.txt": "is left out by a .gitignore",
        "c/requirements.txt": "is left out by `exclude` of the configuration",
        "latest": "is a symlink to a folder, which is not followed",
        "requirements.txt": "only draws in a/requirements.txt, b/requirements.txt, which are read where they lie",
    }


def test_environments_are_told_where_they_are(tmp_path: Path) -> None:
    tree(tmp_path, ".venv/pyvenv.cfg", "a/env/pyvenv.cfg", "b/conda-meta/history", ".conda/lib/x", "c/requirements.txt")
    assert survey(tmp_path).environments == (".venv", "a/env", "b")
    assert survey(tmp_path / "a/env").environments == (".",)
    tree(tmp_path, "packages/six.dist-info/METADATA")
    assert survey(tmp_path / "packages").environments == (".",)


def test_an_environment_made_in_the_folder_of_a_project_hides_no_project(tmp_path: Path) -> None:
    tree(tmp_path, "a/requirements.txt", "a/pyvenv.cfg", "a/lib/x/requirements.txt", "a/src/b/requirements.txt")
    found = survey(tmp_path)
    assert [project.name for project in found.projects] == ["a", "a/src/b"]
    assert found.environments == ("a",)


@pytest.mark.parametrize(
    ("name", "text", "is_one"),
    [
        ("dockerfile.py", 'from pathlib import Path\n\nTEXT = """RUN pip install x\nFROM-ish"""\n', False),
        ("Dockerfile.md", "# How our images are built\n\nWe use pip.\n", False),
        ("Dockerfile", "from python:3.11-slim as base\nrun pip install x\n", True),
        ("Dockerfile.gpu", "ARG BASE\r\nFROM --platform=$P ${BASE} AS b\r\nRUN pip install x\r\n", True),
        ("Dockerfile.odd", "FROM Apache Spark 3.4.1\nRUN pip install x\n", True),
    ],
)
def test_what_begins_no_image_is_no_dockerfile(tmp_path: Path, name: str, text: str, is_one: bool) -> None:
    put(tmp_path, f"a/{name}", text)
    found = survey(tmp_path)
    assert [project.manifests for project in found.projects] == ([(f"a/{name}",)] if is_one else [])
    assert [(one.path, one.reason) for one in found.passed_over] == ([] if is_one else [(f"a/{name}", "has no FROM")])


def test_a_dockerfile_belongs_to_the_project_whose_files_it_copies(tmp_path: Path) -> None:
    root = tmp_path / "fleet"
    tree(root, "requirements.txt", "asr/requirements.txt", "tts/requirements.txt")
    put(root, "docker/asr.Dockerfile", "FROM python:3.11\nCOPY --chown=1:1 asr/requirements.txt ./\n")
    put(root, "docker/all.Dockerfile", "FROM python:3.11\nCOPY asr/requirements.txt tts/requirements.txt ./\n")
    put(root, "build/Dockerfile", 'FROM python:3.11\nadd ["requirements.txt", "/"]\n')
    found = {project.name: project for project in discover(root)}
    assert found["asr"].manifests == ("asr/requirements.txt", "docker/asr.Dockerfile")
    assert found["asr"].reason == "has requirements.txt; docker/asr.Dockerfile copies asr/requirements.txt"
    assert found["docker"].manifests == ("docker/all.Dockerfile",)
    assert found["fleet"].manifests == ("requirements.txt", "build/Dockerfile")
    assert found["tts"].manifests == ("tts/requirements.txt",)


def test_what_was_generated_is_no_project(tmp_path: Path) -> None:
    tree(tmp_path, "api/requirements.txt")
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "Dockerfile").write_text("# Made by `depdoctor generate`; make it again\nFROM a\nRUN pip\n")
    (tmp_path / "deploy" / "api.Dockerfile").write_text("# Made by `depdoctor generate`; make it again\nFROM a\n")
    found = survey(tmp_path)
    assert [project.name for project in found.projects] == ["api"]
    assert {one.reason for one in found.passed_over} == {"was made by depdoctor"}
