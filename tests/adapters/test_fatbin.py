"""GPU code in a stream of bytes: which architectures, however the stream is cut."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from depdoctor.adapters.fatbin import MAGIC, SETTLED_ENTRIES, FatBinaries

PTX, MACHINE_CODE, SPECIFIC = 1, 2, 0x100000

Entry = tuple[int, int, int, bytes]


def entry(kind: int, number: int, flags: int, payload: bytes) -> bytes:
    """An entry as nvcc writes it: a header of 64 bytes, and a payload padded to eight."""
    padded = payload + b"\0" * (-len(payload) % 8)
    header = struct.pack(
        "<HHIQIIHHIIIQQQ", kind, 0x101, 64, len(padded), len(payload), 0, 1, 8, number, 0, 0, flags, 0, len(payload)
    )
    assert len(header) == 64
    return header + padded


def region(entries: Sequence[Entry]) -> bytes:
    body = b"".join(entry(*one) for one in entries)
    return struct.pack("<4sHHQ", MAGIC, 1, 16, len(body)) + body


def read(content: bytes, size: int = 1 << 20) -> FatBinaries:
    found = FatBinaries()
    for start in range(0, len(content), size):
        found.feed(content[start : start + size])
    return found


def name(kind: int, number: int, flags: int) -> str:
    return f"{'compute' if kind == PTX else 'sm'}_{number}{'a' if flags else ''}"


entries = st.lists(
    st.tuples(
        st.sampled_from([PTX, MACHINE_CODE]),
        st.sampled_from([50, 75, 80, 86, 90, 100, 120]),
        st.sampled_from([0, SPECIFIC]),
        st.binary(max_size=40).filter(lambda payload: MAGIC not in payload),
    ),
    min_size=1,
    max_size=6,
)


@given(st.lists(entries, max_size=4), st.integers(1, 200), st.binary(max_size=50))
def test_every_target_is_found_however_the_stream_is_cut(regions: list[list[Entry]], size: int, noise: bytes) -> None:
    noise = noise.replace(MAGIC, b"").replace(MAGIC[:1], b"")
    content = noise + noise.join(region(one) for one in regions) + noise
    assert read(content, size).targets == {name(*one[:3]) for found in regions for one in found}


@given(st.binary(max_size=400), st.integers(1, 64))
def test_whatever_follows_the_magic_is_survived(noise: bytes, size: int) -> None:
    read(MAGIC + noise + MAGIC, size)


def test_a_region_that_lies_about_its_size_hides_nothing_behind_it() -> None:
    broken = struct.pack("<4sHHQ", MAGIC, 1, 16, 4096) + b"\1" * 64
    assert read(broken + region([(MACHINE_CODE, 86, 0, b"code")])).targets == {"sm_86"}


def test_it_is_settled_once_the_list_repeats_itself() -> None:
    once = region([(MACHINE_CODE, 80, 0, b"x"), (MACHINE_CODE, 90, 0, b"x")])
    assert not read(once).settled
    assert read(once * SETTLED_ENTRIES).settled
