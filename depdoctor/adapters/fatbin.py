"""GPU code inside shared objects: which architectures a stream of bytes holds code for.

A fat binary begins with the magic 0xBA55ED50 and holds entries, each machine code or PTX for one architecture; their
headers tell which, and the payloads need no unpacking. NVIDIA documents none of it: the layout was read off wheels from
CUDA 10.2 to 13.2.
"""

from __future__ import annotations

import struct

MAGIC = b"\x50\xed\x55\xba"

SETTLED_ENTRIES = 40
"""Entries in a row that add nothing: every translation unit repeats the list, so that no more will come."""

_REGION = struct.Struct("<4sHHQ")
_ENTRY = struct.Struct("<HHIQIIHHIIIQ")
_PTX, _MACHINE_CODE = 1, 2
_ENTRY_VERSION = 0x0101
_ARCHITECTURE_SPECIFIC = 0x100000
_LARGEST = 1 << 32


class FatBinaries:
    """Reads a stream piece by piece. `targets` are written as nvcc does: sm_86, sm_90a, compute_80."""

    def __init__(self) -> None:
        self.targets: set[str] = set()
        self._unchanged = 0
        self._buffer = bytearray()
        self._skip = 0
        self._left = 0

    @property
    def settled(self) -> bool:
        """Whether nothing new has come for so long that nothing new will."""
        return self._unchanged >= SETTLED_ENTRIES

    def feed(self, piece: bytes) -> None:
        """Take the next bytes."""
        self._buffer += piece
        while self._step():
            pass

    def _step(self) -> bool:
        """Take one thing off the buffer; False if it needs more bytes for that."""
        if self._skip:
            taken = min(self._skip, len(self._buffer))
            del self._buffer[:taken]
            self._skip -= taken
            return not self._skip and bool(self._buffer)
        return self._entry() if self._left else self._region()

    def _region(self) -> bool:
        start = self._buffer.find(MAGIC)
        if start < 0:
            del self._buffer[: max(len(self._buffer) - len(MAGIC) + 1, 0)]
            return False
        del self._buffer[:start]
        if len(self._buffer) < _REGION.size:
            return False
        _, version, header, size = _REGION.unpack_from(self._buffer)
        if version == 1 and header == _REGION.size and 0 < size < _LARGEST:
            self._left = size
            del self._buffer[: _REGION.size]
        else:
            del self._buffer[: len(MAGIC)]
        return True

    def _entry(self) -> bool:
        if len(self._buffer) < _ENTRY.size:
            return False
        kind, version, header, payload, _, _, _, _, number, _, _, flags = _ENTRY.unpack_from(self._buffer)
        size = header + payload
        if (
            version != _ENTRY_VERSION
            or kind not in {_PTX, _MACHINE_CODE}
            or not number
            or not _ENTRY.size <= size <= self._left
        ):
            self._left = 0
            return True
        suffix = "a" if flags & _ARCHITECTURE_SPECIFIC else ""
        target = f"{'compute' if kind == _PTX else 'sm'}_{number}{suffix}"
        self._unchanged = 0 if target not in self.targets else self._unchanged + 1
        self.targets.add(target)
        self._left -= size
        self._skip = size
        return True
