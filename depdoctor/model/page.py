"""What is told of one image on a page of its own."""

from __future__ import annotations

from depdoctor.model.deployment import Running
from depdoctor.model.explanation import Purpose
from depdoctor.model.noun import dataclass
from depdoctor.model.plan import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Owned:
    """A package of an image, what it is for, and who decides on its version and why."""

    purpose: Purpose
    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A target as the configuration has it, and whether an image runs there; None where that is not known."""

    name: str
    has: str
    runs: bool | None
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """An image with all that is told of it. `manifests` are the files that it is planned from."""

    image: Image
    packages: tuple[Owned, ...]
    machines: tuple[Machine, ...]
    running: Running
    manifests: tuple[str, ...] = ()
