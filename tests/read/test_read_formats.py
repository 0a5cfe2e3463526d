"""The formats of conda, pixi, Pipenv, Poetry, PDM and of model servers."""

from __future__ import annotations

import pytest

from depdoctor.model.project import Manifest
from depdoctor.read import (
    bentofile_yaml,
    cog_yaml,
    conda_lock,
    conda_yaml,
    pdm_lock,
    pipfile,
    pipfile_lock,
    pixi_lock,
    pixi_toml,
    poetry_lock,
    pyproject_toml,
    truss_yaml,
    yaml,
)
from depdoctor.read.errors import ManifestError


def rows(manifest: Manifest) -> list[tuple[str, str, int]]:
    return [(str(declared.requirement), declared.group, declared.location.line) for declared in manifest.requirements]


def conda(manifest: Manifest) -> list[tuple[str, str, str, str, str]]:
    return [(each.name, each.constraint, each.build, each.channel, each.group) for each in manifest.conda]


def pinned(manifest: Manifest) -> list[tuple[str, str, tuple[str, ...], int]]:
    return [(package.name, str(package.version), package.groups, package.line) for package in manifest.packages]


def kinds(manifest: Manifest) -> list[tuple[str, int]]:
    return [(problem.kind, problem.location.line) for problem in manifest.problems]


def test_conda_environment() -> None:
    manifest = conda_yaml.parse(
        """name: app
channels: [pytorch, https://me:hunter2@conda.example/x]
dependencies:
  - python=3.10
  - conda-forge::numpy>=1.20,<2
  - pytorch=2.1=py3.10_cuda
  - cudatoolkit=11.8
  - "scipy[version='>=1',channel=x]"
  - what ever is this
  - pip
  - pip:
      - a==1
      - -r more.txt
      - --extra-index-url https://index.example/simple
      - "b>=1  # why"
""",
        "app/environment.yml",
    )
    assert conda(manifest) == [
        ("python", "=3.10", "", "", ""),
        ("numpy", ">=1.20,<2", "", "conda-forge", ""),
        ("pytorch", "=2.1", "py3.10_cuda", "", ""),
        ("cudatoolkit", "=11.8", "", "", ""),
        ("scipy", ">=1", "", "x", ""),
        ("pip", "", "", "", ""),
    ]
    assert manifest.python == "3.10"
    assert manifest.cuda == "11.8"
    assert manifest.channels == ("pytorch", "https://conda.example/x")
    assert rows(manifest) == [("a==1", "", 12), ("b>=1", "", 15)]
    assert [(include.path, include.location.line) for include in manifest.includes] == [("app/more.txt", 13)]
    assert manifest.indexes.extra_index_urls == ("https://index.example/simple",)
    assert kinds(manifest) == [("unparsable", 9)]


PIXI = """
[project]
name = "app"
channels = ["conda-forge"]
[system-requirements]
cuda = "12.0"
[dependencies]
python = "3.11.*"
max = { version = ">=25", channel = "modular" }
[pypi-dependencies]
a = "*"
b = { version = "==1", extras = ["x"] }
[feature.server.pypi-dependencies]
c = { git = "https://code.example/c", rev = "abc" }
[target.linux-64.pypi-dependencies]
d = ">=2"
[target.win-64.dependencies]
windows-only = "*"
"""


@pytest.mark.parametrize("nested", [False, True])
def test_pixi(nested: bool) -> None:
    if nested:
        text = PIXI.replace("\n[", "\n[tool.pixi.")
        manifest = pyproject_toml.parse(text, "app/pyproject.toml")
    else:
        manifest = pixi_toml.parse(PIXI, "app/pixi.toml")
    assert conda(manifest) == [
        ("python", "3.11.*", "", "", ""),
        ("max", ">=25", "", "modular", ""),
        ("__cuda", "12.0", "", "", ""),
    ]
    assert rows(manifest) == [
        ("a", "", 11),
        ("b[x]==1", "", 12),
        ('d>=2; sys_platform == "linux" and platform_machine == "x86_64"', "", 16),
        ("c @ git+https://code.example/c@abc", "group:server", 14),
    ]
    assert (manifest.python, manifest.cuda, manifest.channels) == ("3.11", "12.0", ("conda-forge",))


def test_pipfile() -> None:
    manifest = pipfile.parse(
        """
[[source]]
name = "main"
url = "https://$USER:hunter2@index.example/simple"
[packages]
a = "*"
b = { version = ">=1", extras = ["x"], markers = "os_name == 'nt'", index = "main" }
c = { git = "https://code.example/c.git", ref = "v1", editable = true }
d = { version = "*", sys_platform = "== 'linux'" }
e = { path = "./e", editable = true }
f = "1.2"
[dev-packages]
t = "==1"
[docs]
m = "*"
[requires]
python_version = "3.10"
""",
        "app/Pipfile",
    )
    assert rows(manifest) == [
        ("a", "", 6),
        ('b[x]>=1; os_name == "nt"', "", 7),
        ("c @ git+https://code.example/c.git@v1", "", 8),
        ('d; sys_platform == "linux"', "", 9),
        ("t==1", "group:dev", 13),
        ("m", "group:docs", 15),
    ]
    assert [include.path for include in manifest.includes] == ["app/e"]
    assert manifest.requirements[1].index == "https://index.example/simple"
    assert manifest.requirements[2].editable
    assert manifest.python == "3.10"
    assert kinds(manifest) == [("credentials", 2), ("unparsable", 11)]


def test_pipfile_lock() -> None:
    manifest = pipfile_lock.parse(
        """{
    "_meta": {"requires": {"python_version": "3.10"}},
    "default": {
        "a": {"hashes": ["sha256:bb", "sha256:aa"], "version": "==1", "markers": "os_name == 'nt'"},
        "g": {"git": "https://code.example/g", "ref": "abc"}
    },
    "develop": {
        "a": {"hashes": ["sha256:aa"], "version": "==1", "markers": "os_name == 'nt'"},
        "t": {"version": "==2"}
    }
}
""",
        "Pipfile.lock",
    )
    assert pinned(manifest) == [("a", "1", ("", "group:dev"), 4), ("g", "0", ("",), 5), ("t", "2", ("group:dev",), 9)]
    assert manifest.packages[0].hashes == ("sha256:aa", "sha256:bb")
    assert manifest.packages[1].source == "git+https://code.example/g@abc"


POETRY_LOCK = """
[[package]]
name = "A_b"
version = "1.0"
optional = false
python-versions = ">=3.8"
groups = ["main", "dev"]
markers = {main = "os_name == 'nt'", dev = "os_name == 'posix'"}
files = [
    {file = "a_b-1.0-py3-none-any.whl", hash = "sha256:aa"},
]

[package.dependencies]
c = ">=1,<2"
d = {version = "*", optional = true, markers = "extra == 'x'"}
e = [{version = "<1", markers = "python_version < '3'"}, {version = ">=1 || <0.5", markers = "python_version >= '3'"}]

[package.extras]
x = ["d (>=1)", "f[y] (>1,<2) ; os_name == 'nt'"]

[[package]]
name = "git"
version = "2"
category = "dev"
[package.source]
type = "git"
url = "https://code.example/git"
resolved_reference = "abc"

[metadata]
lock-version = "2.0"
python-versions = "^3.8"
"""


def test_poetry_lock() -> None:
    manifest = poetry_lock.parse(POETRY_LOCK, "poetry.lock")
    assert pinned(manifest) == [("a-b", "1.0", ("", "group:dev"), 2), ("git", "2", ("group:dev",), 21)]
    first, second = manifest.packages
    assert [str(edge) for edge in first.requires or ()] == [
        "c<2,>=1",
        'e<1; python_version < "3"',
        'e; python_version >= "3"',
    ]
    assert [(row, [str(edge) for edge in edges]) for row, edges in first.optional_requires] == [
        ("extra:x", ["d>=1", 'f[y]<2,>1; os_name == "nt"'])
    ]
    assert str(first.marker) == 'os_name == "nt" or os_name == "posix"'
    assert first.hashes == ("sha256:aa",)
    assert second.source == "git+https://code.example/git@abc"
    assert str(manifest.requires_python) == "<4,>=3.8"


def test_poetry_lock_with_its_project() -> None:
    project = pyproject_toml.parse(
        "[tool.poetry]\nname='app'\n[tool.poetry.dependencies]\na-b='*'\n[tool.poetry.group.dev.dependencies]\ngit='*'\n",
        "pyproject.toml",
    )
    root = poetry_lock.with_root(poetry_lock.parse(POETRY_LOCK, "poetry.lock"), project, ".").packages[0]
    assert (root.name, root.is_root, root.source) == ("app", True, ".")
    assert [str(edge) for edge in root.requires or ()] == ["a-b"]
    assert [(row, [str(edge) for edge in edges]) for row, edges in root.optional_requires] == [("group:dev", ["git"])]


def test_pdm_lock() -> None:
    manifest = pdm_lock.parse(
        """
[metadata]
groups = ["default", "dev"]
lock_version = "4.5.0"
[[package]]
name = "a"
version = "1"
groups = ["default"]
marker = "os_name == 'nt'"
dependencies = ["b<2; python_version < '3.10'"]
files = [{file = "a-1.whl", hash = "sha256:aa"}, {url = "https://index.example/a-1.tar.gz", hash = "sha256:bb"}]
[[package]]
name = "a"
version = "1"
extras = ["x"]
groups = ["dev"]
marker = "os_name == 'nt'"
dependencies = ["a==1", "c"]
""",
        "pdm.lock",
    )
    assert pinned(manifest) == [("a", "1", ("", "group:dev"), 5)]
    (package,) = manifest.packages
    assert [str(edge) for edge in package.requires or ()] == ['b<2; python_version < "3.10"', "a==1", "c"]
    assert package.hashes == ("sha256:aa",)
    assert [(file.filename, file.sha256) for file in package.files] == [("a-1.tar.gz", "bb")]


def test_conda_lock() -> None:
    manifest = conda_lock.parse(
        """version: 1
package:
  - name: python
    version: 3.10.12
    manager: conda
    platform: linux-64
    url: https://conda.example/python-3.10.12-h_0.conda
    hash: {md5: x, sha256: aa}
  - name: a
    version: "1.0"
    manager: pip
    platform: linux-64
    category: dev
    url: https://index.example/a-1.0-py3-none-any.whl
    hash: {sha256: bb}
""",
        "conda-lock.yml",
    )
    assert [(each.name, each.version, each.platform, each.sha256, each.line) for each in manifest.conda_packages] == [
        ("python", "3.10.12", "linux-64", "aa", 3)
    ]
    assert pinned(manifest) == [("a", "1.0", ("group:dev",), 9)]
    assert manifest.packages[0].files[0].filename == "a-1.0-py3-none-any.whl"
    assert str(manifest.packages[0].marker) == 'sys_platform == "linux" and platform_machine == "x86_64"'


def test_pixi_lock() -> None:
    manifest = pixi_lock.parse(
        """version: 6
environments:
  default:
    channels: []
    packages:
      linux-64:
      - conda: https://conda.example/linux-64/python-3.11.9-h_0.conda
      - pypi: https://index.example/a-1.0-py3-none-any.whl
  dev:
    packages:
      osx-arm64:
      - pypi: https://index.example/a-1.0-py3-none-any.whl
packages:
- conda: https://conda.example/linux-64/python-3.11.9-h_0.conda
  sha256: aa
- pypi: https://index.example/a-1.0-py3-none-any.whl
  name: a
  version: '1.0'
  sha256: bb
  requires_dist:
  - b>=1 ; extra == 'x'
""",
        "pixi.lock",
    )
    assert [(each.name, each.version, each.platform, each.line) for each in manifest.conda_packages] == [
        ("python", "3.11.9", "linux-64", 14)
    ]
    assert pinned(manifest) == [("a", "1.0", ("", "group:dev"), 16)]
    assert str(manifest.packages[0].marker) == (
        '(sys_platform == "linux" and platform_machine == "x86_64")'
        ' or (sys_platform == "darwin" and platform_machine == "arm64")'
    )
    assert [str(edge) for edge in manifest.packages[0].requires or ()] == ['b>=1; extra == "x"']


def test_pixi_lock_of_named_platforms_and_sources() -> None:
    manifest = pixi_lock.parse(
        """version: 7
platforms:
- name: gpu-nodes
  subdir: linux-64
  virtual-packages:
  - __cuda=12.0
- name: osx-arm64
environments:
  default:
    packages:
      gpu-nodes:
      - conda: https://conda.example/linux-64/python-3.11.9-h_0.conda
      - conda_source: "kernels[a1b2c3d4] @ ./kernels"
      - pypi: .
      osx-arm64:
      - pypi: .
packages:
- conda: https://conda.example/linux-64/python-3.11.9-h_0.conda
  sha256: aa
- conda_source: "kernels[a1b2c3d4] @ ./kernels"
  version: 0.1.0
- pypi: .
  name: ranker
  requires_dist:
  - numpy>=1.20
""",
        "pixi.lock",
    )
    assert [(each.name, each.version, each.platform, each.url) for each in manifest.conda_packages] == [
        ("python", "3.11.9", "linux-64", "https://conda.example/linux-64/python-3.11.9-h_0.conda"),
        ("kernels", "0.1.0", "linux-64", "./kernels"),
    ]
    assert [(each.name, str(each.version), each.source) for each in manifest.packages] == [("ranker", "0", ".")]
    assert str(manifest.packages[0].marker) == (
        '(sys_platform == "linux" and platform_machine == "x86_64")'
        ' or (sys_platform == "darwin" and platform_machine == "arm64")'
    )


def test_model_servers() -> None:
    cog = cog_yaml.parse(
        "build:\n  gpu: true\n  cuda: '11.8'\n  python_version: 3.10\n  python_requirements: requirements.txt\n"
        "  python_packages:\n    - a==1\n  system_packages: [libgl1]\n",
        "app/cog.yaml",
    )
    assert (rows(cog), cog.python, cog.cuda, cog.includes[0].path) == (
        [("a==1", "", 7)],
        "3.10",
        "11.8",
        "app/requirements.txt",
    )
    assert [package.name for package in cog.system_packages] == ["libgl1"]
    bento = bentofile_yaml.parse(
        "service: x:y\npython:\n  packages: [a, 'b>=1']\n  requirements_txt: ./r.txt\n  index_url: https://index.example\n"
        "docker:\n  python_version: '3.11'\n  cuda_version: 11.6.2\n",
        "bentofile.yaml",
    )
    assert (rows(bento), bento.python, bento.cuda) == ([("a", "", 3), ("b>=1", "", 3)], "3.11", "11.6.2")
    assert bento.indexes.index_url == "https://index.example"
    truss = truss_yaml.parse(
        "model_name: x\npython_version: py310\nrequirements:\n- a\nbase_image:\n  image: r.example/x:1\n", "config.yaml"
    )
    assert (rows(truss), truss.python, truss.name) == ([("a", "", 4)], "3.10", "x")
    assert [base.reference for base in truss.base_images] == ["r.example/x:1"]


@pytest.mark.parametrize(
    "text",
    [
        "a: [1",
        "- a\n",
        "a: *b\n",
        "a: &a [*a]\n",
        "x: " + "[" * 100,
        "a: 1\n" * 200_000,
        "a: &a x\nb: [" + "*a, " * 200 + "]\n",
        "\x07: a",
        "? [1]\n: 2\n",
    ],
)
def test_broken_or_hostile_yaml(text: str) -> None:
    with pytest.raises(ManifestError):
        yaml.document(text)


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (conda_yaml.parse, "name: x\n"),
        (pipfile_lock.parse, "{}"),
        (pipfile_lock.parse, '{"_meta": {}, "default": {"a": {"version": "one"}}}'),
        (poetry_lock.parse, "[[package]]\nname = 'a'\n"),
        (poetry_lock.parse, "[[package]]\nname = 'a'\n[metadata]\nlock-version = '2.0'\n"),
        (pdm_lock.parse, "x = 1\n"),
        (conda_lock.parse, "version: 2\n"),
        (pixi_lock.parse, "version: 99\n"),
        (cog_yaml.parse, "build: []\n"),
    ],
)
def test_what_is_not_of_the_format(parse: object, text: str) -> None:
    assert callable(parse)
    with pytest.raises(ManifestError):
        parse(text, "app/file")


@pytest.mark.parametrize("entry", ['{"version": "*"}', '{"markers": "python_version >= \'3.13\'"}'])
def test_a_package_that_is_locked_to_no_version_is_named(entry: str) -> None:
    with pytest.raises(ManifestError, match="package `pipenv` that cannot be read: it is locked to no version") as told:
        pipfile_lock.parse('{"_meta": {},\n"develop": {\n"pipenv": ' + entry + "}}", "Pipfile.lock")
    assert told.value.line == 3
