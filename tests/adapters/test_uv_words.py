"""uv's prose read back. The messages are uv 0.13's own, shortened."""

from __future__ import annotations

import pytest

from depdoctor.adapters.uv_words import MESSAGE_LIMIT, read_failure, read_warnings, redacted, without_upload_times

CONFLICT = """\
error: No solution found when resolving dependencies
  cause: Because torch==2.4.0 depends on
         nvidia-nccl-cu12{platform_machine == 'x86_64' and sys_platform == 'linux'}==2.20.5 and
         tensorflow[and-cuda]==2.16.1 depends on nvidia-nccl-cu12==2.19.3, we can conclude that torch==2.4.0 and
         tensorflow[and-cuda]==2.16.1 are incompatible.
         And because you require torch==2.4.0 and tensorflow[and-cuda]==2.16.1, we can conclude that your requirements
         are unsatisfiable.
"""

SEVERAL_WITHOUT_WHEELS = """\
error: No solution found when resolving dependencies
  cause: Because all of:
             transformers==4.52.0
             transformers>=4.57.0,<4.57.1
         have no usable wheels and all versions of sklearn have no usable wheels and flatdict==4.0.1 has no usable
         wheels and you require flatdict==4.0.1, we can conclude that your requirements are unsatisfiable.

hint: Wheels are required for `flatdict` because building from source is disabled for all packages
"""

PYTHON = """\
error: No solution found when resolving dependencies
  cause: Because the requested Python version (>=3.10) does not satisfy Python>=3.11 and contourpy==1.3.3 depends on
         Python>=3.11, we can conclude that contourpy==1.3.3 cannot be used.
         And because tensorflow==2.13.0 has no wheels with a matching Python ABI tag (e.g., `cp312`) and you require
         contourpy==1.3.3, we can conclude that your requirements are unsatisfiable.

hint: The `--python-version` value (>=3.10) includes Python versions that are not supported by your dependencies.
hint: You require CPython 3.12 (`cp312`), but we only found wheels for `tensorflow` (v2.13.0) with the following
Python ABI tags: `cp38`, `cp39`
"""

PLATFORM = """\
error: No solution found when resolving dependencies
  cause: Because onnxruntime==1.18.0 has no wheels with a matching platform tag (e.g., `manylinux_2_17_x86_64`) and only
         onnxruntime==1.18.0 is available, we can conclude that all versions of onnxruntime cannot be used.

hint: Wheels are available for `onnxruntime` (v1.18.0) on the following platforms: `manylinux_2_28_x86_64`, `win32`
"""

GONE = """\
error: No solution found when resolving dependencies
  cause: Because there is no version of torch==2.0.1+cpu and Some_Name was not found in the package registry and
         hub==1 was yanked (reason: broken) and old==1 has invalid metadata and you require torch==2.0.1+cpu, we can
         conclude that your requirements are unsatisfiable.

hint: Pre-releases are available for `tensor.lib` in the requested range (e.g., 2.0rc1), but they weren't enabled
"""


def test_a_conflict_names_roots_and_what_they_depend_on() -> None:
    failure = read_failure(CONFLICT)
    assert failure.no_solution
    assert not failure.lonely
    assert failure.required == ("torch", "tensorflow")
    assert failure.depended_on == ("nvidia-nccl-cu12",)
    assert "platform_machine" not in failure.message
    assert failure.message.startswith("Because torch==2.4.0 depends on nvidia-nccl-cu12==2.20.5 and tensorflow")


def test_releases_without_wheels_are_told_apart() -> None:
    failure = read_failure(SEVERAL_WITHOUT_WHEELS)
    assert failure.needs_build == ("transformers==4.52.0", "transformers>=4.57.0,<4.57.1", "sklearn", "flatdict==4.0.1")
    assert failure.demanded == {"flatdict==4.0.1"}
    assert "Wheels are required" not in failure.message


def test_pythons() -> None:
    failure = read_failure(PYTHON)
    assert set(failure.wrong_python) == {"contourpy", "tensorflow"}
    assert failure.wheel_tags == ("cp38", "cp39")
    assert failure.lonely


def test_platforms() -> None:
    failure = read_failure(PLATFORM)
    assert failure.wrong_platform == ("onnxruntime",)
    assert failure.wheel_tags == ("manylinux_2_28_x86_64", "win32")
    assert "`win32`" in failure.message


def test_what_is_not_there() -> None:
    failure = read_failure(GONE)
    assert failure.absent == ("torch==2.0.1+cpu",)
    assert failure.unlisted == ("some-name",)
    assert failure.yanked == ("hub",)
    assert failure.unusable == ("old",)
    assert failure.prereleases == ("tensor-lib",)


@pytest.mark.parametrize(
    ("text", "offline", "unreachable"),
    [
        ("error: Failed to fetch: https://index.example/simple/a/\n  cause: dns error", False, True),
        ("error: No solution found\n  cause: Because a was not found in the cache and you require a.", True, False),
        ("error: No solution found\n\nhint: Packages were unavailable because the network was disabled.", True, False),
        ("error: Failed to download and build `a==1`\n  cause: it broke", False, False),
        ("error: Failed to read `--find-links` directory: /absent", False, True),
        (CONFLICT, False, False),
    ],
)
def test_what_is_about_the_network_is_known_as_such(text: str, *, offline: bool, unreachable: bool) -> None:
    failure = read_failure(text)
    assert (failure.offline, failure.unreachable) == (offline, unreachable)


def test_a_failed_build_is_named() -> None:
    failure = read_failure("error: Failed to build `flatdict==4.0.1`\n  cause: The build backend returned an error\n")
    assert failure.failed_build == ("flatdict",)
    assert failure.message == "Failed to build `flatdict==4.0.1` cause: The build backend returned an error"


def test_warnings_that_matter_are_kept_once() -> None:
    stderr = """\
warning: The package `a==1` does not have an extra named `b`
warning: The package `a==1` does not have an extra named `b`
warning: The requested Python version 3.8 is not available; 3.11.7 will be used to build dependencies instead.
warning: `a-1.whl` is missing an upload date, but user provided: 2025-01-01T00:00:00Z
Resolved 2 packages in 3ms
"""
    assert read_warnings(stderr) == ("The package `a==1` does not have an extra named `b`",)
    assert without_upload_times(stderr) == {"a"}


def test_a_message_of_a_thousand_lines_is_cut() -> None:
    text = "error: No solution found\n  cause: " + "Because a==1 depends on b==2, and so on.\n" * 1000
    assert MESSAGE_LIMIT <= len(read_failure(text).message) <= MESSAGE_LIMIT + 10


def test_credentials_are_left_out() -> None:
    assert redacted("at https://user:pa%40ss@index.example/simple and http://token@h/x, but a@b.example stays") == (
        "at https://***@index.example/simple and http://***@h/x, but a@b.example stays"
    )


@pytest.mark.parametrize(
    ("text", "sourceless"),
    [
        ("Because all versions of gin have no usable wheels and you require gin, we can conclude that", True),
        (
            "Because gin==1 has no usable wheels and a depends on gin==1, we can conclude that a==1 and you require a,",
            False,
        ),
        ("Because there is no version of gin==9 and you require gin==9, we can conclude that", False),
    ],
)
def test_a_package_of_which_nothing_can_be_taken(text: str, sourceless: bool) -> None:
    found = read_failure(
        f"error: No solution found when resolving dependencies\n  cause: {text} all are unsatisfiable."
    )
    assert found.sourceless is sourceless
