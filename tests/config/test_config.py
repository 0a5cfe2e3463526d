from datetime import UTC, datetime
from pathlib import Path

import pytest
from packaging.version import Version

from depdoctor import config
from depdoctor.errors import ConfigError
from depdoctor.model.config import Config
from depdoctor.model.target import Gpu, Platform
from depdoctor.model.toolchain import Toolchain

EVERY_KEY = """
python = "3.12"
exclude-newer = "2024-12-23"
index-url = "https://index.example/simple"
extra-index-url = ["https://gpu.index.example/simple"]
find-links = ["wheels"]
exclude = ["third_party/**"]

[[environment]]
name = "shared"
projects = ["*"]

[[target]]
name = "gpu-pool-a"
platform = "linux-x86_64"
driver = "525.60.13"
driver-cuda = "12.0"
gpus = ["A10", "8.6", "GeForce RTX 3090 (8.6)"]
glibc = "2.31"
max-image-bytes = 10_000_000_000
cuda = "11.7"
cudnn = "8.2.4"

[[target]]
libc = "musl"

[[project]]
path = "speech/asr"
command = ["uvicorn", "app:app"]
port = 8000
health = "/healthz"
groups = ["gpu"]
replicas = [2, 10]
metrics = "/metrics"

[image]
base = "python:3.12-slim-bookworm"
registry = "registry.example/team"
ca-bundle = "corp.pem"
builder = "registry.example/cuda:12.4-devel"
build-packages = ["gcc"]
debian-snapshot = "https://snapshot.example/archive/{archive}/20260101T000000Z"
cache = "registry.example/team/cache"

[rules]
ignore = ["DD511"]
"""


def libc(base: str) -> tuple[str, tuple[int, int]]:
    return "glibc", (2, 36)


def load(folder: Path, text: str, name: str = "depdoctor.toml") -> Config:
    (folder / name).write_text(text, encoding="utf-8")
    return config.load(folder, libc)


def test_every_key(tmp_path: Path) -> None:
    read = load(tmp_path, EVERY_KEY)
    assert read.python == "3.12"
    assert read.exclude_newer == datetime(2024, 12, 23, 23, 59, 59, tzinfo=UTC)
    assert read.indexes.extra_index_urls == ("https://gpu.index.example/simple",)
    target, musl = read.targets
    assert target.driver == Version("525.60.13")
    assert target.platform == Platform(libc_version=(2, 31))
    assert target.gpus == (
        Gpu(name="A10", capability=None),
        Gpu(name="", capability=(8, 6)),
        Gpu(name="GeForce RTX 3090", capability=(8, 6)),
    )
    assert musl.platform.libc == "musl"
    assert read.project("speech/asr").groups == ("gpu",)
    assert read.ignored_rules == ("DD511",)
    assert read.image.toolchain == Toolchain(
        image="registry.example/cuda:12.4-devel",
        packages=("gcc",),
        snapshot="https://snapshot.example/archive/{archive}/20260101T000000Z",
    )
    assert read.image.cache == "registry.example/team/cache"
    assert (read.project("speech/asr").replicas, read.project("speech/asr").metrics) == ((2, 10), "/metrics")


def test_no_configuration_is_the_default(tmp_path: Path) -> None:
    read = config.load(tmp_path, libc)
    assert read.python == "3.11"
    assert [target.platform for target in read.targets] == [Platform(libc_version=(2, 36))]


def test_pyproject_table(tmp_path: Path) -> None:
    assert load(tmp_path, '[tool.depdoctor]\npython = "3.13"\n', "pyproject.toml").python == "3.13"


def test_broken_pyproject_is_left_to_the_scan(tmp_path: Path) -> None:
    assert load(tmp_path, "[tool\n", "pyproject.toml").python == "3.11"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("pyhton = '3.11'", "`pyhton` is not a key", "did you mean `python`?"),
        ("[image]\nbas = 'x'", "`image.bas` is not a key", "did you mean `base`?"),
        ("[[target]]\ndrivers = '5'", "`target[0].drivers` is not a key", "did you mean `driver`?"),
        ("python = 3.11", "`python` must be a string", ""),
        ("python = '2.7'", "`python` must name a Python minor", ""),
        ("exclude-newer = 'soon'", "`exclude-newer` must be a date", ""),
        ("index-url = 'https://me:secret@index.example'", "`index-url` holds credentials", ""),
        ("[[target]]\nglibc = '2'", "`target[0].glibc` must have two numbers", ""),
        ("[[project]]\nport = 1", "`project[0].path` is missing", ""),
        ("target = 1", "`target` must be a list", ""),
        ("[image]\ndebian-snapshot = 'http://a b'", "`image.debian-snapshot` must be the address", ""),
        ('[image]\ndebian-snapshot = "http://a/$(id)"', "`image.debian-snapshot` must be the address", ""),
        ("[image]\ndebian-snapshot = 'http://a/{other}'", "`image.debian-snapshot` must be the address", ""),
        ("[[project]]\npath = 'a'\nreplicas = [3, 2]", "`project[0].replicas` must be a number", ""),
        ("[[project]]\npath = 'a'\nreplicas = true", "`project[0].replicas` must be a number", ""),
        ("[[project]]\npath = 'a'\n[[project]]\npath = 'a/'", "`project[1].path` names `a` once more", "one table"),
        ("[[project]]\npath = 'a'\ncommand = ['']", "`project[0].command` must begin with a program", ""),
        ("[[target]]\nname = 'a'\n[[target]]\nname = 'a'", "`target[1].name` names `a` once more", "of its own"),
        ("[image]\nbase = 'Not One'", "`image.base` must be the reference of an image", ""),
        ("[image]\nbuilder = 'Not One'", "`image.builder` must be the reference of an image", ""),
        ("[[project]]\npath = 'a'\nmetrics = 'metrics'", "`project[0].metrics` must be a path", ""),
    ],
)
def test_wrong_configuration(tmp_path: Path, text: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as error:
        load(tmp_path, text)
    assert message in error.value.message
    assert error.value.where == "depdoctor.toml"
    assert hint in error.value.hint
    assert "secret" not in str(error.value)


def test_targets_without_a_name_are_told_apart(tmp_path: Path) -> None:
    text = '[[target]]\n[[target]]\nname = ""\n[[target]]\nplatform = "macos-arm64"\n[[target]]\nname = "a"\n'
    names = [target.name for target in load(tmp_path, text).targets]
    assert names == ["linux-x86_64", "linux-x86_64-2", "macos-arm64", "a"]


@pytest.mark.parametrize("path", ["a/b", "a/b/", "./a/b", "a//b"])
def test_the_folder_of_a_project_is_written_in_any_way(tmp_path: Path, path: str) -> None:
    assert load(tmp_path, f'[[project]]\npath = "{path}"\nport = 81\n').project("a/b").port == 81


def test_a_base_of_the_command_line_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="`--base` must be the reference of an image"):
        config.load(tmp_path, libc, "Not An Image")


@pytest.mark.parametrize("kind", ["folder", "link"])
def test_what_is_no_file_is_not_passed_over(tmp_path: Path, kind: str) -> None:
    if kind == "folder":
        (tmp_path / "depdoctor.toml").mkdir()
    else:
        (tmp_path / "depdoctor.toml").symlink_to("nowhere")
    with pytest.raises(ConfigError, match=r"depdoctor\.toml is no file"):
        config.load(tmp_path, libc)
