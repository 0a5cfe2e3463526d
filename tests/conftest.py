"""What tests of every part share: the small package index of `fixtures/index`, as a folder and on loopback."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, settings

# The same examples in every run: nobody is stopped by what others left. `--hypothesis-profile default` searches anew.
# Nor does it matter how slow a machine is.
settings.register_profile("same", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("same")

FIXTURES = Path(__file__).parent.parent / "fixtures"


def _make_index() -> ModuleType:
    specification = importlib.util.spec_from_file_location("make_index", FIXTURES / "make_index.py")
    assert specification
    assert specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def make_index() -> ModuleType:
    """What makes and serves package indexes, for one of a test's own."""
    return _make_index()


@pytest.fixture(autouse=True)
def _no_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers of a parallel run have a width of their own in the environment; output is what it is in a pipe."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture(scope="session")
def index_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small package index as a folder: `files/` with its distributions, `simple/` with its pages."""
    folder: Path = _make_index().write_index(tmp_path_factory.mktemp("index"))
    return folder


@pytest.fixture(scope="session")
def package_index(index_folder: Path) -> str:
    """The address of its distributions for `--find-links`; such a folder states no times and no yanked releases."""
    return (index_folder / "files").as_uri()


@pytest.fixture(scope="session")
def package_server(index_folder: Path) -> Iterator[str]:
    """The address of its simple API on loopback: JSON with upload times, sizes and yanked releases; byte ranges."""
    with _make_index().served(index_folder) as address:
        yield address


@pytest.fixture(scope="session")
def private_server(index_folder: Path) -> Iterator[str]:
    """The same packages for user "team" with password "s3cr3t" alone, on pages that know no upload times."""
    with _make_index().served(index_folder, account="team:s3cr3t", plain=True) as address:
        yield address


@pytest.fixture(scope="session")
def odd_server(index_folder: Path) -> Iterator[str]:
    """The same packages with times, for a user and a password that an address cannot hold as they are."""
    with _make_index().served(index_folder, account="a b@corp:p/w:d") as address:
        yield address


@pytest.fixture(scope="session")
def stale_server(index_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An index with the oldest release of numlib and of tensorlib, and nothing else."""
    folder = tmp_path_factory.mktemp("stale")
    (folder / "files").symlink_to(index_folder / "files")
    for name, version in (("numlib", "1.24.4"), ("tensorlib", "2.3.1")):
        page = json.loads((index_folder / "simple" / name / "index.json").read_text())
        page["files"] = [file for file in page["files"] if file["filename"].startswith(f"{name}-{version}-")]
        (folder / "simple" / name).mkdir(parents=True)
        (folder / "simple" / name / "index.json").write_text(json.dumps(page | {"versions": [version]}))
    with _make_index().served(folder) as address:
        yield address
