"""`pyproject.toml` of every tool, with the line of each requirement."""

from __future__ import annotations

import pytest

from depdoctor.model.project import Manifest
from depdoctor.read.errors import ManifestError
from depdoctor.read.poetry import specifiers
from depdoctor.read.pyproject_toml import parse


def read(text: str) -> Manifest:
    return parse(text, "app/pyproject.toml")


def rows(manifest: Manifest) -> list[tuple[str, str, int]]:
    found = [(str(declared.requirement), declared.group, declared.location.line) for declared in manifest.requirements]
    return sorted(found, key=lambda row: row[2])


def kinds(manifest: Manifest) -> list[tuple[str, int]]:
    return [(problem.kind, problem.location.line) for problem in manifest.problems]


def test_project_extras_and_groups() -> None:
    manifest = read(
        """
[project]
name = "app"
requires-python = ">=3.10"
dependencies = ["a>=1", # one
  'b ; os_name == "nt"',
]
[project.optional-dependencies]
GPU_x = [
  "c",
]
all = ["app[gpu-x]", "d"]
[dependency-groups]
Test = ["t"]
dev = [{include-group = "test"}, "u", ]
"""
    )
    assert manifest.name == "app"
    assert str(manifest.requires_python) == ">=3.10"
    assert rows(manifest) == [
        ("a>=1", "", 5),
        ('b; os_name == "nt"', "", 6),
        ("c", "extra:gpu-x", 10),
        ("c", "extra:all", 10),
        ("d", "extra:all", 12),
        ("t", "group:test", 14),
        ("t", "group:dev", 14),
        ("u", "group:dev", 15),
    ]
    assert manifest.problems == ()


def test_what_is_wrong_is_told_where_it_stands() -> None:
    manifest = read(
        """
[project]
requires-python = "three"
dependencies = ["a", 1,
   "b=1", "https://x:hunter2@index.example/c-1.0.tar.gz"]
optional-dependencies = 3
dynamic = ["optional-dependencies"]
[dependency-groups]
one = [{include-group = "two"}]
two = [{include-group = "one"}, {include-group = "three"}]
"""
    )
    assert [row[0] for row in rows(manifest)] == ["a", "c @ https://index.example/c-1.0.tar.gz"]
    assert kinds(manifest) == [
        ("unparsable", 3),
        ("unparsable", 4),
        ("unparsable", 5),
        ("credentials", 5),
        ("unparsable", 6),
        ("dynamic", 7),
        ("cycle", 10),
        ("unparsable", 10),
        ("cycle", 9),
        ("unparsable", 10),
    ]
    assert "hunter2" not in repr(manifest)


def test_setuptools_reads_files() -> None:
    manifest = read(
        """
[project]
dynamic = ["dependencies", "optional-dependencies"]
[tool.setuptools.dynamic]
dependencies = { file = ["requirements.txt"] }
optional-dependencies.dev = { file = "dev.txt" }
"""
    )
    assert [(include.path, include.group, include.location.line) for include in manifest.includes] == [
        ("app/requirements.txt", "", 5),
        ("app/dev.txt", "extra:dev", 6),
    ]
    assert manifest.problems == ()


def test_uv_settings() -> None:
    manifest = read(
        """
[project]
name = "app"
dependencies = ["torch", "lib[x]", "tool", "wheel-here", "far", "sibling"]
[project.optional-dependencies]
gpu = ["torch>2"]
[tool.uv]
constraint-dependencies = ["numpy<2"]
override-dependencies = ["protobuf==4"]
dev-dependencies = ["pytest"]
conflicts = [[{ extra = "gpu" }, { group = "cpu" }]]
extra-index-url = ["https://me:hunter2@third.example/simple"]
[[tool.uv.index]]
name = "pt"
url = "https://index.example/pt"
explicit = true
[[tool.uv.index]]
name = "main"
url = "https://index.example/main"
default = true
[[tool.uv.index]]
url = "https://index.example/more"
[tool.uv.sources]
torch = [
  { index = "pt", marker = "sys_platform == 'linux'" },
  { index = "cpu", extra = "gpu" },
]
lib = { path = "../lib", editable = true }
tool = { git = "https://code.example/tool", tag = "v1", subdirectory = "py" }
wheel-here = { path = "wheels/wheel_here-1-py3-none-any.whl" }
far = { url = "https://index.example/far-1.tar.gz" }
sibling = { workspace = true }
"""
    )
    assert [(str(declared.requirement), declared.group, declared.index) for declared in manifest.requirements] == [
        ('torch; sys_platform == "linux"', "", "https://index.example/pt"),
        ("tool @ git+https://code.example/tool@v1#subdirectory=py", "", ""),
        ("wheel-here @ ./app/wheels/wheel_here-1-py3-none-any.whl", "", ""),
        ("far @ https://index.example/far-1.tar.gz", "", ""),
        ('torch>2; sys_platform == "linux"', "extra:gpu", "https://index.example/pt"),
        ("torch>2", "extra:gpu", "cpu"),
        ("pytest", "group:dev", ""),
    ]
    assert [(include.path, include.role, include.extras) for include in manifest.includes] == [
        ("lib", "project", ("x",)),
        ("sibling", "member", ()),
    ]
    assert [str(declared.requirement) for declared in manifest.constraints] == ["numpy<2"]
    assert [str(declared.requirement) for declared in manifest.overrides] == ["protobuf==4"]
    assert manifest.conflicts == (("extra:gpu", "group:cpu"),)
    assert manifest.indexes.index_url == "https://index.example/main"
    assert manifest.indexes.extra_index_urls == ("https://index.example/more", "https://third.example/simple")


def test_poetry() -> None:
    manifest = read(
        """
[tool.poetry]
name = "app"
[tool.poetry.dependencies]
python = "^3.9"
one = "^1.2"
two = { version = "~2.1", extras = ["b", "a"], python = ">=3.10", markers = "os_name == 'posix'" }
three = { version = "*", optional = true }
four = [
  { version = "<1", platform = "linux" },
  { version = ">=1", platform = "win32" },
]
five = { git = "https://code.example/five.git", branch = "main" }
six = { path = "../six", develop = true }
seven = { version = "1.0", source = "private" }
[tool.poetry.extras]
more = ["three"]
[tool.poetry.group.dev.dependencies]
t = ">=1 <2"
[tool.poetry.dev-dependencies]
old = "*"
[[tool.poetry.source]]
name = "private"
url = "https://name:hunter2@index.example/private"
priority = "explicit"
[[tool.poetry.source]]
name = "extra"
url = "https://index.example/extra"
priority = "supplemental"
"""
    )
    assert rows(manifest) == [
        ("one<2,>=1.2", "", 6),
        ('two[a,b]<2.2,>=2.1; os_name == "posix" and python_full_version >= "3.10"', "", 7),
        ("three", "extra:more", 8),
        ('four<1; sys_platform == "linux"', "", 10),
        ('four>=1; sys_platform == "win32"', "", 11),
        ("five @ git+https://code.example/five.git@main", "", 13),
        ("seven==1.0", "", 15),
        ("t<2,>=1", "group:dev", 19),
        ("old", "group:dev", 21),
    ]
    assert str(manifest.requires_python) == "<4,>=3.9"
    assert {declared.index for declared in manifest.requirements if declared.name == "seven"} == {
        "https://index.example/private"
    }
    assert manifest.indexes.extra_index_urls == ("https://index.example/extra",)
    assert [(include.path, include.role) for include in manifest.includes] == [("six", "project")]
    assert kinds(manifest) == [("credentials", 22)]


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        ("^1.2.3", "<2,>=1.2.3"),
        ("^0.2.3", "<0.3,>=0.2.3"),
        ("^0.0.3", "<0.0.4,>=0.0.3"),
        ("^0.0", "<0.1,>=0.0"),
        ("^0", "<1,>=0"),
        ("~1.2.3", "<1.3,>=1.2.3"),
        ("~1.2", "<1.3,>=1.2"),
        ("~1", "<2,>=1"),
        ("~=1.2", "~=1.2"),
        ("1.2.*", "==1.2.*"),
        ("*", ""),
        ("1.2", "==1.2"),
        ("=1.2", "==1.2"),
        (">= 1.2, < 1.5", "<1.5,>=1.2"),
        (">=1.2 <1.5", "<1.5,>=1.2"),
        ("!=1.3", "!=1.3"),
        ("^1.0 || ^2.0", "<3,>=1.0"),
        ("<2 || 1.5.*", "<2"),
        ("^2.0 || >=3", ">=2.0"),
    ],
)
def test_poetry_constraints(constraint: str, expected: str) -> None:
    assert str(specifiers(constraint)) == expected


@pytest.mark.parametrize("constraint", ["^x", "~", ">=1.*", "one", ">", "^1 || ^3", "1.2 || 1.4"])
def test_what_is_no_constraint(constraint: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        specifiers(constraint)


def test_pdm_and_hatch() -> None:
    manifest = read(
        """
[tool.pdm.dev-dependencies]
lint = ["ruff", "-e ./plugin"]
[[tool.pdm.source]]
name = "pypi"
url = "https://index.example/simple"
[[tool.pdm.source]]
name = "more"
url = "https://index.example/more"
[tool.hatch.envs.docs]
dependencies = ["mkdocs"]
extra-dependencies = ["theme"]
"""
    )
    assert rows(manifest) == [("ruff", "group:lint", 3), ("mkdocs", "group:docs", 11), ("theme", "group:docs", 12)]
    assert [(include.path, include.group) for include in manifest.includes] == [("app/plugin", "group:lint")]
    assert manifest.indexes.index_url == "https://index.example/simple"
    assert manifest.indexes.extra_index_urls == ("https://index.example/more",)


@pytest.mark.parametrize(
    "text",
    [
        "[project\n",
        "a = 1\na = 2\n",
        "x = " + "[" * 5000 + "]" * 5000,
        ".".join("a" * 3000) + " = 1",
        "x = { y = 1 " * 3000,
    ],
)
def test_broken_or_hostile_toml(text: str) -> None:
    with pytest.raises(ManifestError):
        read(text)
