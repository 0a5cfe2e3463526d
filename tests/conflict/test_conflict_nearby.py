from __future__ import annotations

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from depdoctor.conflict.nearby import admitting, windows


@pytest.mark.parametrize(
    ("specifier", "ranges"),
    [
        ("==4.44.0", [">4.44.0,<4.45", ">4.44.0,<4.47", ">4.44.0,<5", ">4.44.0", "<4.44.0"]),
        (">=4.20,<4.30", [">=4.30,<4.31", ">=4.30,<4.33", ">=4.30,<5", ">=4.30", "<4.20"]),
        ("~=1.21.6", [">=1.22,<1.23", ">=1.22,<1.25", ">=1.22,<2", ">=1.22", "<1.21.6"]),
        ("==1.8.*", [">=1.9,<1.10", ">=1.9,<1.12", ">=1.9,<2", ">=1.9", "<1.8"]),
        ("==2.0.1+cu117", [">2.0.1,<2.1", ">2.0.1,<2.3", ">2.0.1,<3", ">2.0.1", "<2.0.1"]),
        (">=2", ["<2"]),
        (">2", ["<=2"]),
        ("!=1", []),
        ("", []),
    ],
)
def test_where_other_versions_are_looked_for(specifier: str, ranges: list[str]) -> None:
    found = list(windows(specifier))
    assert [text for _, text in found] == ranges
    assert all(SpecifierSet(text).is_disjoint(SpecifierSet(specifier)) for text in ranges)


@pytest.mark.parametrize(
    ("specifier", "version", "written"),
    [
        ("==4.44.0", "4.45.2", "==4.45.2"),
        (">=4.20,<4.30", "4.45.2", "<=4.45.2,>=4.20"),
        (">=4.20,<4.30", "4.1", "<4.30,>=4.1"),
        (">4.20", "4.1", ">=4.1"),
        ("~=1.21.6", "1.26.4", "~=1.26.4"),
        ("~=1.21", "2.1.4", "~=2.1"),
        ("==1.8.*", "1.9.3", "==1.9.*"),
        ("!=4.45.2,>=4", "4.45.2", ">=4"),
        ("===1.0", "1.1", "===1.1"),
        (">=2", "2.5", ">=2"),
    ],
)
def test_how_a_version_is_let_in(specifier: str, version: str, written: str) -> None:
    assert admitting(specifier, Version(version)) == written
    assert SpecifierSet(written).contains(Version(version), prereleases=True)
