"""Files of model weights: what their headers tell. No pickle is loaded, and no tensor is read.

safetensors: its README, "Format", and ModelSpec for what its metadata may say. GGUF: the ggml project's `docs/gguf.md`,
versions 2 and 3. Git LFS pointers: the Git LFS specification. ONNX: see `onnx_header`.
"""

from __future__ import annotations

import json
import math
import posixpath
import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import BinaryIO

from depdoctor.model.expression import expression
from depdoctor.model.noun import dataclass
from depdoctor.model.project import Weights
from depdoctor.read.onnx_header import OnnxReader

LARGEST_HEADER_BYTES = 32 * 1024 * 1024
LARGEST_TEXT_BYTES = 4096
"""Of a text that is read rather than passed over."""
MOST_ENTRIES = 200_000
_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\noid sha256:(?P<sha256>[0-9a-f]{64})\nsize (?P<size>\d{1,18})\n"
)

_GGUF_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Bytes of the scalar types of GGUF metadata, by number."""
_GGUF_TEXT, _GGUF_LIST = 8, 9
_GGML_TYPES = {0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 9: "Q8_1", 10: "Q2_K"}
_GGML_TYPES |= {11: "Q3_K", 12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 15: "Q8_K", 24: "I8", 25: "I16", 26: "I32", 27: "I64"}
_GGML_TYPES |= {28: "F64", 30: "BF16"}

_VERSION_KEYS = ("modelspec.version", "general.version", "model_version", "version")
"""Where metadata says which version of a model this is, the most definite first."""

LONGEST_VERSION = 100
_CONTROL = expression(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The tensors that a header lists: how many, and the number of parameters of each type; the model's version."""

    tensors: int
    dtypes: tuple[tuple[str, int], ...]
    version: str = ""


def parse(file: BinaryIO, path: str, size_bytes: int) -> Weights:
    """What a file of weights tells about itself. Raises nothing for its content, only what reading raises."""
    name = posixpath.basename(path)
    format_name = "saved_model" if name == "saved_model.pb" else posixpath.splitext(name)[1].removeprefix(".").lower()
    start = file.read(512)
    if pointer := _POINTER.match(start):
        sha256 = pointer["sha256"].decode("ascii")
        return Weights(path=path, format=format_name, size_bytes=int(pointer["size"]), sha256=sha256)
    file.seek(0)
    header = None
    try:
        if format_name == "safetensors":
            header = _safetensors(file, size_bytes)
        elif format_name == "gguf":
            header = _gguf(file)
        elif format_name == "onnx":
            reader = OnnxReader(file, size_bytes)
            header = _counted(reader.tensors())
            header = replace(header, version=version_of(reader.metadata) or reader.version)
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError, struct.error):
        header = None  # what the name promises is not in the file; its size is still known
    if header is None:
        return Weights(path=path, format=format_name, size_bytes=size_bytes)
    parameters = sum(count for _, count in header.dtypes)
    return Weights(
        path=path,
        format=format_name,
        size_bytes=size_bytes,
        tensors=header.tensors,
        parameters=parameters,
        dtypes=header.dtypes,
        version=header.version,
    )


def version_of(metadata: Mapping[str, object]) -> str:
    """The version of the model that metadata states, "" for none."""
    for key in _VERSION_KEYS:
        value = metadata.get(key)
        text = str(value).strip() if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ""
        if text and len(text) <= LONGEST_VERSION and not _CONTROL.search(text):
            return text
    return ""


def _counted(tensors: Iterable[tuple[str, int]]) -> Header:
    counts: dict[str, int] = {}
    number = 0
    for dtype, parameters in tensors:
        number += 1
        counts[dtype] = counts.get(dtype, 0) + parameters
    return Header(tensors=number, dtypes=tuple(sorted(counts.items())))


def _safetensors(file: BinaryIO, size_bytes: int) -> Header:
    (length,) = struct.unpack("<Q", file.read(8))
    if length > min(LARGEST_HEADER_BYTES, size_bytes):
        raise ValueError("the header is longer than the file, or than any honest one")
    entries = json.loads(file.read(length))
    metadata = entries.pop("__metadata__", {})
    header = _counted((entry["dtype"], math.prod(entry["shape"])) for entry in entries.values())
    return replace(header, version=version_of(metadata) if isinstance(metadata, dict) else "")


def _gguf(file: BinaryIO) -> Header:
    magic, version, tensors, entries = struct.unpack("<4sIQQ", file.read(24))
    if magic != b"GGUF" or version not in {2, 3} or max(tensors, entries) > MOST_ENTRIES:
        raise ValueError("is no GGUF file of version 2 or 3")
    metadata: dict[str, object] = {}
    for _ in range(entries):
        key = _gguf_text(file)
        (kind,) = struct.unpack("<I", file.read(4))
        if key in _VERSION_KEYS and kind == _GGUF_TEXT:
            metadata[key] = _gguf_text(file)
        else:
            _gguf_skip(file, kind)
    return replace(_counted([_gguf_tensor(file) for _ in range(tensors)]), version=version_of(metadata))


def _gguf_text(file: BinaryIO) -> str:
    (length,) = struct.unpack("<Q", file.read(8))
    if length > LARGEST_HEADER_BYTES:
        raise ValueError("a text is too long")
    if length > LARGEST_TEXT_BYTES:
        file.seek(length, 1)
        return ""
    return file.read(length).decode("utf-8", "replace")


def _gguf_skip_text(file: BinaryIO) -> None:
    (length,) = struct.unpack("<Q", file.read(8))
    if length > LARGEST_HEADER_BYTES:
        raise ValueError("a text is too long")
    file.seek(length, 1)


def _gguf_skip(file: BinaryIO, kind: int) -> None:
    if kind == _GGUF_TEXT:
        _gguf_skip_text(file)
    elif kind == _GGUF_LIST:
        inner, count = struct.unpack("<IQ", file.read(12))
        if inner in _GGUF_SIZES:
            file.seek(min(count, LARGEST_HEADER_BYTES) * _GGUF_SIZES[inner], 1)
        elif inner == _GGUF_TEXT and count <= 10 * MOST_ENTRIES:
            for _ in range(count):
                _gguf_skip_text(file)
        else:
            raise ValueError("a list of lists")
    elif kind in _GGUF_SIZES:
        file.seek(_GGUF_SIZES[kind], 1)
    else:
        raise ValueError("a value of no known type")


def _gguf_tensor(file: BinaryIO) -> tuple[str, int]:
    _gguf_skip_text(file)
    (dimensions,) = struct.unpack("<I", file.read(4))
    if dimensions > 8:
        raise ValueError("more dimensions than any tensor has")
    shape = struct.unpack(f"<{dimensions}Q", file.read(8 * dimensions))
    kind, _ = struct.unpack("<IQ", file.read(12))
    return _GGML_TYPES.get(kind, f"type {kind}"), math.prod(shape)
