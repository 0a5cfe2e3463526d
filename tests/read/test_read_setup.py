"""`setup.cfg` and `setup.py`, read and never run."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depdoctor.model.project import Manifest
from depdoctor.read import setup_cfg, setup_py
from depdoctor.read.errors import ManifestError


def rows(manifest: Manifest) -> list[tuple[str, str, int]]:
    return [(str(declared.requirement), declared.group, declared.location.line) for declared in manifest.requirements]


SETUP_CFG = """[metadata]
name = app
[options]
python_requires = >=3.9
install_requires =
    a>=1
    # comment
    b ; os_name == "nt"
tests_require = nothing
[options.extras_require]
GPU = c
docs =
    file: docs/requirements.txt
[flake8]
max-line-length = 100
"""


def test_setup_cfg() -> None:
    manifest = setup_cfg.parse(SETUP_CFG, "app/setup.cfg")
    assert manifest.name == "app"
    assert str(manifest.requires_python) == ">=3.9"
    assert rows(manifest) == [("a>=1", "", 6), ('b; os_name == "nt"', "", 8), ("c", "extra:gpu", 11)]
    assert [(include.path, include.group, include.location.line) for include in manifest.includes] == [
        ("app/docs/requirements.txt", "extra:docs", 13)
    ]
    assert manifest.problems == ()


@pytest.mark.parametrize(("text", "line"), [("name = x\n", 1), ("[a]\nnothing here\n", 2)])
def test_what_is_no_ini(text: str, line: int) -> None:
    with pytest.raises(ManifestError) as caught:
        setup_cfg.parse(text, "setup.cfg")
    assert caught.value.line == line


LINES = st.sampled_from(
    ["[options]", "[metadata]", "install_requires =", "  a", "  b>=1", "name = x", "# c", "", "  # d", "z: y"]
)


@given(lines=st.lists(LINES, max_size=15))
@settings(deadline=None)
def test_sections_as_configparser_tells_them_apart(lines: list[str]) -> None:
    text = "\n".join(lines)
    theirs = configparser.RawConfigParser(strict=False)
    try:
        theirs.read_string(text)
        expected = theirs.get("options", "install_requires", fallback="").split()
    except configparser.Error:
        return
    found = setup_cfg.parse(text, "setup.cfg")
    assert [str(declared.requirement) for declared in found.requirements] == expected


def read(text: str) -> Manifest:
    return setup_py.parse(text, "app/setup.py")


def test_literals() -> None:
    manifest = read(
        """
from setuptools import setup
VERSION = "1"
BASE = ["a>=1"]
EXTRA = {"GPU": ["c"], "all": BASE + ["d"]}
setup(
    name="app",
    python_requires=">=3.9",
    install_requires=[
        *BASE,
        "b",
    ],
    extras_require=EXTRA,
)
"""
    )
    assert manifest.name == "app"
    assert str(manifest.requires_python) == ">=3.9"
    assert rows(manifest) == [
        ("a>=1", "", 4),
        ("b", "", 11),
        ("c", "extra:gpu", 5),
        ("a>=1", "extra:all", 4),
        ("d", "extra:all", 5),
    ]
    assert manifest.problems == ()


@pytest.mark.parametrize(
    "code",
    [
        "setup(install_requires=open('requirements.txt').read().splitlines())",
        "with open('requirements.txt') as f:\n    wanted = f.read().splitlines()\nsetup(install_requires=wanted)",
        "with open('requirements.txt') as f:\n    wanted = [x.strip() for x in f if x]\nsetup(install_requires=wanted)",
        "from pathlib import Path\nsetup(install_requires=Path('requirements.txt').read_text().split('\\n'))",
        "def wanted(name):\n    return open(name).readlines()\nsetup(install_requires=wanted('requirements.txt'))",
        "from os.path import *\nx = dirname('a')\nsetup(install_requires=open(join(x, 'requirements.txt')).read())",
        "args = dict(a=1)\nsetup(**{'install_requires': open('requirements.txt').readlines()})",
    ],
)
def test_files_that_lists_come_from(code: str) -> None:
    manifest = read(f"import setuptools\nfrom setuptools import setup\n{code}\n")
    assert [(include.path, include.role) for include in manifest.includes] == [("app/requirements.txt", "requirements")]
    assert manifest.problems == ()


@pytest.mark.parametrize(
    "code",
    [
        "setup(install_requires=compute())",
        "x = ['a']\nx.append('b')\nsetup(install_requires=x)",
        "x = ['a']\nx += ['b']\nsetup(install_requires=x)",
        "x = ['a']\nif y:\n    x = ['b']\nsetup(install_requires=x)",
        "setup(install_requires=[f'a=={version}'])",
        "setup(**compute())",
        "setup(install_requires=open('one.txt').readlines() + open(name).readlines())",
    ],
)
def test_what_only_running_it_would_tell_is_said(code: str) -> None:
    assert "dynamic" in {problem.kind for problem in read(f"{code}\n").problems}


def test_code_of_python_2_is_told() -> None:
    with pytest.raises(ManifestError, match="is no Python 3") as caught:
        read("import x\nprint 'two'\n")
    assert caught.value.line == 2


def test_nothing_runs(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    read(f"open({str(mark)!r}, 'w')\nraise SystemExit\nsetup(install_requires=['a'])\n")
    assert not mark.exists()
