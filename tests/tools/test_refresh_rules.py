"""The maintainer's tool that proposes rows, against the small index on loopback."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from packaging.utils import parse_wheel_filename
from packaging.version import Version

from depdoctor import rules
from depdoctor.model.distribution import DistributionFile

ROOT = Path(__file__).resolve().parents[2]

Refresh = Callable[..., str]


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    path = ROOT / "tools" / "refresh_rules.py"
    sys.path.insert(0, str(path.parent))  # as it is when the tool runs
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


def test_the_stable_abi_musl_machines_and_source_archives_are_read_off_the_list(tool: ModuleType) -> None:
    names = (
        "lib-1.0-cp38-cp38-manylinux_2_28_x86_64.whl",
        "lib-1.0-cp39-abi3-manylinux_2_28_x86_64.whl",
        "lib-1.0-cp39-abi3-musllinux_1_2_x86_64.whl",
        "lib-1.0-cp39-abi3-manylinux_2_31_aarch64.whl",
        "lib-1.0-cp39-abi3-win_amd64.whl",
    )
    wheels = tuple(
        (DistributionFile(filename=name, url="", sha256="", size_bytes=None), parse_wheel_filename(name)[3])
        for name in names
    )
    release = tool.Release(
        package="lib", version=Version("1.0"), wheels=wheels, sdist=True, requires_python=">=3.8,<3.14"
    )
    found = [dict(row.fields) for _, row in tool._of_wheels(None, [release])]
    both = {"onward": "3.9", "sdist": True, "requires-python": ">=3.8,<3.14"}
    assert found == [
        {"pythons": ("3.8",), "glibc": "2.28", "musl": "1.2", **both},
        {"platforms": ("linux-aarch64",), "glibc": "2.31", **both},
    ]
    assert release.newest.filename == "lib-1.0-cp39-abi3-manylinux_2_28_x86_64.whl"


def test_rows_are_proposed_anew_and_those_with_a_source_of_their_own_stay(refresh: Refresh, tables: Path) -> None:
    path = tables / "wheels.toml"
    by_hand = '\n[[wheels]]\npackage = "tensorlib"\nfirst = "0.1"\nlast = "0.2"\nglibc = "2.40"\nsource = "a report"\n'
    path.write_text(path.read_text() + by_hand)
    refresh("--table", "wheels", "--package", "tensorlib", "--anew", "--write")
    once = path.read_text()
    assert by_hand in once
    assert once.count('package = "tensorlib"') > 1
    refresh("--table", "wheels", "--package", "tensorlib", "--anew", "--write")
    assert path.read_text() == once


def test_a_row_that_is_taken_away_is_proposed_again(refresh: Refresh, tables: Path) -> None:
    refresh("--table", "wheels", "--package", "tensorlib", "--since", "0.1", "--write")
    path = tables / "wheels.toml"
    whole = path.read_text()
    *rest, last = whole.split("\n[[wheels]]\n")
    path.write_text("\n[[wheels]]\n".join(rest))
    assert 'package = "tensorlib"' in last
    refresh("--table", "wheels", "--package", "tensorlib", "--write")
    assert path.read_text() == whole


def test_the_libraries_of_a_new_toolkit_are_read_off_its_meta_package(tool: ModuleType) -> None:
    release = tool.Release(
        package="cuda-toolkit", version=Version("99.0.0"), wheels=(), sdist=False, requires_python=""
    )
    row = tool.Row(
        package="cuda-toolkit",
        fields=(("requires", ("nvidia-cublas==99.1.2.*", "nvidia-cublas==13.0.0.19.*", "nvidia-other==1.*")),),
        source="METADATA of wheels",
    )
    found = list(tool._components([(release, row), (release, row)], rules.load()))
    assert found == ['  { package = "nvidia-cublas", version = "99.1.2", toolkit = "99.0.0" },\n']
    text = 'schema = 1\ncomponent = [\n  { package = "a" },\n]\n'
    assert tool._with(text, found, within="]") == text.removesuffix("]\n") + found[0] + "]\n"
