"""What source distributions state, read from archives as tools have written them."""

from __future__ import annotations

import contextlib
import gzip
import io
import tarfile
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depdoctor.adapters import sdist
from depdoctor.adapters.index_sdists import RemoteSdists
from depdoctor.adapters.sdist import UnreadableSdistError, requirements_of
from depdoctor.adapters.uv import UvResolver
from depdoctor.model.distribution import DistributionFile
from depdoctor.model.finding import Kind
from depdoctor.model.lock import Impossible, Question, Resolved, Unknown
from depdoctor.model.project import IndexOptions
from depdoctor.model.target import Environment, Platform


def tar(files: Mapping[str, str], folder: str = "pkg-1.0") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for path, text in files.items():
            entry = tarfile.TarInfo(f"{folder}/{path}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()


def stated(files: Mapping[str, str]) -> list[str] | None:
    found = requirements_of(tar(files), "pkg-1.0.tar.gz")
    return None if found is None else [str(one) for one in found[0]]


OLD = "Metadata-Version: 1.1\nName: pkg\nVersion: 1.0\n"
SECTIONS = """\
six
Babel<3.0,>=2.8

[:python_version < "3.7"]
dataclasses

[dev]
flake8; sys_platform == "linux"

[all:python_version >= "3.8" or os_name == "nt"]
torch
"""


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"PKG-INFO": f"{OLD}Requires-Dist: numpy>=1.2\n"}, ["numpy>=1.2"]),
        ({"PKG-INFO": OLD.replace("1.1", "2.2")}, []),
        ({"PKG-INFO": OLD.replace("1.1", "2.2") + "Dynamic: Requires-Dist\n"}, None),
        ({"PKG-INFO": OLD, "pkg.egg-info/PKG-INFO": OLD}, []),
        ({"PKG-INFO": OLD, "src/pkg.egg-info/PKG-INFO": OLD, "src/pkg.egg-info/requires.txt": "six\n"}, ["six"]),
        ({"PKG-INFO": OLD, "setup.py": "from distutils.core import setup\nsetup()\n"}, []),
        ({"PKG-INFO": OLD, "setup.py": "setup(install_requires=asked())\n"}, None),
        ({"PKG-INFO": OLD, "pyproject.toml": '[project]\nname = "pkg"\ndependencies = ["six"]\n'}, ["six"]),
        ({"PKG-INFO": OLD, "pyproject.toml": '[project]\nname = "pkg"\ndynamic = ["dependencies"]\n'}, None),
        ({"PKG-INFO": OLD, "pyproject.toml": "[tool.flit.metadata]\n"}, None),
        ({"PKG-INFO": OLD, "pyproject.toml": "not toml ["}, None),
        ({"deep/er/PKG-INFO": f"{OLD}Requires-Dist: numpy\n"}, None),
        ({}, None),
    ],
)
def test_what_is_stated(files: dict[str, str], found: list[str] | None) -> None:
    assert stated(files) == found


def test_sections_are_extras_and_markers() -> None:
    assert stated({"PKG-INFO": OLD, "p.egg-info/PKG-INFO": OLD, "p.egg-info/requires.txt": SECTIONS}) == [
        "six",
        "Babel<3.0,>=2.8",
        'dataclasses; python_version < "3.7"',
        'flake8; sys_platform == "linux" and extra == "dev"',
        'torch; (python_version >= "3.8" or os_name == "nt") and extra == "all"',
    ]


def test_a_zip_is_read_too() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("pkg-1.0/PKG-INFO", f"{OLD}Requires-Dist: six\n")
    found = requirements_of(packed.getvalue(), "pkg-1.0.zip")
    assert found
    assert [str(one) for one in found[0]] == ["six"]


def test_an_archive_that_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdist, "MOST_UNPACKED_BYTES", 1_000_000)
    with pytest.raises(UnreadableSdistError, match="more than"):
        requirements_of(tar({"zeros": "0" * 1_000_001}), "pkg-1.0.tar.gz")


@given(st.binary(max_size=400), st.sampled_from([".tar.gz", ".zip"]), st.booleans())
def test_anything_else_is_unreadable_or_tells_nothing(content: bytes, ending: str, packed: bool) -> None:
    with contextlib.suppress(UnreadableSdistError):
        assert requirements_of(gzip.compress(content) if packed else content, f"pkg-1.0{ending}") is None


@pytest.fixture
def resolver(tmp_path: Path) -> UvResolver:
    return UvResolver(tmp_path / "cache", sdists=RemoteSdists(tmp_path / "cache").facts)


def ask(resolver: UvResolver, index: str, *requirements: str) -> Resolved | Impossible | Unknown:
    environment = Environment(python="3.11", platform=Platform())
    indexes = IndexOptions(index_url=index)
    moment = datetime(2025, 6, 1, tzinfo=UTC)
    wanted = tuple(sorted(requirements))
    return resolver.resolve(
        Question(requirements=wanted, environment=environment, indexes=indexes, exclude_newer=moment)
    )


def test_a_source_distribution_resolves_by_what_it_states(resolver: UvResolver, package_server: str) -> None:
    answer = ask(resolver, package_server, "kernelhub", "deeptrain", "boardlog>=2")
    assert isinstance(answer, Resolved)
    assert [str(pin) for pin in answer.pins] == [
        *("boardlog==2.6.2", "deeptrain==0.14.4", "fastkernels==2.7.0", "kernelhub==1.0")
    ]
    files = {pin.name: pin.file.filename for pin in answer.pins if pin.file}
    assert files["fastkernels"] == "fastkernels-2.7.0.tar.gz"
    assert any("deeptrain==0.14.4 has no wheel" in warning for warning in answer.warnings)


def test_what_is_stated_proves_nothing_impossible(resolver: UvResolver, package_server: str) -> None:
    assert isinstance(ask(resolver, package_server, "flatmap"), Unknown)
    refused = ask(resolver, package_server, "fastkernels", "numlib<2", "numlib>2")
    assert isinstance(refused, Impossible)
    assert refused.kind is Kind.VERSION_CONFLICT


def test_bytes_that_are_not_those_of_the_hash_tell_nothing(tmp_path: Path) -> None:
    path = tmp_path / "pkg-1.0.tar.gz"
    path.write_bytes(tar({"PKG-INFO": f"{OLD}Requires-Dist: six\n"}))
    file = DistributionFile(filename=path.name, url=path.as_uri(), sha256="0" * 64)
    assert RemoteSdists(tmp_path / "cache").facts(file) is None
