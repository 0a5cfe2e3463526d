"""Cohorts: the images of a plan that can share layers at all, and why the others cannot share with them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

from depdoctor.model.noun import dataclass
from depdoctor.model.plan import Base, Image, Plan
from depdoctor.model.target import Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """Images of one base and one environment, by name. `apart` says what parts it from the largest cohort, "" for that.

    Files for another Python, processor or C library are other bytes, and layers stand on what is below them. `name`
    tells the cohorts of a plan apart in a word of what differs between them; "" for a single one.
    """

    base: Base
    environment: Environment
    images: tuple[str, ...]
    apart: str = ""
    name: str = ""


def cohorts(plan: Plan) -> tuple[Cohort, ...]:
    """The cohorts of a plan, the largest first."""
    groups: defaultdict[tuple[Base, Environment], list[Image]] = defaultdict(list)
    for image in plan.images:
        groups[image.base, image.environment].append(image)
    ordered = sorted(groups, key=lambda key: (-len(groups[key]), key))
    names = _names(ordered)
    return tuple(
        Cohort(
            base=base,
            environment=environment,
            images=tuple(image.name for image in groups[base, environment]),
            apart=_apart((base, environment), ordered[0]),
            name=name,
        )
        for (base, environment), name in zip(ordered, names, strict=True)
    )


def _names(cohorts: Sequence[tuple[Base, Environment]]) -> Iterator[str]:
    """For each cohort a word of the properties that tell it from others; a number where two would be alike."""
    platforms = [environment.platform for _, environment in cohorts]
    properties = (
        [f"python{environment.python}" for _, environment in cohorts],
        [platform.machine for platform in platforms],
        [f"{one.libc}{one.libc_version[0]}.{one.libc_version[1]}" for one in platforms],
        [base.reference.rpartition("/")[2] for base, _ in cohorts],
    )
    words = [""] * len(cohorts)
    for values in properties:
        longer = [
            re.sub(r"[^A-Za-z0-9_.-]+", "-", f"{word}-{value}".strip("-"))
            for word, value in zip(words, values, strict=True)
        ]
        if len(set(longer)) > len(set(words)):
            words = longer
    for number, word in enumerate(words):
        yield f"{word}-{number + 1}" if words.count(word) > 1 else word


def _apart(one: tuple[Base, Environment], main: tuple[Base, Environment]) -> str:
    """What differs, the deepest reason first; a base that follows from its Python is none."""
    (base, here), (other_base, there) = one, main
    reasons = []
    if here.python != there.python:
        reasons.append(f"Python {here.python} instead of {there.python}")
    if here.platform.machine != there.platform.machine:
        reasons.append(f"{here.platform.machine} instead of {there.platform.machine}")
    libc, other_libc = (f"{p.libc} {p.libc_version[0]}.{p.libc_version[1]}" for p in (here.platform, there.platform))
    if libc != other_libc:
        reasons.append(f"{libc} instead of {other_libc}")
    if base != other_base and here.python == there.python:
        reasons.append(f"the base {base.pinned} instead of {other_base.pinned}")
    return ", ".join(reasons)
