"""A lazy file reads as the bytes that it stands for."""

from __future__ import annotations

import io
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depdoctor.adapters.lazy import PIECE_BYTES, LazyFile, Span

steps = st.lists(
    st.tuples(
        st.sampled_from([os.SEEK_SET, os.SEEK_CUR, os.SEEK_END]),
        st.integers(-200_000, 400_000),
        st.integers(-1, 150_000),
    ),
    max_size=12,
)


@given(st.integers(0, 300_000), st.integers(0, 100_000), steps)
def test_any_seeks_and_reads_agree_with_a_file_in_memory(
    size: int, tail: int, moves: list[tuple[int, int, int]]
) -> None:
    content = bytes(number % 251 for number in range(size))
    tail = min(size, tail)
    fetched: list[tuple[int, int]] = []

    def fetch(start: int, end: int) -> bytes:
        fetched.append((start, end))
        return content[start:end]

    lazy = LazyFile(size, Span(start=size - tail, content=content[size - tail :]), fetch, limit=10_000_000)
    plain = io.BytesIO(content)
    for whence, offset, count in moves:
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: plain.tell(), os.SEEK_END: size}[whence]
        if origin + offset >= 0:
            assert lazy.seek(offset, whence) == plain.seek(offset, whence)
        assert lazy.read(count) == plain.read(count)
        assert lazy.tell() == plain.tell()
    assert all(end - start >= PIECE_BYTES or end == size for start, end in fetched)


def test_a_limit_holds() -> None:
    lazy = LazyFile(
        10 * PIECE_BYTES, Span(start=0, content=b""), lambda start, end: bytes(end - start), limit=PIECE_BYTES
    )
    lazy.read(10)
    lazy.seek(5 * PIECE_BYTES)
    with pytest.raises(ValueError, match="too much"):
        lazy.read(10)


def test_less_than_was_asked_for_is_an_error() -> None:
    lazy = LazyFile(100, Span(start=0, content=b""), lambda _start, _end: b"short", limit=1000)
    with pytest.raises(OSError, match="100 bytes were asked for and 5 came"):
        lazy.read()
