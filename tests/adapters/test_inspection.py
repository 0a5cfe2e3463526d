"""Looking into wheels over HTTP: version modules, loaded libraries, GPU code; remembered for ever."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from test_fatbin import MACHINE_CODE, PTX, region
from wheel_server import Server, serving

from depdoctor.adapters import inspection
from depdoctor.adapters.inspection import WheelInspector
from depdoctor.adapters.store import BlobStore
from depdoctor.model.distribution import DistributionFile, MemberPattern, WheelCode
from depdoctor.model.lock import Unknown, Why

VERSION = MemberPattern(
    path="netlib/version.py", patterns=(("cuda", r"^cuda = '(\d+)\.(\d+)"), ("cxx11_abi", r"^abi = ([01])"))
)
CODE = region([(MACHINE_CODE, 80, 0, b"x" * 64), (PTX, 90, 0, b"y" * 64)])


def wheel(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return packed.getvalue()


def library(code: bytes, names: bytes = b"libcudart.so.12\0") -> bytes:
    return b"\x7fELF" + names + os.urandom(inspection.SMALLEST_OBJECT_BYTES) + code


def look(cache: Path, file: DistributionFile, *, offline: bool = False) -> WheelCode | Unknown:
    inspector = WheelInspector(BlobStore(cache), offline=offline)
    return inspector.inspect([file], {file.sha256: (VERSION,)})[file.sha256]


FILES = {
    "netlib/version.py": b"version = '1.0'\ncuda = '12.4'\nabi = 0\n",
    "netlib/_C.so": library(CODE),
    "netlib.libs/libcudart-1a2b3c.so.12": library(region([(MACHINE_CODE, 50, 0, b"z")])),
    "netlib-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: netlib\nVersion: 1.0\n",
}


def test_a_remote_wheel_tells_its_cuda_and_its_gpus_without_being_fetched(tmp_path: Path) -> None:
    bulk = {"netlib/weights.bin": os.urandom(3_000_000)}
    with serving(Server(wheel({**bulk, **FILES}))) as server:
        code = look(tmp_path, server.file())
        assert code == WheelCode(
            cuda="12.4",
            cxx11_abi="0",
            libraries=("libcudart.so.12",),
            targets=("compute_90", "sm_80"),
            complete=True,
            members=("netlib/version.py", "netlib/_C.so"),
        )
        assert server.sent_bytes < 1_000_000
        asked = server.requests
        assert look(tmp_path, server.file()) == code
        assert look(tmp_path, server.file(), offline=True) == code
        assert server.requests == asked


def test_a_local_wheel_tells_the_same(tmp_path: Path) -> None:
    path = tmp_path / "netlib-1.0-py3-none-any.whl"
    path.write_bytes(wheel(FILES))
    file = DistributionFile(filename=path.name, url=path.as_uri(), sha256="0" * 64)
    code = look(tmp_path / "cache", file, offline=True)
    assert isinstance(code, WheelCode)
    assert code.targets == ("compute_90", "sm_80")


def test_a_library_that_is_named_in_two_versions_tells_neither(tmp_path: Path) -> None:
    both = library(b"", b"libcudnn.so.8\0libcudnn.so.9\0libcublas.so.12\0")
    with serving(Server(wheel({"netlib/_C.so": both}))) as server:
        code = look(tmp_path, server.file())
    assert isinstance(code, WheelCode)
    assert code.libraries == ("libcublas.so.12",)
    assert not code.complete


def test_what_is_cut_short_proves_no_absence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "CODE_LIMIT_BYTES", 100_000)
    late = library(CODE) + os.urandom(2_000_000) + region([(MACHINE_CODE, 120, 0, b"late")])
    with serving(Server(wheel({"netlib/_C.so": late}))) as server:
        code = look(tmp_path, server.file())
    assert isinstance(code, WheelCode)
    assert "sm_80" in code.targets
    assert not code.complete


@pytest.mark.parametrize("ranges", ["none", "absolute"])
def test_a_server_without_ranges_leaves_it_unknown(tmp_path: Path, ranges: str) -> None:
    with serving(Server(wheel({**FILES, "netlib/big.bin": os.urandom(5_000_000)}), ranges)) as server:
        found = look(tmp_path, server.file())
    if ranges == "none":
        assert isinstance(found, Unknown)
        assert found.why is Why.UNREACHABLE
    else:
        assert isinstance(found, WheelCode)


def test_offline_it_is_unknown(tmp_path: Path) -> None:
    file = DistributionFile(filename="netlib-1.0-py3-none-any.whl", url="https://index.example/n.whl", sha256="1" * 64)
    found = look(tmp_path, file, offline=True)
    assert isinstance(found, Unknown)
    assert found.why is Why.OFFLINE


def test_what_is_no_wheel_is_unknown(tmp_path: Path) -> None:
    with serving(Server(b"not a wheel" * 10)) as server:
        assert isinstance(look(tmp_path, server.file()), Unknown)


def test_a_text_larger_than_it_says_is_not_read_to_its_end(tmp_path: Path) -> None:
    bomb = b"cuda = '12.4'\n" + b" " * (inspection.TEXT_LIMIT_BYTES - 20)
    with serving(Server(wheel({"netlib/version.py": bomb}))) as server:
        code = look(tmp_path, server.file())
    assert isinstance(code, WheelCode)
    assert code.cuda == "12.4"
