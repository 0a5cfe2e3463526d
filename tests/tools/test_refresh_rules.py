"""The maintainer's tool that proposes rows, against the small index on loopback."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from depdoctor import rules

ROOT = Path(__file__).resolve().parents[2]

Refresh = Callable[..., str]


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    path = ROOT / "tools" / "refresh_rules.py"
    specification = importlib.util.spec_from_file_location("refresh_rules", path)
    assert specification
    assert specification.loader
    module = importlib.util.module_from_spec(specification)
    sys.modules["refresh_rules"] = module
    specification.loader.exec_module(module)
    return module


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """The tables, with rows that know packages of the small index."""
    folder = tmp_path / "rules"
    shutil.copytree(ROOT / "rules", folder)
    shared = folder / "shared_files.toml"
    shared.write_text(
        shared.read_text() + '\n[[files]]\nmodule = "numlib"\npackages = ["numlib", "numlib-cpu"]\neffect = "x"\n'
    )
    return folder


@pytest.fixture
def refresh(
    tool: ModuleType,
    tables: Path,
    tmp_path: Path,
    package_server: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Refresh:
    monkeypatch.setenv("UV_DEFAULT_INDEX", package_server)
    monkeypatch.setenv("DEPDOCTOR_CACHE_DIR", str(tmp_path / "cache"))

    def run(*arguments: str) -> str:
        assert tool.main(["--folder", str(tables), *arguments]) == 0
        return capsys.readouterr().out

    return run


def test_what_releases_require_is_proposed_as_a_diff(refresh: Refresh, tables: Path) -> None:
    before = (tables / "metadata.toml").read_text()
    proposed = refresh("--table", "metadata", "--package", "tensorvision", "--since", "0.1")
    assert '+package = "tensorvision"' in proposed
    assert "numlib" in proposed
    assert (tables / "metadata.toml").read_text() == before


def test_a_proposal_that_is_written_is_a_table_again_and_nothing_is_new_then(refresh: Refresh, tables: Path) -> None:
    refresh("--table", "metadata", "--package", "tensorvision", "--since", "0.1", "--write")
    known = [row for row in rules.load(tables).metadata if row.package == "tensorvision"]
    assert known
    assert all(str(row.provenance.confidence) == "primary" for row in known)
    assert refresh("--table", "metadata", "--package", "tensorvision") == ""


def test_for_whom_there_are_wheels_is_read_off_their_names(refresh: Refresh) -> None:
    proposed = refresh("--table", "wheels", "--package", "tensorlib", "--since", "0.1")
    assert '+last = "2.3.1"\n+pythons = ["3.9", "3.10", "3.11"]\n+glibc = "2.28"\n' in proposed
    assert '+last = "2.4.0"\n+pythons = ["3.10", "3.11", "3.12"]\n' in proposed


def test_a_package_that_the_index_does_not_have_is_told(refresh: Refresh) -> None:
    assert refresh("--table", "wheels", "--package", "no-such-package") == ""
