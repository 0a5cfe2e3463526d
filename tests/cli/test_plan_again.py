"""A plan of what has not changed prints the same again and works nothing out; any change makes it work."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from depdoctor import cli, planfile

BEFORE_S = 100


@pytest.fixture
def root(tmp_path: Path, package_server: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UV_DEFAULT_INDEX", package_server)
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    folder = tmp_path / "fleet"
    (folder / "rag").mkdir(parents=True)
    (folder / "rag" / "requirements.txt").write_text("numlib\n")
    (folder / "rag" / "app.py").write_text("import numlib\n")
    (folder / "depdoctor.toml").write_text('rules = { path = "own" }\n[image]\nbase = "scratch"\n')
    (folder / "own").mkdir()
    time.sleep(0.06)  # what was written just now may still be written
    return folder


@pytest.fixture
def planned(root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., bool]:
    """Plan and say whether the answer was found again; then all that is printed must be as before."""
    from depdoctor.pipeline import planning

    worked: list[bool] = []
    whole = planning.plan

    def plan(*arguments: object, **options: object) -> object:
        worked.append(True)
        return whole(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(planning, "plan", plan)
    told: list[tuple[int, object]] = []

    def run(*options: str) -> bool:
        worked.clear()
        status = cli.run(["plan", str(root), *options])
        told.append((status, capsys.readouterr()))
        assert worked or told[-1] == told[-2]
        time.sleep(0.06)
        return not worked

    return run


def test_an_unchanged_plan_is_told_again(planned: Callable[..., bool]) -> None:
    # The first one writes the file, which is another state than that which it read.
    assert [planned() for _ in range(4)] == [False, False, True, True]
    assert planned("--offline")
    assert planned("--budget", "1")


def test_what_was_said_is_said_again(root: Path, planned: Callable[..., bool]) -> None:
    (root / "depdoctor.toml").unlink()
    assert [planned("--base", "scratch") for _ in range(4)] == [False, False, True, True]


@pytest.mark.parametrize("option", ["--check", "--diff"])
def test_a_check_is_told_again_with_its_verdict(option: str, root: Path, planned: Callable[..., bool]) -> None:
    planned()
    assert [planned(option) for _ in range(3)] == [False, True, True]
    (root / "rag" / "requirements.txt").write_text("numlib<2\n")
    time.sleep(0.06)
    assert [planned(option) for _ in range(3)] == [False, True, True]
    assert not planned()
    assert not planned(option)


CHANGES: dict[str, Callable[[Path], object]] = {
    "a line": lambda root: (root / "rag" / "requirements.txt").write_text("numlib>=1\n"),
    "an import": lambda root: (root / "rag" / "app.py").write_text("import other\n"),
    "a project": lambda root: (root / "new").mkdir(),
    "a Python": lambda root: (root / ".python-version").write_text("3.10"),
    "a configuration": lambda root: (root / "depdoctor.toml").write_text(
        'python = "3.10"\n[image]\nbase = "scratch"\n'
    ),
    "a table of one's own": lambda root: (root / "own" / "names.toml").write_text(""),
    "the plan": lambda root: (root / planfile.PLAN_NAME).write_text((root / planfile.PLAN_NAME).read_text() + "\n"),
    "no plan": lambda root: (root / planfile.PLAN_NAME).unlink(),
    "weights": lambda root: (root / "rag" / "model.onnx").write_bytes(b"0" * 2_000_000),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_changes_is_planned_again(change: str, root: Path, planned: Callable[..., bool]) -> None:
    assert [planned(), planned(), planned()] == [False, False, True]
    CHANGES[change](root)
    assert not planned()


def test_other_options_are_another_plan(planned: Callable[..., bool]) -> None:
    assert [planned(), planned(), planned()] == [False, False, True]
    assert not planned("--exclude-newer", "2024-12-24")
    assert not planned("--align", "none")
    assert not planned("--format", "json")


def test_who_wants_it_afresh_is_told_nothing_old(planned: Callable[..., bool]) -> None:
    assert [planned(), planned(), planned()] == [False, False, True]
    for option in ("--fresh", "--relock"):
        assert [planned(option), planned(option)] == [False, False]


def test_another_index_is_another_plan(planned: Callable[..., bool], monkeypatch: pytest.MonkeyPatch) -> None:
    assert [planned(), planned(), planned()] == [False, False, True]
    monkeypatch.setenv("UV_HTTP_TIMEOUT", "29")
    assert not planned()


@pytest.mark.parametrize("options", [(), ("--exclude-newer", "2024-12-24")])
def test_registries_are_asked_again_with_the_hour(
    options: tuple[str, ...], planned: Callable[..., bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [planned(*options) for _ in range(3)] == [False, False, True]
    monkeypatch.setattr("depdoctor.cli.again.this_hour", lambda: "2031-01-01T00:00:00+00:00")
    assert not planned(*options)


def test_what_could_not_be_known_is_asked_again(
    root: Path, planned: Callable[..., bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    (root / "b").mkdir()
    (root / "b" / "requirements.txt").write_text("numlib\n")
    time.sleep(0.06)
    assert not any(planned("--offline") for _ in range(3))
    assert not list((tmp_path / "cache").glob("scans-*/*"))


def test_a_large_file_of_weights_is_told_by_its_times(root: Path, planned: Callable[..., bool]) -> None:
    place = root / "rag" / "model.onnx"
    place.write_bytes(b"0" * 9_000_000)
    time.sleep(0.06)
    assert [planned(), planned(), planned()] == [False, False, True]
    with place.open("r+b") as file:
        file.write(b"1")
    os.utime(place, (time.time() - BEFORE_S,) * 2)
    assert not planned()
