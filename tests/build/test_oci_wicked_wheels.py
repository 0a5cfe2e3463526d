"""Wheels that must not become layers."""

import struct
import tarfile
from io import BytesIO
from pathlib import Path

import pytest
from wheels import RawEntry, make_wheel, raw_wheel, record_hash, wheel_files

from depdoctor.build.oci.layer import MadeLayer, WheelFile, make_layer
from depdoctor.errors import BuildError, UnsafeWheelError

FILENAME = "demo-1.0-py3-none-any.whl"


def layer(path: Path, filename: str = FILENAME, *, spare_core: bool = False) -> MadeLayer:
    return make_layer([WheelFile(path=path, filename=filename)], "3.11", BytesIO(), spare_core=spare_core)


def zip64(*values: int) -> bytes:
    return struct.pack(f"<2H{len(values)}Q", 1, 8 * len(values), *values)


WICKED = {
    "parent": ([RawEntry(name=b"../evil.py")], "leaves its folder"),
    "parent inside": ([RawEntry(name=b"demo/../../evil.py")], "leaves its folder"),
    "absolute": ([RawEntry(name=b"/etc/passwd")], "leaves its folder"),
    "dot": ([RawEntry(name=b"demo/./a.py")], "leaves its folder"),
    "empty part": ([RawEntry(name=b"demo//a.py")], "leaves its folder"),
    "backslash": ([RawEntry(name=b"demo\\..\\a.py")], "leaves its folder"),
    "null": ([RawEntry(name=b"demo/a.py\0.txt")], "leaves its folder"),
    "line break": ([RawEntry(name=b"demo/a\nb.py")], "leaves its folder"),
    "whiteout": ([RawEntry(name=b"demo/.wh.os.py")], "would delete files"),
    "opaque folder": ([RawEntry(name=b".wh..wh..opq")], "would delete files"),
    "whiteout of a folder": ([RawEntry(name=b"demo/.wh.x/a.py")], "would delete files"),
    "symlink": ([RawEntry(name=b"demo/link", content=b"/etc/passwd", mode=0o120777)], "a link or a device"),
    "device": ([RawEntry(name=b"demo/null", mode=0o020666)], "a link or a device"),
    "duplicate": ([RawEntry(name=b"demo/a.py"), RawEntry(name=b"demo/a.py")], "two files of this name"),
    "same content twice": ([RawEntry(name=b"demo/__init__.py", content=b"x = 1\n")], "two files of this name"),
    "two spellings": (
        [RawEntry(name="demo/\u00e9.py".encode()), RawEntry(name="demo/e\u0301.py".encode())],
        "two files of this name",
    ),
    "tab": ([RawEntry(name=b"demo/a\tb.py")], "leaves its folder"),
    "C1 control": ([RawEntry(name="demo/a\u0085b.py".encode())], "leaves its folder"),
    "file and folder": ([RawEntry(name=b"demo/a", content=b"1"), RawEntry(name=b"demo/a/b.py")], "a file and a folder"),
    "encrypted": ([RawEntry(name=b"demo/a.py", content=b"1", flags=0x801)], "encrypted"),
    "bzip2": ([RawEntry(name=b"demo/a.py", content=b"1", method=12, raw=b"1")], "compression method 12"),
    "latin-1": ([RawEntry(name=b"demo/\xe9.py", flags=0)], "no UTF-8"),
    "broken utf-8": ([RawEntry(name=b"demo/\xe9.py")], "no UTF-8"),
    "wrong checksum": ([RawEntry(name=b"demo/a.py", content=b"1" * 999, crc=1)], "size and checksum"),
    "shorter than said": ([RawEntry(name=b"demo/a.py", content=b"1" * 99, size=100)], "size"),
    "longer than said": ([RawEntry(name=b"demo/a.py", content=b"1" * 99, size=98)], "size"),
    "bomb that lies": ([RawEntry(name=b"demo/a.py", content=b"\0" * (9 << 20), size=10)], "size"),
    "stored sizes differ": ([RawEntry(name=b"demo/a.py", content=b"12", method=0, size=1)], "its two sizes differ"),
    "stored, wrong checksum": ([RawEntry(name=b"demo/a.py", content=b"12", method=0, crc=1)], "size and checksum"),
    "no deflate stream": ([RawEntry(name=b"demo/a.py", content=b"12", raw=b"\xff\xff\xff")], "demo/a.py"),
    "cut stream": ([RawEntry(name=b"demo/a.py", content=b"12" * 500, raw=b"\x4b")], "size"),
    "bytes after stream": ([RawEntry(name=b"demo/a.py", content=b"", raw=b"\x03\x00tail")], "size"),
    "other local name": ([RawEntry(name=b"demo/a.py", local_name=b"demo/b.py")], "names another file"),
    "other local size": ([RawEntry(name=b"demo/a.py", content=b"12", local_size=3)], "another size"),
    "overlap": ([RawEntry(name=b"demo/a.py", content=b"12", offset=0)], "overlaps|no local header|names another"),
    "out of the archive": ([RawEntry(name=b"demo/a.py", offset=1 << 30)], "overlaps"),
    "zip64 lie": ([RawEntry(name=b"demo/a.py", extra=zip64(5))], "ZIP64 sizes contradict"),
    "zip64 missing": ([RawEntry(name=b"demo/a.py", size=0xFFFFFFFF, local_size=0)], "lacks its ZIP64 sizes"),
    "zip64 huge": ([RawEntry(name=b"demo/a.py", size=0xFFFFFFFF, extra=zip64(1 << 50))], "would unpack to"),
    "two names": ([RawEntry(name=b"demo/a.py", extra=struct.pack("<2HBL", 0x7075, 5, 1, 0))], "two names"),
    "folder with content": ([RawEntry(name=b"demo/a/", content=b"12")], "a folder with content"),
    "no such scheme": ([RawEntry(name=b"demo-1.0.data/etc/a")], "no such scheme"),
    "two dist-info": ([RawEntry(name=b"other-1.0.dist-info/METADATA")], r"2 \.dist-info folders"),
}


@pytest.mark.parametrize("story", WICKED)
def test_a_wicked_entry_is_refused(story: str, tmp_path: Path) -> None:
    entries, reason = WICKED[story]
    path = tmp_path / FILENAME
    path.write_bytes(raw_wheel(*entries))
    with pytest.raises(UnsafeWheelError, match=reason) as caught:
        layer(path)
    assert caught.value.where == FILENAME


def test_the_wheel_around_wicked_entries_is_good(tmp_path: Path) -> None:
    path = tmp_path / FILENAME
    path.write_bytes(raw_wheel(RawEntry(name="demo/ü b.py".encode(), content=b"12" * 200)))
    assert "venv/lib/python3.11/site-packages/demo/ü b.py" in layer(path).owned


@pytest.mark.parametrize(
    "names",
    [("demo/A.h", "demo/a.h"), ("demo/a\u00a0b.txt",), ("demo/STRASSE", "demo/stra\u00dfe"), ("Demo/a", "demo/a")],
)
def test_what_is_fine_on_linux_is_installed(names: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / FILENAME
    path.write_bytes(raw_wheel(*(RawEntry(name=name.encode(), content=name.encode()) for name in names)))
    owned = layer(path).owned
    assert {f"venv/lib/python3.11/site-packages/{name}" for name in names} <= owned.keys()


ARCHIVES = {
    "not a zip": (b"hello", "no ZIP archive"),
    "empty": (b"", "no ZIP archive"),
    "cut": (raw_wheel()[:-30], "no ZIP archive"),
    "tail": (raw_wheel(after=b"tail"), "follow the end"),
    "head": (raw_wheel(before=b"#!/bin/sh\n"), None),
    "count": (raw_wheel(count=2), "another number of entries"),
}


@pytest.mark.parametrize("story", ARCHIVES)
def test_a_wicked_archive_is_refused(story: str, tmp_path: Path) -> None:
    content, reason = ARCHIVES[story]
    path = tmp_path / FILENAME
    path.write_bytes(content)
    if reason is None:
        layer(path)
        return
    with pytest.raises(UnsafeWheelError, match=reason):
        layer(path)


def test_a_bomb_is_refused_by_its_ratio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("depdoctor.build.oci.archive.MAX_SMALL_BYTES", 1 << 20)
    path = make_wheel(tmp_path, files={"demo/a.bin": bytes(2 << 20)})
    with pytest.raises(UnsafeWheelError, match="would unpack to"):
        layer(path)


def changed(path: str, content: bytes | None) -> dict[str, bytes]:
    whole = wheel_files("demo", "1.0", {"demo/__init__.py": b"x = 1\n"})
    if content is None:
        del whole[path]
    else:
        whole[path] = content
    return whole


INFO = "demo-1.0.dist-info"
METADATA = {
    "no RECORD": (changed(f"{INFO}/RECORD", None), "no RECORD"),
    "no WHEEL": (changed(f"{INFO}/WHEEL", None), "no WHEEL"),
    "from the future": (changed(f"{INFO}/WHEEL", b"Wheel-Version: 2.0\n"), r"only 1\.x is known"),
    "tampered": (changed("demo/__init__.py", b"y = 1\n"), "not what RECORD says"),
    "another size": (changed("demo/__init__.py", b"x = 11\n"), "another size"),
    "unlisted": (changed("demo/more.py", b"1"), "RECORD has no hash"),
    "listed, not there": (changed("demo/__init__.py", None), "is not there"),
    "binary RECORD": (changed(f"{INFO}/RECORD", b"\xff\xfe"), "no UTF-8"),
    "two columns": (changed(f"{INFO}/RECORD", b"demo/__init__.py,\n"), "2 columns"),
    "weak hash": (changed(f"{INFO}/RECORD", b"demo/__init__.py,md5=abc,\n"), "another kind"),
    "another package": (wheel_files("other", "1.0", {}), "another package"),
    "script outside": (
        wheel_files("demo", "1.0", {f"{INFO}/entry_points.txt": b"[console_scripts]\n../../a = demo:main\n"}),
        "entry point is named",
    ),
    "broken entry points": (wheel_files("demo", "1.0", {f"{INFO}/entry_points.txt": b"[[["}), "cannot be read"),
}


@pytest.mark.parametrize("story", METADATA)
def test_metadata_that_lies_is_refused(story: str, tmp_path: Path) -> None:
    whole, reason = METADATA[story]
    path = make_wheel(tmp_path, whole=whole)
    with pytest.raises(UnsafeWheelError, match=reason):
        layer(path)


@pytest.mark.parametrize("spare_core", [False, True])
def test_large_files_are_checked_too(spare_core: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("depdoctor.build.oci.layer._LARGE_BYTES", 1)
    for story in ("wrong checksum", "shorter than said", "longer than said", "stored, wrong checksum", "cut stream"):
        path = tmp_path / FILENAME
        path.write_bytes(raw_wheel(*WICKED[story][0]))
        with pytest.raises(UnsafeWheelError, match=r"size|checksum|longer than"):
            layer(path, spare_core=spare_core)
    path = make_wheel(tmp_path, whole=METADATA["tampered"][0])
    with pytest.raises(UnsafeWheelError, match="not what RECORD says"):
        layer(path, spare_core=spare_core)


def test_two_wheels_that_own_a_path_are_both_named(tmp_path: Path) -> None:
    one = make_wheel(tmp_path, "one", files={"cv2/__init__.py": b"1"})
    other = make_wheel(tmp_path, "other", files={"cv2/__init__.py": b"2"})
    wheels = [WheelFile(path=path, filename=path.name) for path in (one, other)]
    with pytest.raises(BuildError, match=r"one-1\.0.*other-1\.0.*cv2/__init__\.py"):
        make_layer(wheels, "3.11", BytesIO())


def test_two_wheels_may_own_a_path_with_the_same_content(tmp_path: Path) -> None:
    out = BytesIO()
    wheels = [
        WheelFile(path=path, filename=path.name)
        for path in (make_wheel(tmp_path, name, files={"nvidia/__init__.py": b""}) for name in ("one", "other"))
    ]
    make_layer(wheels, "3.11", out)
    out.seek(0)
    with tarfile.open(fileobj=out) as archive:
        names = archive.getnames()
    assert len(names) == len(set(names))
    assert names.count("venv/lib/python3.11/site-packages/nvidia/__init__.py") == 1


def test_hashes_in_records_are_as_the_standard_says() -> None:
    from depdoctor.build.oci.wheel import record_hash as ours

    assert ours(b"abc") == record_hash(b"abc")
