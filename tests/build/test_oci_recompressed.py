"""Layers that are compressed again hold the very same files."""

import gzip
import io
import zlib
from pathlib import Path

import pytest
import zstandard
from wheels import RawEntry, make_wheel, raw_wheel

from depdoctor.build.oci import layer as layers
from depdoctor.build.oci.layer import MadeLayer, WheelFile, make_layer
from depdoctor.build.oci.recompressed import ZSTD_TYPE
from depdoctor.build.oci.stream import LAYER_TYPE
from depdoctor.errors import UnsafeWheelError
from depdoctor.model.packing import Compression

FILES = {"demo/__init__.py": b"x = 1\n" * 500, "demo/small.py": b"y\n", "demo/data.bin": bytes(range(256)) * 5000}


def made(wheel: Path, compression: Compression) -> tuple[MadeLayer, bytes]:
    out = io.BytesIO()
    made = make_layer([WheelFile(path=wheel, filename=wheel.name)], "3.11", out, compression=compression)
    return made, out.getvalue()


@pytest.mark.parametrize("large", [True, False])
def test_the_files_are_the_same(large: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if large:
        monkeypatch.setattr(layers, "_LARGE_BYTES", 1000)
    wheel = make_wheel(tmp_path, files=FILES)
    copied, members = made(wheel, Compression.COPY)
    zipped, single = made(wheel, Compression.GZIP)
    packed, frame = made(wheel, Compression.ZSTD)
    assert copied.blob.diff_id == zipped.blob.diff_id == packed.blob.diff_id
    assert copied.owned == zipped.owned == packed.owned
    text = gzip.decompress(members)
    one = zlib.decompressobj(31)
    assert one.decompress(single) == text
    assert not one.unused_data  # nothing follows the first member
    assert zstandard.ZstdDecompressor().decompressobj().decompress(frame) == text
    assert (zipped.blob.media_type, packed.blob.media_type) == (LAYER_TYPE, ZSTD_TYPE)
    assert made(wheel, Compression.GZIP) == (zipped, single)
    assert made(wheel, Compression.ZSTD) == (packed, frame)


@pytest.mark.parametrize("compression", [Compression.GZIP, Compression.ZSTD])
def test_a_large_file_that_lies_is_refused(
    compression: Compression, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layers, "_LARGE_BYTES", 1000)
    entry = RawEntry(name=b"demo/big.bin", content=bytes(range(256)) * 100, crc=7)
    wheel = tmp_path / "demo-1.0-py3-none-any.whl"
    wheel.write_bytes(raw_wheel(entry))
    with pytest.raises(UnsafeWheelError, match="size and checksum"):
        made(wheel, compression)
