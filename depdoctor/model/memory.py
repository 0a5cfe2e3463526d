"""What memory the parameters of a model take in types of different width, and where they fit."""

from __future__ import annotations

from collections.abc import Iterable

from depdoctor.model.noun import dataclass
from depdoctor.model.project import Weights
from depdoctor.model.target import Target

WIDTHS = {"float32": 4, "float16": 2, "int8": 1}
"""Bytes of a parameter, the widest first. What a model computes with, and what a server keeps, comes on top."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """The memory that the parameters of one project's files take, in bytes by type, and what that means for a target.

    `fits` names, for each target that says how much memory its GPU has, the widest type that fits there ("" for none).
    """

    project: str
    parameters: int
    needed: tuple[tuple[str, int], ...]
    fits: tuple[tuple[str, int, str], ...] = ()


def need(project: str, weights: Iterable[Weights], targets: Iterable[Target]) -> Need | None:
    """What the parameters take that headers tell of, the same file once; None where no header tells of any."""
    files = {one.sha256 or one.path: one.parameters for one in weights if one.parameters}
    parameters = sum(count for count in files.values() if count)
    if not parameters:
        return None
    needed = tuple((name, parameters * width) for name, width in WIDTHS.items())
    fits = tuple(
        (target.name, memory, next((name for name, size in needed if size <= memory), ""))
        for target in targets
        if (memory := target.gpu_memory_bytes) is not None
    )
    return Need(project=project, parameters=parameters, needed=needed, fits=fits)
