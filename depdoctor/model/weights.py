"""Model weights in a plan: files of a project that are layers of their own, or stay out of its image."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from depdoctor.model.noun import dataclass

LEAST_BYTES = 1_000_000
"""Smaller files of weights stay with the code: a layer of their own would cost more than it saves."""

MOST_LAYERS = 5
"""Layers of weights in an image; files beyond share one."""


class Keep(StrEnum):
    """Where weights are kept: in layers of the image, in a volume that is mounted where they would be, or elsewhere."""

    LAYER = "layer"
    VOLUME = "volume"
    OMIT = "omit"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class WeightFile:
    """A file of weights: its path in the project's folder, SHA-256 (hex) and size."""

    path: str
    sha256: str
    size_bytes: int


def layered(weights: Sequence[WeightFile]) -> tuple[tuple[WeightFile, ...], ...]:
    """The files of each layer: every file by itself, or all together where they are too many.

    A layer follows from its files alone, so that images which hold the same file in the same place share it.
    """
    ordered = sorted(weights)
    return tuple((one,) for one in ordered) if len(ordered) <= MOST_LAYERS else (tuple(ordered),)
