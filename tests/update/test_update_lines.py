"""Which lines hold a package at a version, and what is written in their place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.version import Version
from universe import reading

from depdoctor.model.project import DeclaredRequirement, Location
from depdoctor.read import READERS
from depdoctor.update import lines


def line(text: str) -> DeclaredRequirement:
    requirement = Requirement(text.partition("#")[0])
    return DeclaredRequirement(requirement=requirement, location=Location(path="requirements.txt", line=1), text=text)


@pytest.mark.parametrize(
    ("before", "target", "after"),
    [
        ("torch==2.1.0", "2.4.1", "torch==2.4.1"),
        ("torch ==2.1.0  # why 2.1.0", "2.4.1", "torch ==2.4.1  # why 2.1.0"),
        ("torch[a,b] == 2.1.0 ; python_version<'3.12'", "2.4.1", "torch[a,b] == 2.4.1 ; python_version<'3.12'"),
        ("torch==2.1.0+cu118", "2.4.1+cu121", "torch==2.4.1+cu121"),
        ("torch==2.1.0", "2.4.1+cpu", "torch==2.4.1"),
        ("torch~=2.1.0", "2.4.1", "torch~=2.4.1"),
        ("torch~=2.1", "3.0.2", "torch~=3.0"),
        ("torch==2.1.*", "2.4.1", "torch==2.4.*"),
        ("torch>=1.0,<2", "2.4.1", "torch>=1.0,<3"),
        ("torch>=1.0,<2.2.0", "2.4.1", "torch>=1.0,<3.0.0"),
        ("torch<=2.1,!=2.0", "2.4.1", "torch<=2.4.1,!=2.0"),
        ("Flask_Cors==3.0", "4.0", "Flask_Cors==4.0"),
        ("zope.interface==5.0", "6.0", "zope.interface==6.0"),
    ],
)
def test_only_the_version_is_replaced(before: str, target: str, after: str) -> None:
    one = line(before)
    assert lines.written(before, one, Version(target)) == after
    assert Requirement(after.partition("#")[0]).specifier == lines.after(one, Version(target))


@pytest.mark.parametrize(
    ("text", "name", "fmt"),
    [
        (
            '[project]\nname = "x"\nversion = "2.1.0"\ndependencies = [\n "torch==2.1.0",\n]\n',
            "torch",
            "pyproject.toml",
        ),
        (
            '[tool.poetry]\nname = "x"\n[tool.poetry.dependencies]\npython = "3.11"\ntorch = "2.1.0"\n',
            "torch",
            "pyproject.toml",
        ),
        ('[packages]\ntorch = "==2.1.0"\n', "torch", "Pipfile"),
        ("dependencies:\n  - python=3.11\n  - pip:\n    - torch==2.1.0\n", "torch", "environment.yml"),
        ("[options]\ninstall_requires =\n    torch==2.1.0\n    other==2.1.0\n", "torch", "setup.cfg"),
        ('build:\n  python_packages:\n    - "torch==2.1.0"\n', "torch", "cog.yaml"),
    ],
)
def test_every_format_reads_back_what_was_written(text: str, name: str, fmt: str) -> None:
    manifest = READERS[fmt](text, fmt)
    [one] = [each for each in manifest.requirements if each.name == name]
    rows = text.split("\n")
    row = lines.written(rows[one.location.line - 1], one, Version("2.4.1"))
    assert row is not None
    rows[one.location.line - 1] = row
    changed = READERS[fmt]("\n".join(rows), fmt)
    told = {each.name: str(each.requirement.specifier) for each in changed.requirements}
    assert told.pop(name) == "==2.4.1"
    assert told == {each.name: str(each.requirement.specifier) for each in manifest.requirements if each.name != name}


def test_a_version_that_is_not_there_is_not_written() -> None:
    assert lines.written("torch = { version = WHAT }", line("torch==2.1.0"), Version("2.4.1")) is None
    assert lines.written("torchvision==2.1.0", line("torch==2.1.0"), Version("2.4.1")) is None
    assert lines.written("torch==2.1.0.1", line("torch==2.1.0"), Version("2.4.1")) is None


def test_what_holds_a_package() -> None:
    one = reading("a", ["torch==2.1.0", "numpy", "pandas>=1,<2", "scipy~=1.1", "jax>=0.4", "six===1.0", "b==1,!=2"])
    assert [held.line.name for held in lines.holding(one)] == ["torch", "scipy"]
    assert [held.line.name for held in lines.holding(one, {"pandas", "jax"})] == ["torch", "pandas", "scipy"]  # type: ignore[arg-type]


numbers = st.lists(st.integers(0, 30), min_size=1, max_size=3).map(lambda found: ".".join(map(str, found)))


@given(old=numbers, new=numbers, operator=st.sampled_from(["==", "~=", "<", "<="]))
def test_what_is_written_admits_the_target(old: str, new: str, operator: str) -> None:
    if operator == "~=" and "." not in old:
        old += ".0"
    one = line(f"p{operator}{old}")
    target = Version(new)
    said = lines.after(one, target)
    assert said.contains(target)
    written = lines.written(one.text, one, target)
    if said != one.requirement.specifier:
        assert written is not None
        assert Requirement(written).specifier.contains(target)
