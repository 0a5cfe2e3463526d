"""`uv.lock` and `pylock.toml`."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from depdoctor.model.distribution import LockedPackage
from depdoctor.read import pylock_toml, uv_lock
from depdoctor.read.errors import ManifestError
from depdoctor.read.lockfile import UNKNOWN_VERSION

UV_LOCK = """version = 1
revision = 3
requires-python = ">=3.10"

[[package]]
name = "app"
version = "0.1.0"
source = { editable = "." }
dependencies = [
    { name = "numpy", version = "1.26.0", source = { registry = "x" }, marker = "python_full_version < '3.11'" },
    { name = "numpy", version = "2.0.0", source = { registry = "x" }, marker = "python_full_version >= '3.11'" },
    { name = "tool", extra = ["B_x"] },
]

[package.optional-dependencies]
GPU = [{ name = "torch" }]

[package.dev-dependencies]
dev = [{ name = "tool" }]

[[package]]
name = "numpy"
version = "1.26.0"
source = { registry = "https://me:hunter2@index.example/simple" }
resolution-markers = ["python_full_version < '3.9'", "python_full_version == '3.10.*'"]
sdist = { url = "https://x.example/numpy-1.26.tar.gz", hash = "sha256:aa", size = 1, upload-time="2024-01-02T03:04:05Z"}
wheels = [
    { url = "https://index.example/f/numpy-1.26.0-cp310-cp310-win_amd64.whl", hash = "sha256:bb", size = 20 },
]

[[package]]
name = "tool"
version = "1+cpu"
source = { git = "https://code.example/tool?subdirectory=py&tag=v1#0123abc" }

[[package]]
name = "lib"
source = { directory = "../lib" }
"""


def by_name(packages: tuple[LockedPackage, ...]) -> dict[str, LockedPackage]:
    return {package.name: package for package in packages}


def test_uv_lock() -> None:
    manifest = uv_lock.parse(UV_LOCK, "app/uv.lock")
    packages = by_name(manifest.packages)
    assert manifest.name == "app"
    assert str(manifest.requires_python) == ">=3.10"
    assert [(package.name, package.line) for package in manifest.packages] == [
        ("app", 5),
        ("numpy", 21),
        ("tool", 31),
        ("lib", 36),
    ]
    app, numpy, tool, lib = (packages[name] for name in ("app", "numpy", "tool", "lib"))
    assert app.is_root
    assert app.source == "./app"
    assert [str(edge) for edge in app.requires or ()] == [
        'numpy==1.26.0; python_full_version < "3.11"',
        'numpy==2.0.0; python_full_version >= "3.11"',
        "tool[b-x]",
    ]
    assert [(group, [str(edge) for edge in edges]) for group, edges in app.optional_requires] == [
        ("extra:gpu", ["torch"]),
        ("group:dev", ["tool"]),
    ]
    assert numpy.index == "https://index.example/simple"
    assert str(numpy.marker) == 'python_full_version < "3.9" or python_full_version == "3.10.*"'
    assert [(file.filename, file.sha256, file.size_bytes) for file in numpy.files] == [
        ("numpy-1.26.0-cp310-cp310-win_amd64.whl", "bb", 20),
        ("numpy-1.26.tar.gz", "aa", 1),
    ]
    assert numpy.files[1].upload_time == datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert tool.source == "git+https://code.example/tool@0123abc#subdirectory=py"
    assert (lib.source, lib.version, lib.is_root) == ("./lib", UNKNOWN_VERSION, False)
    assert [(problem.kind, problem.location.line) for problem in manifest.problems] == [("credentials", 24)]
    assert "hunter2" not in repr(manifest)


PYLOCK = """lock-version = "1.0"
created-by = "uv"
requires-python = ">=3.11"

[[packages]]
name = "attrs"
version = "25.1.0"
marker = "'dev' in dependency_groups"
index = "https://index.example/simple"
wheels = [
  {upload-time=2025-01-25T11:30:10Z, url = "https://x.example/attrs-25.1.0-py3-none-any.whl", hashes = {sha256 = "aa"}},
]
dependencies = [{name = "cffi", version = "1.17"}]

[[packages]]
name = "here"
sdist = {path = "../here-1.tar.gz", hashes = {sha256 = "bb"}}

[[packages]]
name = "vcs"
vcs = {type = "git", url = "https://code.example/vcs", commit-id = "0123"}
"""


def test_pylock() -> None:
    manifest = pylock_toml.parse(PYLOCK, "app/pylock.toml")
    attrs, here, vcs = manifest.packages
    assert str(manifest.requires_python) == ">=3.11"
    assert (attrs.line, here.line, vcs.line) == (5, 15, 19)
    assert str(attrs.marker) == '"dev" in dependency_groups'
    assert [str(edge) for edge in attrs.requires or ()] == ["cffi==1.17"]
    assert attrs.files[0].sha256 == "aa"
    assert attrs.files[0].upload_time == datetime(2025, 1, 25, 11, 30, 10, tzinfo=UTC)
    assert here.files[0].url == "./here-1.tar.gz"
    assert here.requires is None
    assert vcs.source == "git+https://code.example/vcs@0123"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("lock-version = '9.0'\ncreated-by = 'x'\npackages = []\n", 0),
        (PYLOCK.replace('version = "25.1.0"', "version = 3"), 7),
        (PYLOCK.replace("sha256", "sha256 ", 1).replace('"aa"', "1"), 11),
    ],
)
def test_a_broken_pylock_is_told_with_its_line(text: str, line: int) -> None:
    with pytest.raises(ManifestError) as caught:
        pylock_toml.parse(text, "pylock.toml")
    assert caught.value.line == line


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('version = "1.26.0"\nsource', 'version = "what"\nsource'),
        ("marker = \"python_full_version < '3.11'\"", 'marker = "what"'),
        ("size = 1,", "size = 1, hash = 3,"),
        ('name = "numpy"\nversion', "name = 3\nversion"),
    ],
)
def test_a_broken_uv_lock_is_told(old: str, new: str) -> None:
    assert old in UV_LOCK
    with pytest.raises(ManifestError):
        uv_lock.parse(UV_LOCK.replace(old, new), "uv.lock")
