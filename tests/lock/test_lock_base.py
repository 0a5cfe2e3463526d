"""What comes with the image of a project: it counts in the resolution, is installed by nobody, and is not overruled."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from depdoctor import lock
from depdoctor.adapters.uv import UvResolver
from depdoctor.model.finding import Kind
from depdoctor.model.lock import BaseContents, Lock, LockOutcome, Unresolvable
from depdoctor.model.project import IndexOptions, Location, Manifest, Project
from depdoctor.model.reading import Reading
from depdoctor.model.target import Environment, Platform
from depdoctor.read import requirements_txt, uv_lock

LINUX = Environment(python="3.11", platform=Platform(libc_version=(2, 36)))
FROM = Location(path="service/Dockerfile", line=1)


def brings(*packages: str) -> BaseContents:
    return BaseContents(
        reference="images.example/framework:24.01",
        packages=tuple(map(Requirement, packages)),
        location=FROM,
    )


def locked(text: str, contents: BaseContents, index: str, cache: Path, manifest: Manifest | None = None) -> LockOutcome:
    manifest = manifest or requirements_txt.parse(text, "service/requirements.txt")
    return lock.lock(
        Reading(project=Project(name="service", root="service", manifests=(manifest.path,)), manifests=(manifest,)),
        LINUX,
        UvResolver(cache),
        indexes=IndexOptions(index_url=index),
        exclude_newer=datetime(2025, 6, 1, tzinfo=UTC),
        contents=contents,
    )


def pins(outcome: LockOutcome) -> set[str]:
    assert isinstance(outcome, Lock), outcome
    return {str(pin) for pin in outcome.pins}


@pytest.mark.parametrize("line", ["tensorlib", "tensorlib>=2.3", "TensorLib[gpu]<3", "tensorlib==2.4.0a0+36e930"])
def test_what_the_image_brings_is_not_installed_again(line: str, package_server: str, tmp_path: Path) -> None:
    outcome = locked(f"{line}\nplotkit\n", brings("tensorlib==2.4.0a0+36e930", "apex"), package_server, tmp_path)
    assert pins(outcome) == {"plotkit==3.5.1", "numlib==1.26.4"}
    assert isinstance(outcome, Lock)
    assert outcome.base == "images.example/framework:24.01"
    assert outcome.provided == ("apex", "tensorlib==2.4.0a0+36e930")
    assert not outcome.warnings


def test_what_others_require_of_it_counts(package_server: str, tmp_path: Path) -> None:
    """The newest release that stands with what is there is taken: 0.19.0 would want a newer tensorlib."""
    assert pins(locked("tensorvision\n", brings("tensorlib==2.3.1"), package_server, tmp_path)) == {
        "tensorvision==0.18.1",
        "numlib==2.1.3",
    }


def test_a_requirement_against_the_image_names_both_lines(package_server: str, tmp_path: Path) -> None:
    outcome = locked("plotkit\ntensorlib>=2.4\n", brings("tensorlib==2.4.0a0+36e930"), package_server, tmp_path)
    assert isinstance(outcome, Unresolvable)
    assert outcome.reason.kind is Kind.SELF_CONFLICT
    assert outcome.reason.location == Location(path="service/requirements.txt", line=2)
    assert outcome.reason.message == (
        "service/requirements.txt:2 wants tensorlib>=2.4, and images.example/framework:24.01 (service/Dockerfile:1) "
        "brings tensorlib 2.4.0a0+36e930"
    )
    assert outcome.reason.hint


def test_a_dependency_against_the_image_says_where_its_version_is_from(package_server: str, tmp_path: Path) -> None:
    outcome = locked("tensorvision==0.19.0\n", brings("tensorlib==2.3.1"), package_server, tmp_path)
    assert isinstance(outcome, Unresolvable)
    assert outcome.reason.kind is Kind.VERSION_CONFLICT
    assert "tensorlib==2.3.1 comes with images.example/framework:24.01 (service/Dockerfile:1)" in outcome.reason.summary


def test_of_a_package_without_a_known_version_nothing_is_held_against_anyone(
    package_server: str, tmp_path: Path
) -> None:
    """Neither a line that pins it, nor a package that wants some version of it, is refused; nobody installs it."""
    outcome = locked("tensorlib==9.9\ntensorvision==0.18.1\n", brings("tensorlib"), package_server, tmp_path)
    assert pins(outcome) == {"tensorvision==0.18.1", "numlib==2.1.3"}


@pytest.mark.parametrize(
    ("lines", "installed"),
    [
        ("plotkit\n", {"plotkit==3.5.1"}),
        ("plotkit\nnumlib\n", {"plotkit==3.5.1"}),
        ("plotkit\nnumlib<1.25\n", {"plotkit==3.5.1", "numlib==1.24.4"}),
    ],
)
def test_what_is_there_besides_gives_way_to_a_line_of_the_project(
    lines: str, installed: set[str], package_server: str, tmp_path: Path
) -> None:
    contents = replace(brings("tensorlib==2.3.1"), besides=(canonicalize_name("numlib"),))
    outcome = locked(lines, contents, package_server, tmp_path)
    assert pins(outcome) == installed
    assert isinstance(outcome, Lock)
    assert ("numlib" in outcome.provided) is (len(installed) == 1)


def test_nothing_is_brought_in_that_nobody_asked_for(package_server: str, tmp_path: Path) -> None:
    assert pins(locked("numlib<2\n", brings("tensorlib==2.3.1"), package_server, tmp_path)) == {"numlib==1.26.4"}


def test_a_lockfile_of_a_tool_with_an_environment_of_its_own_stands_alone(package_server: str, tmp_path: Path) -> None:
    text = """\
version = 1
revision = 3
requires-python = ">=3.11"

[[package]]
name = "tensorlib"
version = "2.4.0"
source = { registry = "https://index.example/simple" }
wheels = [
    { url = "https://index.example/tensorlib-2.4.0-cp311-cp311-manylinux_2_28_x86_64.whl", hash = "sha256:%s" },
]

[[package]]
name = "service"
version = "0"
source = { virtual = "." }
dependencies = [{ name = "tensorlib" }]
"""
    manifest = uv_lock.parse(text % ("0" * 64), "service/uv.lock")
    outcome = locked("", brings("tensorlib==2.3.1"), package_server, tmp_path, manifest)
    assert pins(outcome) == {"tensorlib==2.4.0"}
    assert isinstance(outcome, Lock)
    assert not outcome.base
