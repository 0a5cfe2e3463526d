"""Layers against independent readers: gzip and tarfile of the standard library, and the `installer` library."""

import contextlib
import gzip
import hashlib
import io
import tarfile
import tempfile
import zlib
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from installer import install
from installer.destinations import SchemeDictionaryDestination
from installer.sources import WheelFile as Source
from wheels import RawEntry, make_wheel, raw_zip

from depdoctor.build.oci import members, tar
from depdoctor.build.oci.hashing import LONG_BYTES, beside
from depdoctor.build.oci.layer import WheelFile, make_layer
from depdoctor.errors import UnsafeWheelError

RUNS = st.lists(st.one_of(st.binary(max_size=300), st.integers(0, 70_000).map(bytes)), max_size=6).map(b"".join)
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z"), exclude_characters="/\\."), min_size=1)
PATHS = st.lists(NAMES.map(lambda name: name[:40]), min_size=1, max_size=12).map("/".join)


@given(
    st.lists(st.tuples(st.booleans(), st.sampled_from([0, 1, 999, LONG_BYTES, LONG_BYTES + 1, 300_000])), max_size=40)
)
def test_hashes_of_another_thread_are_those_of_this_one(pieces: list[tuple[bool, int]]) -> None:
    expected = {True: hashlib.sha256(), False: hashlib.sha512()}
    with beside() as digests:
        actual = {True: digests("sha256"), False: digests("sha512")}
        for number, (which, size) in enumerate(pieces):
            piece = bytes([number]) * size
            expected[which].update(piece)
            actual[which].update(piece)
        for which in (True, False):
            assert actual[which].digest() == expected[which].digest()


@given(RUNS)
def test_a_member_holds_its_bytes(data: bytes) -> None:
    assert gzip.decompress(members.packed(data)) == data


@given(st.integers(1, 1 << 14))
def test_runs_of_zeros_shrink(count: int) -> None:
    assert len(members.packed(b"x" + bytes(count) + b"x")) < 60 + count // 100


@given(st.integers(0, 511), st.text("abc/", min_size=1, max_size=100), st.integers(0, 8**11 - 1))
def test_a_member_of_one_header_is_as_any_other(padding: int, path: str, size: int) -> None:
    header = tar.header(path, size, 0o644)
    text, member = members.packed_header(padding, header, len(path))
    assert text == bytes(padding) + header
    assert member == members.packed(text)


@given(st.integers(0, 511), st.text("abc/", min_size=101, max_size=900), st.integers(0, 8**11 - 1))
def test_a_member_of_a_long_header_is_as_any_other(padding: int, path: str, size: int) -> None:
    header = tar.header(path, size, 0o644)
    text, member = members.packed_long_header(padding, header)
    assert text == bytes(padding) + header
    assert member == members.packed(text)


@given(
    st.one_of(PATHS, st.text("abc/é", min_size=90, max_size=1100).map(lambda path: path.strip("/") or "a")),
    st.one_of(st.integers(0, 8**11 - 1), st.integers(0, 1 << 40)),
    st.sampled_from([(0o644, tar.FILE), (0o755, tar.FILE), (0o755, tar.FOLDER)]),
)
def test_a_header_is_as_tarfile_writes_it(path: str, size: int, kind: tuple[int, bytes]) -> None:
    info = tarfile.TarInfo(path)
    info.size, info.mode, info.type, info.mtime = size, *kind, tar.MTIME
    name = f"{path}/" if info.isdir() else path
    assert tar.header(name, size, *kind) == info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")


@given(PATHS, st.integers(0, 1 << 40), st.sampled_from([0o644, 0o755]))
def test_a_header_says_what_tarfile_reads(path: str, size: int, mode: int) -> None:
    with tarfile.open(fileobj=io.BytesIO(tar.header(path, size, mode) + tar.END)) as archive:
        member = archive.next()
    assert member is not None
    assert (member.name, member.size, member.mode, member.mtime) == (path, size, mode, tar.MTIME)
    assert (member.uid, member.gid, member.uname, member.gname, member.isfile()) == (0, 0, "", "", True)


CONTENTS = st.dictionaries(
    PATHS.map(lambda path: f"demo/{path}"),
    st.one_of(st.binary(max_size=2000), st.integers(0, 20_000).map(lambda size: b"line\n" * size)),
    max_size=6,
).filter(
    lambda files: (
        len({path.casefold() for path in files}) == len(files)
        and not any(other.startswith(f"{path}/") for path in files for other in files)
    )
)


@settings(max_examples=40, deadline=None)
@given(CONTENTS, st.booleans())
def test_a_layer_holds_what_installer_installs(files: dict[str, bytes], scripts: bool) -> None:
    extra = {"demo-1.0.dist-info/entry_points.txt": b"[console_scripts]\ndemo = demo:main\n"} if scripts else {}
    with tempfile.TemporaryDirectory() as folder:
        wheel = make_wheel(Path(folder), files={**files, **extra})
        root = Path(folder) / "venv"
        site = root / "lib/python3.11/site-packages"
        schemes = {"purelib": site, "platlib": site, "headers": root / "h", "scripts": root / "bin", "data": root}
        target = SchemeDictionaryDestination(
            {name: str(path) for name, path in schemes.items()}, interpreter="/venv/bin/python", script_kind="posix"
        )
        with Source.open(wheel) as source:
            install(source, target, {"INSTALLER": b"depdoctor\n"})
        expected = {
            f"venv/{path.relative_to(root).as_posix()}": path.read_bytes() for path in root.rglob("*") if path.is_file()
        }
        out = io.BytesIO()
        make_layer([WheelFile(path=wheel, filename=wheel.name)], "3.11", out)
    out.seek(0)
    with tarfile.open(fileobj=out) as archive:
        actual = {one.name: archive.extractfile(one).read() for one in archive if one.isfile()}  # type: ignore[union-attr]
    record = "venv/lib/python3.11/site-packages/demo-1.0.dist-info/RECORD"
    assert [files.pop("venv/bin/demo", b"").startswith(b"#!/venv/bin/python\n") for files in (actual, expected)] == [
        scripts
    ] * 2  # launchers are in the words of uv, see test_as_uv_installs.py
    ours, theirs = (
        sorted(row for row in files.pop(record).decode().splitlines() if not row.startswith("../../../bin/demo,"))
        for files in (actual, expected)
    )
    assert ours == theirs
    assert actual == expected


ENTRIES = st.builds(
    RawEntry,
    name=st.one_of(PATHS.map(str.encode), st.binary(max_size=12), st.just(b"demo-1.0.dist-info/RECORD")),
    content=st.binary(max_size=50),
    method=st.sampled_from([0, 8, 8, 9]),
    flags=st.sampled_from([0, 1, 8, 0x800]),
    mode=st.sampled_from([0, 0o100644, 0o120777]),
    size=st.one_of(st.none(), st.integers(0, 0xFFFFFFFF)),
    compressed_size=st.one_of(st.none(), st.integers(0, 200)),
    crc=st.one_of(st.none(), st.integers(0, 0xFFFFFFFF)),
    raw=st.one_of(st.none(), st.binary(max_size=30), st.binary(max_size=30).map(zlib.compress)),
    offset=st.one_of(st.none(), st.integers(0, 400)),
    extra=st.binary(max_size=24),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(ENTRIES, max_size=5), st.integers(0, 600), st.binary(max_size=8))
def test_any_archive_is_read_or_refused(entries: list[RawEntry], place: int, noise: bytes) -> None:
    content = bytearray(raw_zip(entries))
    content[place : place + len(noise)] = noise
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "demo-1.0-py3-none-any.whl"
        path.write_bytes(content)
        with contextlib.suppress(UnsafeWheelError):
            make_layer([WheelFile(path=path, filename=path.name)], "3.11", io.BytesIO())
