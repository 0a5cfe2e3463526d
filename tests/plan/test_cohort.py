"""Which images can share at all, and what parts the rest from them."""

from __future__ import annotations

from dataclasses import replace

from fleets import ENVIRONMENT, entry, fleet, inventory, lock, pin

from depdoctor.model.cohort import cohorts
from depdoctor.model.config import Config
from depdoctor.model.target import Environment, Platform
from depdoctor.plan import plan

OLD = Environment(python="3.9", platform=Platform(libc_version=(2, 36)))
EDGE = Environment(python="3.11", platform=Platform(machine="aarch64", libc_version=(2, 28)))


def test_one_cohort_is_not_apart() -> None:
    (only,) = cohorts(plan(fleet({"a": [pin("x")], "b": [pin("y")]}), Config(), {}))
    assert (only.images, only.apart) == (("a", "b"), "")


def test_why_two_are_apart() -> None:
    found = inventory(
        [
            entry("a", lock("a", [pin("x")])),
            entry("b", lock("b", [pin("x")]), lock("b", [pin("x")], EDGE)),
            entry("old", lock("old", [pin("x")], OLD)),
        ]
    )
    made = cohorts(plan(found, Config(), {}))
    assert [(one.images, one.apart) for one in made] == [
        (("a", "b-x86-64"), ""),
        (("b-aarch64",), "aarch64 instead of x86_64, glibc 2.28 instead of glibc 2.36"),
        (("old",), "Python 3.9 instead of 3.11"),
    ]
    assert made[0].environment == ENVIRONMENT


def test_another_base_parts_what_is_else_alike() -> None:
    made = plan(fleet({"a": [pin("x")], "b": [pin("x")], "c": [pin("x")]}), Config(), {})
    moved = replace(made.images[2], base=replace(made.images[2].base, reference="own:1"))
    main, other = cohorts(replace(made, images=(*made.images[:2], moved)))
    assert (other.images, main.images) == (("c",), ("a", "b"))
    assert other.apart == "the base own:1 instead of python:3.11-slim-bookworm"
