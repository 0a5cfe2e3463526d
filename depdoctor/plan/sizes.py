"""How heavy a package is."""

from __future__ import annotations

from depdoctor.model.distribution import Pin


def weight(pin: Pin) -> int:
    """What a package takes on a disk, in bytes: as installed where that is known, else as downloaded; never 0."""
    return max(pin.unpacked_bytes or pin.download_bytes, 1)
