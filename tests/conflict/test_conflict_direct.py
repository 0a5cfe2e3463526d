from __future__ import annotations

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from depdoctor.conflict.demand import Element
from depdoctor.conflict.direct import clashes


def element(text: str) -> Element:
    """An element of a line as in a requirements file; "-c " before it makes it a constraint."""
    requirement = Requirement(text.removeprefix("-c "))
    return Element(
        name=canonicalize_name(requirement.name),
        specifier=str(requirement.specifier),
        constraint=text.startswith("-c "),
    )


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        ("torch==2.0.1", "torch==2.1.2", True),
        ("torch>=2", "torch<2", True),
        ("numpy~=1.21.6", "numpy>=1.22.3", True),
        ("numpy<2", "numpy>=2.0.0a1", True),
        ("torch==2.0.1", "torch==2.0.1+cu117", False),
        ("torch==2.0.1+cu118", "torch==2.0.1+cu117", True),
        ("numpy>=1.9", "numpy==2.0.0a1", False),
        ("torch==2.0.1", "torchvision==2.1.2", False),
        ("torch>=2,<1", "torch==2.1.2", False),
        ("torch===2.0.1", "torch==2.1.2", False),
        ("-c torch==2.0.1", "torch==2.1.2", True),
        ("-c torch==2.0.1", "-c torch==2.1.2", False),
    ],
)
def test_lines_clash_where_no_version_satisfies_both(one: str, other: str, apart: bool) -> None:
    assert bool(list(clashes([element(one), element(other)]))) is apart
    assert bool(list(clashes([element(other), element(one)]))) is apart


def test_every_two_that_clash_are_told() -> None:
    pins = [element(f"torch==2.{minor}") for minor in range(4)]
    assert len(list(clashes(pins))) == 6
