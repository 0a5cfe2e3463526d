"""The initializers of an ONNX model, without their content (onnx.proto, and the wire format of protocol buffers)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import BinaryIO

MOST_FIELDS = 200_000
"""Of one model, at every level together."""

_MODEL_VERSION, _GRAPH, _METADATA, _INITIALIZER, _DIMS, _DATA_TYPE = 5, 7, 14, 5, 1, 2
_KEY, _CONTENT = 1, 2
"""Numbers of fields: of ModelProto, of GraphProto, and of TensorProto; of StringStringEntryProto."""

MOST_PROPERTIES = 1000
LARGEST_TEXT_BYTES = 4096
"""Of a text that is read rather than passed over."""

_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5

_TYPES = (
    *("", "FLOAT", "UINT8", "INT8", "UINT16", "INT16", "INT32", "INT64", "STRING", "BOOL", "FLOAT16", "DOUBLE"),
    *("UINT32", "UINT64", "COMPLEX64", "COMPLEX128", "BFLOAT16", "FLOAT8E4M3FN", "FLOAT8E4M3FNUZ", "FLOAT8E5M2"),
    *("FLOAT8E5M2FNUZ", "UINT4", "INT4", "FLOAT4E2M1"),
)
"""TensorProto.DataType, by number."""


class OnnxReader:
    """Walks over the fields of a model. Nothing but dimensions, types and metadata is read; all else is passed over.

    `version` is the model's own number (`model_version`, "" while it is not set), `metadata` its `metadata_props`; both
    are whole once all `tensors` have been seen.
    """

    def __init__(self, file: BinaryIO, size_bytes: int) -> None:
        self._file = file
        self._size = size_bytes
        self._fields = 0
        self.version = ""
        self.metadata: dict[str, str] = {}

    def tensors(self) -> Iterator[tuple[str, int]]:
        """The type and number of elements of each initializer. Raises `ValueError` for what is no such model."""
        graphs = 0
        for number, value, end in self._each(self._size):
            if number == _MODEL_VERSION and value:
                self.version = str(value)
            elif number == _METADATA and len(self.metadata) < MOST_PROPERTIES:
                pair = {inner: self._text(inner_end) for inner, _, inner_end in self._each(end)}
                self.metadata[pair.get(_KEY, "")] = pair.get(_CONTENT, "")
            elif number == _GRAPH:
                graphs += 1
                for inner, _, inner_end in self._each(end):
                    if inner == _INITIALIZER:
                        yield self._tensor(inner_end)
        if not graphs:
            raise ValueError("has no graph")

    def _text(self, end: int) -> str:
        length = end - self._file.tell()
        return self._file.read(length).decode("utf-8", "replace") if length <= LARGEST_TEXT_BYTES else ""

    def _tensor(self, end: int) -> tuple[str, int]:
        shape: list[int] = []
        kind = 0
        for number, value, inner_end in self._each(end):
            if number == _DIMS and inner_end > self._file.tell():
                while self._file.tell() < inner_end:  # packed
                    shape.append(self._varint())
            elif number == _DIMS:
                shape.append(value)
            elif number == _DATA_TYPE:
                kind = value
        return _TYPES[kind] if 0 < kind < len(_TYPES) else f"type {kind}", math.prod(shape)

    def _each(self, end: int) -> Iterator[tuple[int, int, int]]:
        """Each field up to a place: its number, its value if it is a number, and where it ends."""
        while (start := self._file.tell()) < end:
            self._fields += 1
            key = self._varint()
            wire, value = key & 7, 0
            if self._fields > MOST_FIELDS or not key >> 3:
                raise ValueError("is no ONNX model")
            if wire == _VARINT:
                value, length = self._varint(), 0
            elif wire == _BYTES:
                length = self._varint()
            elif wire in {_FIXED_32, _FIXED_64}:
                length = 4 if wire == _FIXED_32 else 8
            else:
                raise ValueError("is no ONNX model")
            stop = self._file.tell() + length
            if not start < stop <= end:
                raise ValueError("a field is longer than what holds it")
            yield key >> 3, value, stop
            self._file.seek(stop)

    def _varint(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self._file.read(1)
            if not byte:
                raise ValueError("ends too early")
            value |= (byte[0] & 127) << shift
            if byte[0] < 128:
                return value
        raise ValueError("a number is too long")
