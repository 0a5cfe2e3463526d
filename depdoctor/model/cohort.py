"""Cohorts: the images of a plan that can share layers at all, and why the others cannot share with them."""

from __future__ import annotations

from collections import defaultdict

from depdoctor.model.noun import dataclass
from depdoctor.model.plan import Base, Image, Plan
from depdoctor.model.target import Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """Images of one base and one environment, by name. `apart` says what parts it from the largest cohort, "" for that.

    Files for another Python, processor or C library are other bytes, and layers stand on what is below them.
    """

    base: Base
    environment: Environment
    images: tuple[str, ...]
    apart: str = ""


def cohorts(plan: Plan) -> tuple[Cohort, ...]:
    """The cohorts of a plan, the largest first."""
    groups: defaultdict[tuple[Base, Environment], list[Image]] = defaultdict(list)
    for image in plan.images:
        groups[image.base, image.environment].append(image)
    ordered = sorted(groups, key=lambda key: (-len(groups[key]), key))
    return tuple(
        Cohort(
            base=base,
            environment=environment,
            images=tuple(image.name for image in groups[base, environment]),
            apart=_apart((base, environment), ordered[0]),
        )
        for base, environment in ordered
    )


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
