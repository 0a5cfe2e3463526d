"""Lockfiles taken as they are, held against what uv itself makes of the same files."""

from __future__ import annotations

import hashlib
import os
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import uv
from packaging.requirements import Requirement

from depdoctor import lock
from depdoctor.adapters.uv import UvResolver
from depdoctor.lock.lockfile import best_file
from depdoctor.model.distribution import DistributionFile
from depdoctor.model.finding import Kind
from depdoctor.model.graph import holds
from depdoctor.model.lock import Lock, LockOutcome, Unresolvable
from depdoctor.model.project import IndexOptions, Location, Manifest, Project
from depdoctor.model.reading import Reading
from depdoctor.model.target import Environment, Platform
from depdoctor.read import pylock_toml, requirements_txt, uv_lock

NOW = datetime(2025, 6, 1, tzinfo=UTC)
LINUX = Environment(python="3.11", platform=Platform(libc_version=(2, 36)))
WINDOWS = Environment(python="3.11", platform=Platform(system="windows", libc=""))

PROJECT = """
[project]
name = "service"
version = "1"
requires-python = ">=3.10,<3.12"
dependencies = ["plotkit", "numlib<2", "winshell ; sys_platform == 'win32'"]

[project.optional-dependencies]
speech = ["formers[speech]==4.44.2"]
old = ["tokenkit==0.13.3"]
new = ["tokenkit==0.20.3"]

[dependency-groups]
dev = ["boardlog"]

[tool.uv]
conflicts = [[{ extra = "old" }, { extra = "new" }], [{ extra = "speech" }, { extra = "new" }, { extra = "old" }]]
environments = ["sys_platform == 'linux'", "sys_platform == 'win32'"]
"""


def run_uv(*arguments: str, folder: Path, index: str) -> str:
    environment = os.environ | {"UV_DEFAULT_INDEX": index, "UV_CACHE_DIR": str(folder / "cache")}
    command = [uv.find_uv_bin(), *arguments]
    return subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, package_server: str) -> Path:
    folder = tmp_path_factory.mktemp("service")
    (folder / "pyproject.toml").write_text(PROJECT)
    run_uv("lock", "--no-build", "--exclude-newer", "2025-06-01", folder=folder, index=package_server)
    return folder


def reading(*manifests: Manifest, root: str = ".") -> Reading:
    paths = tuple(manifest.path for manifest in manifests)
    return Reading(project=Project(name="service", root=root, manifests=paths), manifests=manifests)


def locked(
    manifest: Manifest, environment: Environment = LINUX, *groups: str, cache: Path, index: str = "http://127.0.0.1:9/x"
) -> LockOutcome:
    return lock.lock(
        reading(manifest),
        environment,
        UvResolver(cache),
        indexes=IndexOptions(index_url=index),
        exclude_newer=NOW,
        groups=groups,
    )


def versions(outcome: LockOutcome) -> dict[str, str]:
    assert isinstance(outcome, Lock), outcome
    return {pin.name: str(pin.version) for pin in outcome.pins}


@pytest.mark.parametrize("environment", [LINUX, WINDOWS], ids=["linux", "windows"])
@pytest.mark.parametrize("groups", [(), ("extra:speech",), ("old",), ("new",), ("group:dev",), ("new", "dev")])
def test_a_uv_lock_gives_what_uv_would_install(
    project: Path, package_server: str, tmp_path: Path, environment: Environment, groups: tuple[str, ...]
) -> None:
    flags: list[str] = []
    for group in groups:
        name = group.partition(":")[2] or group
        flags += ["--group", name] if name == "dev" else ["--extra", name]
    text = run_uv(
        *("export", "--frozen", "--no-default-groups", "--no-emit-project", "--no-hashes", "--no-header", *flags),
        folder=project,
        index=package_server,
    )
    lines = (Requirement(line) for line in text.splitlines() if line.strip() and not line.strip().startswith("#"))
    expected = {line.name: str(line.specifier)[2:] for line in lines if holds(line.marker, environment)}

    manifest = uv_lock.parse((project / "uv.lock").read_text(), "uv.lock")
    outcome = locked(manifest, environment, *groups, cache=tmp_path)
    assert versions(outcome) == expected
    assert isinstance(outcome, Lock)
    assert outcome.origin == Location(path="uv.lock")
    assert all(pin.file and pin.file.sha256 and pin.file.size_bytes for pin in outcome.pins)


def test_a_pylock_gives_its_packages_for_the_environment(project: Path, package_server: str, tmp_path: Path) -> None:
    text = run_uv(
        *(
            "export",
            "--frozen",
            "--no-default-groups",
            "--extra",
            "speech",
            "--format",
            "pylock.toml",
            "--no-emit-project",
        ),
        folder=project,
        index=package_server,
    )
    manifest = pylock_toml.parse(text, "pylock.toml")
    outcome = locked(manifest, cache=tmp_path)
    assert versions(outcome) == {
        "plotkit": "3.5.1",
        "numlib": "1.26.4",
        "formers": "4.44.2",
        "tokenkit": "0.19.1",
        "audiolib": "1.9.2",
    }
    assert "winshell" in versions(locked(manifest, WINDOWS, cache=tmp_path))


def hashed(index_folder: Path, *stems: str) -> str:
    lines = []
    for stem in stems:
        name, _, version = stem.partition("==")
        (path,) = (index_folder / "files").glob(f"{name}-{version}-py3-none-any.whl")
        lines.append(f"{stem} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}")
    return "\n".join(lines) + "\n"


def test_a_hashed_requirements_file_is_looked_up(index_folder: Path, package_server: str, tmp_path: Path) -> None:
    text = hashed(index_folder, "servekit==0.6.4", "formers==4.46.3", "tokenkit==0.20.3", "numlib==1.26.4")
    outcome = locked(requirements_txt.parse(text, "requirements.txt"), cache=tmp_path, index=package_server)
    assert len(versions(outcome)) == 4
    assert isinstance(outcome, Lock)
    assert outcome.origin == Location(path="requirements.txt")
    assert all(pin.file and pin.file.url.startswith("http://") for pin in outcome.pins)


def test_what_is_locked_is_wanted_however_new_it_is(index_folder: Path, package_server: str, tmp_path: Path) -> None:
    outcome = lock.lock(
        reading(requirements_txt.parse(hashed(index_folder, "tokenkit==0.20.3"), "requirements.txt")),
        LINUX,
        UvResolver(tmp_path),
        indexes=IndexOptions(index_url=package_server),
        exclude_newer=datetime(2020, 1, 1, tzinfo=UTC),
    )
    assert versions(outcome) == {"tokenkit": "0.20.3"}


def test_a_hash_that_the_index_does_not_know_is_an_error_of_its_line(
    index_folder: Path, package_server: str, tmp_path: Path
) -> None:
    text = hashed(index_folder, "numlib==1.26.4", "tokenkit==0.20.3")
    wrong = text[:-65] + "0" * 64 + "\n"
    outcome = locked(requirements_txt.parse(wrong, "requirements.txt"), cache=tmp_path, index=package_server)
    assert isinstance(outcome, Unresolvable)
    assert outcome.reason.kind is Kind.VERSION_GONE
    assert outcome.reason.blamed == ("tokenkit",)
    assert outcome.reason.location == Location(path="requirements.txt", line=2)
    assert outcome.reason.message.startswith("requirements.txt:2: tokenkit==0.20.3 is locked by hash, ")
    assert "lock tokenkit again" in outcome.reason.hint


def test_a_hash_of_a_file_for_another_python_is_an_error(
    index_folder: Path, package_server: str, tmp_path: Path
) -> None:
    (wheel,) = (index_folder / "files").glob("tensorlib-2.4.0-cp312-*")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    manifest = requirements_txt.parse(f"tensorlib==2.4.0 --hash=sha256:{digest}\n", "requirements.txt")
    newer = replace(LINUX, python="3.12")
    assert versions(locked(manifest, newer, cache=tmp_path, index=package_server)) == {"tensorlib": "2.4.0"}
    outcome = locked(manifest, cache=tmp_path, index=package_server)
    assert isinstance(outcome, Unresolvable)
    assert outcome.reason.location == Location(path="requirements.txt", line=1)


def test_a_hash_of_another_sort_is_not_held_against_the_file(package_server: str, tmp_path: Path) -> None:
    manifest = requirements_txt.parse(f"numlib==1.26.4 --hash=sha512:{'0' * 128}\n", "requirements.txt")
    assert versions(locked(manifest, cache=tmp_path, index=package_server)) == {"numlib": "1.26.4"}


def test_a_pinned_file_counts_only_if_it_pins_all(index_folder: Path, package_server: str, tmp_path: Path) -> None:
    pinned = requirements_txt.parse(hashed(index_folder, "tokenkit==0.19.1"), "requirements.txt")
    for declared, origin, names in (
        ("tokenkit", Location(path="requirements.txt"), {"tokenkit"}),
        ("tokenkit\nnumlib", None, {"tokenkit", "numlib"}),
    ):
        outcome = lock.lock(
            reading(pinned, requirements_txt.parse(declared, "requirements.in")),
            LINUX,
            UvResolver(tmp_path),
            indexes=IndexOptions(index_url=package_server),
            exclude_newer=NOW,
        )
        assert isinstance(outcome, Lock)
        assert (outcome.origin, set(versions(outcome))) == (origin, names)
        assert versions(outcome)["tokenkit"] == "0.19.1"


@pytest.mark.parametrize(
    ("environment", "kind"),
    [
        (Environment(python="3.12", platform=LINUX.platform), Kind.PYTHON_UNSUPPORTED),
        (Environment(python="3.11", platform=Platform(libc_version=(2, 17))), Kind.GLIBC),
        (Environment(python="3.11", platform=Platform(libc="musl", libc_version=(1, 2))), Kind.GLIBC),
        (WINDOWS, Kind.NO_WHEEL),
        (Environment(python="3.11", platform=Platform(machine="aarch64", libc_version=(2, 36))), Kind.NO_WHEEL),
    ],
)
def test_a_lock_without_a_file_for_the_environment_says_why(
    tmp_path: Path, environment: Environment, kind: Kind
) -> None:
    text = """
lock-version = "1.0"
created-by = "a test"

[[packages]]
name = "onnxrun"
version = "1.18.0"
[[packages.wheels]]
url = "https://index.example/onnxrun-1.18.0-cp311-cp311-manylinux_2_28_x86_64.whl"
hashes = { sha256 = "0" }
"""
    outcome = locked(pylock_toml.parse(text, "pylock.toml"), environment, cache=tmp_path)
    assert isinstance(outcome, Unresolvable)
    assert (outcome.reason.kind, outcome.reason.blamed) == (kind, ("onnxrun",))
    assert "pylock.toml:5" in outcome.reason.message


def test_what_a_lock_takes_from_a_repository_is_missing(tmp_path: Path) -> None:
    text = """
version = 1
requires-python = ">=3.11"

[[package]]
name = "service"
version = "1"
source = { virtual = "." }
dependencies = [{ name = "logger" }, { name = "shared" }]

[[package]]
name = "logger"
version = "1.0"
source = { git = "https://git.example/logger?rev=v1#0123" }

[[package]]
name = "shared"
version = "2"
source = { editable = "../shared" }
"""
    manifest = uv_lock.parse(text, "service/uv.lock")
    outcome = lock.lock(
        reading(manifest, root="service"),
        LINUX,
        UvResolver(tmp_path),
        indexes=IndexOptions(),
        exclude_newer=NOW,
    )
    assert isinstance(outcome, Lock)
    assert outcome.pins == ()
    assert [text.partition(": ")[0] for text in sorted(outcome.missing)] == ["service/uv.lock:11", "service/uv.lock:16"]
    [folder] = [text for text in outcome.missing if "shared" in text]
    assert "is the folder ./shared, not a release" in folder
    assert "`uv build --wheel --out-dir wheels shared`" in folder


def test_the_best_file_is_the_one_with_the_best_tag() -> None:
    names = [
        "a-1.tar.gz",
        "a-1-py3-none-any.whl",
        "a-1-cp311-cp311-manylinux_2_17_x86_64.whl",
        "a-1-cp311-cp311-manylinux_2_28_x86_64.whl",
        "a-1-2-cp311-cp311-manylinux_2_28_x86_64.whl",
        "a-1-cp311-cp311-manylinux_2_39_x86_64.whl",
        "a-1-cp312-cp312-manylinux_2_17_x86_64.whl",
    ]
    files = [DistributionFile(filename=name, url="", sha256="") for name in names]

    def best(*left_out: int) -> str:
        file = best_file([file for number, file in enumerate(files) if number not in left_out], LINUX)
        return file.filename if file else ""

    assert best() == names[4]
    assert best(4) == names[3]
    assert best(4, 3) == names[2]
    assert best(4, 3, 2) == names[1]
    assert best(4, 3, 2, 1) == names[0]
    assert best(4, 3, 2, 1, 0) == ""
