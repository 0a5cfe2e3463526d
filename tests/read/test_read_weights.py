"""Weights by their headers."""

from __future__ import annotations

import io
import json
import pickle
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depdoctor.discover import discover
from depdoctor.model.project import Weights
from depdoctor.read import model_card, read
from depdoctor.read.weights import parse


def of(path: str, content: bytes) -> Weights:
    return parse(io.BytesIO(content), path, len(content))


def safetensors(entries: object) -> bytes:
    header = json.dumps(entries).encode()
    return struct.pack("<Q", len(header)) + header + b"\0" * 8


def gguf_text(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()


def test_safetensors() -> None:
    found = of(
        "a/model.safetensors",
        safetensors(
            {
                "__metadata__": {"format": "pt"},
                "w": {"dtype": "F16", "shape": [2, 3], "data_offsets": [0, 12]},
                "b": {"dtype": "F32", "shape": [4], "data_offsets": [12, 28]},
                "s": {"dtype": "F32", "shape": [], "data_offsets": [28, 32]},
            }
        ),
    )
    assert (found.format, found.tensors, found.parameters) == ("safetensors", 3, 11)
    assert found.dtypes == (("F16", 6), ("F32", 5))


def test_gguf() -> None:
    content = struct.pack("<4sIQQ", b"GGUF", 3, 2, 4)
    content += gguf_text("general.architecture") + struct.pack("<I", 8) + gguf_text("llama")
    content += gguf_text("count") + struct.pack("<II", 4, 32)
    content += gguf_text("scores") + struct.pack("<IIQ", 9, 6, 2) + struct.pack("<2f", 1, 2)
    content += gguf_text("tokens") + struct.pack("<IIQ", 9, 8, 2) + gguf_text("a") + gguf_text("b")
    content += gguf_text("w") + struct.pack("<I2QIQ", 2, 4, 8, 12, 0)
    content += gguf_text("n") + struct.pack("<I1QIQ", 1, 4, 0, 0)
    found = of("model.gguf", content)
    assert (found.tensors, found.parameters, found.dtypes) == (2, 36, (("F32", 4), ("Q4_K", 32)))


@pytest.mark.parametrize(
    ("metadata", "version"),
    [
        ({"version": "2.1"}, "2.1"),
        ({"version": "2.1", "modelspec.version": "3"}, "3"),
        ({"model_version": " 4 "}, "4"),
        ({"format": "pt"}, ""),
        ({"version": ""}, ""),
        ({"version": "a\nb"}, ""),
        ({"version": "9" * 101}, ""),
        ({"version": True}, ""),
        ([], ""),
    ],
)
def test_version_in_safetensors(metadata: object, version: str) -> None:
    tensor = {"dtype": "F16", "shape": [2], "data_offsets": [0, 4]}
    found = of("model.safetensors", safetensors({"__metadata__": metadata, "w": tensor}))
    assert (found.version, found.parameters) == (version, 2)


def test_version_in_gguf() -> None:
    content = struct.pack("<4sIQQ", b"GGUF", 3, 1, 3)
    content += gguf_text("x" * 5000) + struct.pack("<I", 8) + gguf_text("passed over")
    content += gguf_text("general.version") + struct.pack("<I", 8) + gguf_text("v0.3")
    content += gguf_text("general.file_type") + struct.pack("<II", 4, 1)
    content += gguf_text("w") + struct.pack("<I2QIQ", 2, 4, 8, 1, 0)
    found = of("model.gguf", content)
    assert (found.version, found.dtypes) == ("v0.3", (("F16", 32),))


def test_version_in_onnx() -> None:
    graph = proto((2, b"main"), (5, proto((1, 3), (2, 1))))
    plain = proto((1, 8), (2, b"pytorch"), (3, b"2.9.1"), (5, 7), (7, graph))
    assert of("model.onnx", plain).version == "7"
    stated = plain + proto((14, proto((1, b"author"), (2, b"us"))), (14, proto((1, b"version"), (2, b"1.4.2"))))
    assert of("model.onnx", stated).version == "1.4.2"
    unset = proto((1, 8), (3, b"2.9.1"), (7, graph))
    assert of("model.onnx", unset).version == ""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("---\nversion: 1.10\n---\n# Model\n", "1.10"),
        ("---\r\nmodel_version: '2'\r\n---\r\n", "2"),
        ("---\ntags: [version]\n---\n", ""),
        ("# version: 1\n\n---\nversion: 2\n---\n", ""),
        ("---\nversion: [1\n---\n", ""),
        ("---\nversion: !!python/object/apply:os.getcwd []\n---\n", ""),
        ("---\nversion: 2\n", ""),
        (f"---\nversion: 2\ntags: [{'a, ' * 20_000}]\n---\n", ""),
    ],
)
def test_version_in_a_model_card(text: str, found: str) -> None:
    assert model_card.version(text) == found


@given(st.text(max_size=200))
def test_any_model_card(text: str) -> None:
    assert isinstance(model_card.version(f"---\nversion: {text}\n---\n"), str)


def proto(*fields: tuple[int, int | bytes]) -> bytes:
    """A message of the wire format of protocol buffers: numbers as varints, all else with its length."""

    def varint(value: int) -> bytes:
        return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + varint(value >> 7)

    return b"".join(
        varint(number << 3) + varint(value)
        if isinstance(value, int)
        else varint(number << 3 | 2) + varint(len(value)) + value
        for number, value in fields
    )


def test_onnx() -> None:
    weight = proto((1, 300), (1, 2), (2, 1), (8, b"weight"), (9, b"\0" * 2400))
    packed = proto((1, bytes([3, 4])), (2, 10), (9, b"\0" * 24))
    scalar = proto((2, 7), (7, bytes([1])))
    graph = proto((1, proto((4, b"Conv"))), (2, b"main"), (5, weight), (5, packed), (5, scalar))
    content = proto((1, 8), (2, b"pytorch"), (7, graph), (8, proto((2, 17))))
    found = of("a/model.onnx", content)
    assert (found.format, found.tensors, found.parameters) == ("onnx", 3, 613)
    assert found.dtypes == (("FLOAT", 600), ("FLOAT16", 12), ("INT64", 1))
    for broken in (content[:-30], content[:40], proto((2, b"no graph")), b"\x07" * 20):
        assert of("a/model.onnx", broken).tensors is None


def test_onnx_as_its_own_library_writes_it() -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed here")
    helper, kinds = onnx.helper, onnx.TensorProto
    tensors = [
        helper.make_tensor("w", kinds.FLOAT, [2, 3], [0.0] * 6),
        helper.make_tensor("h", kinds.FLOAT16, [4], b"\0" * 8, raw=True),
        helper.make_tensor("s", kinds.INT64, [], [1]),
        helper.make_tensor("e", kinds.UINT8, [0, 5], []),
    ]
    graph = helper.make_graph([helper.make_node("Identity", ["w"], ["y"])], "g", [], [], initializer=tensors)
    found = of("model.onnx", helper.make_model(graph).SerializeToString())
    assert (found.tensors, found.dtypes) == (4, (("FLOAT", 6), ("FLOAT16", 4), ("INT64", 1), ("UINT8", 0)))


def test_a_pointer_stands_for_its_file() -> None:
    digest = "ab" * 32
    found = of("m.onnx", f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize 12345\n".encode())
    assert (found.size_bytes, found.sha256, found.tensors) == (12345, digest, None)


class Mark:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (Path("loaded"),))


def test_pickles_are_never_loaded(tmp_path: Path) -> None:
    content = pickle.dumps(Mark())
    (tmp_path / "requirements.txt").write_text("a\n")
    (tmp_path / "model.pt").write_bytes(content)
    (tmp_path / "pytorch_model-00001-of-00002.bin").write_bytes(content)
    (tmp_path / "data.bin").write_bytes(content)
    (project,) = discover(tmp_path)
    found = read(project, tmp_path).weights
    assert [(each.path, each.size_bytes, each.tensors) for each in found] == [
        ("model.pt", len(content), None),
        ("pytorch_model-00001-of-00002.bin", len(content), None),
    ]
    assert not Path("loaded").exists()


TEXTS = st.text(max_size=5)
JSON = st.recursive(
    st.none() | st.integers() | TEXTS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=10
)


@given(
    name=st.sampled_from(["m.safetensors", "m.gguf", "m.onnx", "saved_model.pb"]),
    content=st.one_of(
        st.binary(max_size=200),
        st.binary(max_size=100).map(lambda tail: struct.pack("<4sIQQ", b"GGUF", 3, 3, 3) + tail),
        JSON.map(safetensors),
    ),
)
@settings(deadline=None)
def test_any_content_has_a_size(name: str, content: bytes) -> None:
    assert of(name, content).size_bytes == len(content)
