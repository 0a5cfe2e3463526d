"""What a build or a push would do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from depdoctor.model.noun import dataclass

if TYPE_CHECKING:
    from depdoctor.model.distribution import DistributionFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What would be done for one image; what several images need is named with the first of them.

    `fetch` are the wheels that are not in the cache, `make` the layers, each by its packages. `push_bytes` is what the
    registry lacks, None where nothing would be pushed or an engine would do it; layers that are not made yet count as
    the wheels that they are made of, which `is_estimate` tells. `stands` tells that this very image is there already.
    """

    name: str
    builder: str
    fetch: tuple[DistributionFile, ...] = ()
    make: tuple[str, ...] = ()
    push_bytes: int | None = None
    is_estimate: bool = False
    stands: bool = False
