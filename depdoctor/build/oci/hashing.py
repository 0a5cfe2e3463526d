"""Hashes of what goes into a layer, computed in the thread that makes it, or in one beside it where a core is free."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Protocol

LONG_BYTES = 1 << 16
_BATCH_BYTES = 1 << 18
"""Shorter pieces are hashed together: to hand one over costs as much as to hash some kilobytes."""

_MOST_WAITING = 16
"""Pieces, of a megabyte as a rule, that wait for the other thread."""


class Digest(Protocol):
    """A hash that is being computed. Bytes that it was given are not changed after that."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Take more bytes in."""

    def digest(self) -> bytes:
        """The hash of all bytes so far."""


Digests = Callable[[str], Digest]
"""Begins a hash, by the name of its algorithm."""


def inline(algorithm: str) -> Digest:
    """A hash that is computed as its bytes come."""
    return hashlib.new(algorithm)


@contextmanager
def beside() -> Iterator[Digests]:
    """Hashes that another thread computes, all of them one, while this one reads, inflates and writes."""
    with ThreadPoolExecutor(1) as thread:
        yield lambda algorithm: _Beside(hashlib.new(algorithm), thread)


class _Beside:
    """A hash whose bytes are handed over to a thread. Matches `Digest`."""

    def __init__(self, actual: Digest, thread: ThreadPoolExecutor) -> None:
        self._actual = actual
        self._thread = thread
        self._short: list[bytes | memoryview] = []
        self._short_bytes = 0
        self._waiting: deque[Future[None]] = deque()

    def update(self, data: bytes | memoryview, /) -> None:
        if len(data) > LONG_BYTES:
            self._gathered()
            self._hand_over(data)
            return
        self._short.append(data)
        self._short_bytes += len(data)
        if self._short_bytes > _BATCH_BYTES:
            self._gathered()

    def digest(self) -> bytes:
        self._gathered()
        while self._waiting:
            self._waiting.popleft().result()
        return self._actual.digest()

    def _gathered(self) -> None:
        if self._short:
            self._hand_over(b"".join(self._short))
            self._short, self._short_bytes = [], 0

    def _hand_over(self, data: bytes | memoryview) -> None:
        self._waiting.append(self._thread.submit(self._actual.update, data))
        if len(self._waiting) > _MOST_WAITING:
            self._waiting.popleft().result()
