"""A file that is fetched piece by piece, as it is read."""

from __future__ import annotations

import io
import os
from collections.abc import Callable

from depdoctor.model.noun import dataclass

PIECE_BYTES = 64 * 1024
"""The least that is fetched at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Some bytes of a file, and where they begin in it."""

    start: int
    content: bytes

    def holds(self, start: int, end: int) -> bool:
        """Whether the bytes from `start` up to, not including, `end` are among these."""
        return self.start <= start and end <= self.start + len(self.content)


class LazyFile(io.RawIOBase):
    """A seekable file of `size` bytes, of which `known` is there and `fetch(start, end)` brings the rest.

    Raises `ValueError` once more than `limit` bytes would have to be fetched.
    """

    def __init__(self, size: int, known: Span, fetch: Callable[[int, int], bytes], *, limit: int) -> None:
        super().__init__()
        self.size = size
        self._spans = [known]
        self._fetch = fetch
        self._left = limit
        self._position = 0

    def seekable(self) -> bool:
        """It is."""
        return True

    def readable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Where the next read begins."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a place in the file, as files do."""
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}[whence]
        if origin + offset < 0:
            raise OSError("a place before the beginning of the file")
        self._position = origin + offset
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """Up to `size` bytes from here on; all that are left where it is negative."""
        left = max(self.size - self._position, 0)
        count = left if size is None or size < 0 else min(size, left)
        if not count:
            return b""
        span = self._span(self._position, self._position + count)
        start = self._position - span.start
        self._position += count
        return span.content[start : start + count]

    def _span(self, start: int, end: int) -> Span:
        for span in self._spans:
            if span.holds(start, end):
                return span
        end = min(max(end, start + PIECE_BYTES), self.size)
        self._left -= end - start
        if self._left < 0:
            raise ValueError("too much of it would have to be fetched")
        fetched = Span(start=start, content=self._fetch(start, end))
        if len(fetched.content) != end - start:
            raise OSError(f"{end - start} bytes were asked for and {len(fetched.content)} came")
        self._spans.append(fetched)
        return fetched
