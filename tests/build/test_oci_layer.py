"""What a layer of good wheels holds."""

import csv
import gzip
import hashlib
import io
import os
import subprocess
import tarfile
import time
from pathlib import Path

import pytest
from wheels import RawEntry, make_wheel, raw_wheel, record_hash

from depdoctor.build.oci.layer import MadeLayer, WheelFile, make_layer
from depdoctor.model.image import Blob

SITE = "venv/lib/python3.11/site-packages"
INFO = "demo-1.0.dist-info"

FILES = {
    "demo/__init__.py": b"x = 1\n" * 500,
    "demo/empty.py": b"",
    "demo/tool.sh": b"#!/bin/sh\nexit 0\n",
    "demo/" + "long" * 30 + "/" + "name" * 30 + ".py": b"deep = True\n" * 50,
    "demo/ü ß.txt": b"text" * 100,
    "demo/data.bin": bytes(range(256)) * 3000,
    "demo-1.0.data/scripts/run": b"#!python\nimport demo\n",
    "demo-1.0.data/scripts/shell": b"#!/bin/sh\ntrue\n",
    "demo-1.0.data/data/share/demo/x.txt": b"shared",
    "demo-1.0.data/headers/demo.h": b"int x;",
    "demo-1.0.data/purelib/pure.py": b"pure = 1\n",
    "demo-1.0.data/platlib/plat.py": b"plat = 1\n",
    f"{INFO}/entry_points.txt": b"[console_scripts]\ndemo = demo.cli:main\n[gui_scripts]\nwindow = demo:show.now\n",
    f"{INFO}/INSTALLER": b"someone",
    f"{INFO}/RECORD.jws": b"{}",
}


def made(*wheels: Path, python: str = "3.11", spare_core: bool = False) -> tuple[MadeLayer, bytes]:
    out = io.BytesIO()
    files = [WheelFile(path=wheel, filename=wheel.name) for wheel in wheels]
    layer = make_layer(files, python, out, spare_core=spare_core)
    return layer, out.getvalue()


def unpacked(layer: bytes) -> dict[str, tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        return {
            member.name: (member, file.read() if (file := archive.extractfile(member)) else b"")
            for member in archive.getmembers()
        }


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    return make_wheel(tmp_path, files=FILES, executable=["demo/tool.sh"])


def test_a_blob_is_what_it_says(wheel: Path) -> None:
    layer, content = made(wheel)
    assert layer.blob == Blob(
        digest=f"sha256:{hashlib.sha256(content).hexdigest()}",
        size_bytes=len(content),
        media_type="application/vnd.oci.image.layer.v1.tar+gzip",
        diff_id=f"sha256:{hashlib.sha256(gzip.decompress(content)).hexdigest()}",
    )


def test_files_lie_where_an_installer_would_put_them(wheel: Path) -> None:
    files = {path: content for path, (_, content) in unpacked(made(wheel)[1]).items()}
    for path, content in FILES.items():
        if not path.startswith(("demo-1.0.data", INFO)):
            assert files[f"{SITE}/{path}"] == content
    assert files[f"{SITE}/pure.py"] == b"pure = 1\n"
    assert files[f"{SITE}/plat.py"] == b"plat = 1\n"
    assert files["venv/share/demo/x.txt"] == b"shared"
    assert files["venv/include/site/python3.11/demo/demo.h"] == b"int x;"
    assert files["venv/bin/run"] == b"#!/venv/bin/python\nimport demo\n"
    assert files["venv/bin/shell"] == b"#!/bin/sh\ntrue\n"
    assert files["venv/bin/demo"].startswith(b"#!/venv/bin/python\n")
    assert b"from demo.cli import main" in files["venv/bin/demo"]
    assert b"sys.exit(show.now())" in files["venv/bin/window"]
    assert files[f"{SITE}/{INFO}/INSTALLER"] == b"depdoctor\n"
    assert f"{SITE}/{INFO}/RECORD.jws" not in files
    assert not any(path.startswith(f"{SITE}/demo-1.0.data") for path in files)


def test_owners_times_and_modes_are_fixed(wheel: Path) -> None:
    members = {path: member for path, (member, _) in unpacked(made(wheel)[1]).items()}
    assert {(member.uid, member.gid, member.uname, member.gname) for member in members.values()} == {(0, 0, "", "")}
    assert {member.mtime for member in members.values()} == {315532800}
    executable = {path for path, member in members.items() if member.isfile() and member.mode == 0o755}
    scripts = {"venv/bin/run", "venv/bin/shell", "venv/bin/demo", "venv/bin/window"}
    assert executable == {f"{SITE}/demo/tool.sh", *scripts}
    assert {member.mode for member in members.values() if member.isdir()} == {0o755}
    assert {member.mode for member in members.values()} == {0o644, 0o755}


def test_entries_are_sorted_and_every_folder_precedes_its_files(wheel: Path) -> None:
    members = [member for member, _ in unpacked(made(wheel)[1]).values()]
    files = [member.name for member in members if member.isfile()]
    assert files == sorted(files)
    seen = {""}
    for member in members:
        assert member.name.rpartition("/")[0] in seen
        if member.isdir():
            seen.add(member.name)


def test_record_lists_every_file_with_its_hash(wheel: Path) -> None:
    files = {path: content for path, (member, content) in unpacked(made(wheel)[1]).items() if member.isfile()}
    rows = list(csv.reader(io.StringIO(files[f"{SITE}/{INFO}/RECORD"].decode())))
    listed = {os.path.normpath(f"{SITE}/{path}"): (sign, size) for path, sign, size in rows}
    assert listed.keys() == files.keys()
    assert len(rows) == len(listed)
    for path, (sign, size) in listed.items():
        if path.endswith("/RECORD"):
            assert (sign, size) == ("", "")
        else:
            assert (sign, size) == (record_hash(files[path]), str(len(files[path])))


def test_stored_large_and_small_files_are_the_same_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = os.urandom(300_000)
    path = tmp_path / "demo-1.0-py3-none-any.whl"
    entries = [
        RawEntry(name=b"demo/stored.bin", content=content, method=0),
        RawEntry(name=b"demo/deflated.bin", content=content * 5),
        RawEntry(name=b"demo/flat.bin", content=bytes(5_000_000)),
    ]
    path.write_bytes(raw_wheel(*entries))
    whole = made(path)
    monkeypatch.setattr("depdoctor.build.oci.layer._LARGE_BYTES", 1)
    pieces = made(path)
    assert whole[0].blob.diff_id == pieces[0].blob.diff_id
    assert whole[0].owned == pieces[0].owned
    assert made(path, spare_core=True) == pieces
    for entry in entries:
        assert unpacked(pieces[1])[f"{SITE}/{entry.name.decode()}"][1] == entry.content


def test_several_wheels_make_one_layer_in_any_order(tmp_path: Path) -> None:
    wheels = [make_wheel(tmp_path, name, files={f"{name}/a.py": name.encode() * 99}) for name in ("b", "a", "c")]
    assert made(*wheels) == made(*reversed(wheels))


def test_a_second_thread_changes_nothing(wheel: Path) -> None:
    assert made(wheel, spare_core=True) == made(wheel)


def test_python_decides_the_folder(wheel: Path) -> None:
    assert "venv/lib/python3.13/site-packages/demo/__init__.py" in made(wheel, python="3.13")[0].owned


def test_the_bytes_depend_on_nothing_but_the_wheel(
    wheel: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = made(wheel)
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    time.tzset()
    monkeypatch.chdir(tmp_path)
    old = os.umask(0o077)
    try:
        assert made(wheel) == before
    finally:
        os.umask(old)
        monkeypatch.undo()
        time.tzset()


OTHER_PYTHONS = [
    path for version in ("3.12", "3.13", "3.14") for path in Path.home().glob(f".pyenv/versions/{version}*/bin/python")
]


@pytest.mark.parametrize("python", OTHER_PYTHONS or [None])
def test_every_python_makes_the_same_bytes(python: Path | None, wheel: Path) -> None:
    """The pure part runs on other interpreters with zlib in isal's place, which must not show in the bytes."""
    if python is None:
        pytest.skip("no other Python here")
    program = (
        "import sys, types, zlib, hashlib, io\n"
        "isal = types.ModuleType('isal'); isal.isal_zlib = zlib; sys.modules['isal'] = isal\n"
        "sys.path += sys.argv[2:]\n"
        "from pathlib import Path\n"
        "from depdoctor.build.oci.layer import WheelFile, make_layer\n"
        "wheel = Path(sys.argv[1])\n"
        "out = io.BytesIO()\n"
        "print(make_layer([WheelFile(path=wheel, filename=wheel.name)], '3.11', out).blob.digest)\n"
    )
    import installer
    import packaging

    import depdoctor

    places = {str(Path(module.__file__ or "").parent.parent) for module in (installer, packaging, depdoctor)}
    run = subprocess.run([python, "-c", program, wheel, *places], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == made(wheel)[0].blob.digest
