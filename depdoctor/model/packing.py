"""How the wheels of an image become layers, where there is a choice."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from depdoctor.model.noun import dataclass


class Compression(StrEnum):
    """How layers are compressed.

    `COPY` keeps the streams of the wheels, as members of one gzip file; `GZIP` makes one member, for what reads no
    more than that; `ZSTD` is smaller and faster to unpack, and unknown to engines before Docker 23 and containerd 1.5.
    """

    COPY = "copy"
    GZIP = "gzip"
    ZSTD = "zstd"


COMPILED = "compiled"
"""The word for byte-code."""

LAST_WINS = "last-wins"
"""The word for wheels that may own one path."""

WORDS = (COMPILED, Compression.GZIP, Compression.ZSTD, LAST_WINS)
"""All that a packing can be besides the usual."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Packing:
    """Whether wheels are `compiled` to byte-code, and how their layers are compressed.

    Of two wheels that own one path the last one wins if `last_wins`; else there is no image.
    """

    compiled: bool = False
    compression: Compression = Compression.COPY
    last_wins: bool = False

    @classmethod
    def of(cls, words: Iterable[str]) -> Packing:
        """The packing that these words mean."""
        said = set(words)
        chosen = next((one for one in Compression if one in said), Compression.COPY)
        return cls(compiled=COMPILED in said, compression=chosen, last_wins=LAST_WINS in said)

    def words(self) -> tuple[str, ...]:
        """What is not the usual, in words; none where everything is."""
        compression = () if self.compression is Compression.COPY else (str(self.compression),)
        last = (LAST_WINS,) if self.last_wins else ()
        return (*((COMPILED,) if self.compiled else ()), *compression, *last)


USUAL = Packing()
"""No byte-code, and streams as they are."""
