"""What a plan costs before anything is built, in bytes: packages, and weights that images hold.

Bases and code are left out: they cost the same anyway.
"""

from __future__ import annotations

from packaging.utils import NormalizedName

from depdoctor.model.noun import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutCost:
    """What one way of cutting layers costs.

    A registry stores each blob once (bytes as downloaded). Engines share layers only along an identical chain from the
    bottom: on a disk (unpacked bytes), and in what a classic engine pulls (bytes as downloaded).
    """

    registry_bytes: int
    pull_bytes: int
    disk_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageCost:
    """One image: all of it, and what no other image shares; `largest` are its heaviest packages as installed.

    `weights_bytes` are the model weights among it, `cuda_bytes` (as downloaded) the CUDA libraries. `pulls` tells how
    many bytes a node has yet to pull with a classic engine that holds so many of the other images already, on average
    over which of them.
    """

    name: str
    layers: int
    download_bytes: int
    unpacked_bytes: int
    own_download_bytes: int
    own_unpacked_bytes: int
    largest: tuple[tuple[NormalizedName, int], ...]
    cuda_bytes: int = 0
    weights_bytes: int = 0
    pulls: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """A plan's layout beside others: one layer for each image, and a layer per package in order of popularity.

    `least` is every package and file of weights stored once, which no chain of layers reaches on disks; `bound_bytes`
    is a tighter bound on the disk. `sizes_unknown` counts packages of which nobody said how large they are.
    """

    planned: LayoutCost
    single: LayoutCost
    popularity: LayoutCost
    least: LayoutCost
    bound_bytes: int
    images: tuple[ImageCost, ...]
    sizes_unknown: int


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Move:
    """A package that an image has in another version than before; "" where it had or has none."""

    name: NormalizedName
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageDiff:
    """One image of two plans. `change` is "added", "removed" or "changed"; `besides` names what else changed in it.

    Bytes are as downloaded. `push_bytes` are blobs that no image of the earlier plan had, counted for the first image
    that needs them. A node that holds the earlier image fetches `fetch_bytes` if its engine keeps blobs by content, and
    `pull_bytes` if it is a classic one.
    """

    name: str
    change: str
    moves: tuple[Move, ...] = ()
    besides: tuple[str, ...] = ()
    new_layers: int = 0
    push_bytes: int = 0
    fetch_bytes: int = 0
    pull_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanDiff:
    """What changes from one plan to another, by image; images that stay as they are are left out."""

    images: tuple[ImageDiff, ...]
    push_bytes: int
