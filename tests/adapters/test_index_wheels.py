"""What wheels tell without being fetched: over HTTP with byte ranges, from a folder, and out of the cache."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from wheel_server import Server, serving

from depdoctor.adapters.index import SMALL_BYTES, TAIL_BYTES, RemoteWheels
from depdoctor.adapters.index_known import KnownWheels
from depdoctor.adapters.store import BlobStore
from depdoctor.model.distribution import DistributionFile, WheelFacts
from depdoctor.model.lock import Unknown, Why


def a_wheel(*, padding: int = 0, directory: int = 0, metadata: str = "", name: str = "big") -> bytes:
    """A wheel with its METADATA before `padding` bytes, and `directory` empty files in its directory."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        text = metadata or f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nRequires-Dist: numlib>=1\n"
        archive.writestr(f"{name}-1.0.dist-info/METADATA", text, compress_type=zipfile.ZIP_DEFLATED)
        archive.writestr(f"{name}/data.bin", os.urandom(padding))
        for number in range(directory):
            archive.writestr(f"{name}/a-module-with-a-rather-long-name-{number:06}.py", b"")
    return packed.getvalue()


def facts_of(cache: Path, file: DistributionFile) -> WheelFacts | Unknown:
    return RemoteWheels(cache).facts([file])[file.sha256]


def check(found: WheelFacts | Unknown, body: bytes) -> None:
    assert isinstance(found, WheelFacts), found
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert found.paths == tuple(archive.namelist())
        assert found.unpacked_bytes == sum(entry.file_size for entry in archive.infolist())
    assert found.size_bytes == len(body)
    assert [str(requirement) for requirement in found.requires] == ["numlib>=1"]


def test_a_small_wheel_takes_one_request(tmp_path: Path) -> None:
    with serving(Server(a_wheel())) as server:
        check(facts_of(tmp_path, server.file()), server.body)
        assert server.requests == 1


def test_metadata_at_the_front_of_a_large_wheel_takes_a_second(tmp_path: Path) -> None:
    with serving(Server(a_wheel(padding=9_000_000))) as server:
        check(facts_of(tmp_path, server.file()), server.body)
        assert server.requests == 2
        assert server.sent_bytes <= 2 * TAIL_BYTES


def test_a_directory_larger_than_the_tail_is_fetched(tmp_path: Path) -> None:
    with serving(Server(a_wheel(directory=2000))) as server:
        assert len(server.body) > 3 * TAIL_BYTES
        check(facts_of(tmp_path, server.file()), server.body)


def test_a_server_that_counts_only_from_the_front(tmp_path: Path) -> None:
    with serving(Server(a_wheel(padding=SMALL_BYTES + TAIL_BYTES), ranges="absolute")) as server:
        check(facts_of(tmp_path, server.file()), server.body)


def test_without_ranges_only_a_small_wheel_is_read(tmp_path: Path) -> None:
    with serving(Server(a_wheel(padding=100_000), ranges="none")) as server:
        check(facts_of(tmp_path, server.file()), server.body)
    with serving(Server(a_wheel(padding=SMALL_BYTES), ranges="none")) as server:
        found = facts_of(tmp_path, server.file())
        assert isinstance(found, Unknown)
        assert found.why is Why.NOT_UNDERSTOOD


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no zip at all",
        a_wheel()[:-30],
        a_wheel(metadata="\n" * 9_000_000),
        a_wheel(name="x").replace(b"dist-info", b"dist-inf0"),
    ],
    ids=["empty", "no zip", "cut short", "huge metadata", "no metadata"],
)
def test_what_is_no_wheel_is_unknown(tmp_path: Path, body: bytes) -> None:
    with serving(Server(body)) as server:
        found = facts_of(tmp_path, server.file())
        assert isinstance(found, Unknown)
        assert "big-1.0-py3-none-any.whl" in found.detail


def test_a_refusal_names_its_status_and_is_asked_again_the_next_time(tmp_path: Path) -> None:
    with serving(Server(a_wheel(), status=403)) as server:
        found = facts_of(tmp_path, server.file())
        assert found == Unknown(why=Why.UNREACHABLE, detail="big-1.0-py3-none-any.whl: the server answers 403")
        server.status = 0
        check(facts_of(tmp_path, server.file()), server.body)


def test_requirements_that_break_the_specification_are_left_out(tmp_path: Path) -> None:
    text = "Metadata-Version: 2.1\nName: big\nVersion: 1.0\nRequires-Dist: numlib (>=1.*.*)\nRequires-Dist: numlib>=1\n"
    with serving(Server(a_wheel(metadata=text))) as server:
        check(facts_of(tmp_path, server.file()), server.body)


def test_what_was_read_once_is_never_asked_again(tmp_path: Path) -> None:
    with serving(Server(a_wheel())) as server:
        first = facts_of(tmp_path, server.file())
        assert facts_of(tmp_path, server.file()) == first
        assert server.requests == 1
    gone = server.file()
    assert RemoteWheels(tmp_path, offline=True).facts([gone])[gone.sha256] == first


def test_offline_what_was_not_read_is_unknown(tmp_path: Path) -> None:
    file = DistributionFile(
        filename="a-1-py3-none-any.whl", url="https://index.example/a-1-py3-none-any.whl", sha256="a" * 64
    )
    found = RemoteWheels(tmp_path, offline=True).facts([file])[file.sha256]
    assert isinstance(found, Unknown)
    assert found.why is Why.OFFLINE


def test_a_host_that_is_down_is_unknown(tmp_path: Path) -> None:
    files = [
        DistributionFile(
            filename=f"a-{n}-py3-none-any.whl", url=f"http://u:s3cret@127.0.0.1:9/{n}.whl", sha256=f"{n:064}"
        )
        for n in range(3)
    ]
    for found in RemoteWheels(tmp_path).facts(files).values():
        assert isinstance(found, Unknown)
        assert found.why is Why.UNREACHABLE
        assert "s3cret" not in found.detail


def test_wheels_in_a_folder_and_source_distributions(tmp_path: Path, index_folder: Path) -> None:
    folder = index_folder / "files"
    wheel, source = folder / "servekit-0.6.4-py3-none-any.whl", folder / "fastkernels-2.6.3.tar.gz"
    files = [
        DistributionFile(filename=path.name, url=path.as_uri(), sha256=hashlib.sha256(path.read_bytes()).hexdigest())
        for path in (wheel, source)
    ]
    facts = RemoteWheels(tmp_path).facts(files)
    found, unknown = facts[files[0].sha256], facts[files[1].sha256]
    assert isinstance(found, WheelFacts)
    assert found.size_bytes == wheel.stat().st_size
    assert [str(requirement) for requirement in found.requires] == ["formers>=4.45.2", "numlib<2"]
    assert isinstance(unknown, Unknown)
    assert unknown.why is Why.NEEDS_BUILD


def test_a_path_without_its_folder_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "big-1.0-py3-none-any.whl").write_bytes(a_wheel())
    file = DistributionFile(filename="big-1.0-py3-none-any.whl", url="./big-1.0-py3-none-any.whl", sha256="b" * 64)
    assert isinstance(facts_of(tmp_path, file), Unknown)


def test_the_index_on_loopback_serves_what_the_folder_holds(
    tmp_path: Path, index_folder: Path, package_server: str
) -> None:
    paths = sorted((index_folder / "files").glob("*.whl"))
    files = [
        DistributionFile(
            filename=path.name,
            url=f"{package_server.removesuffix('simple')}files/{path.name}",
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in paths
    ]
    facts = RemoteWheels(tmp_path).facts(files)
    assert [facts[file.sha256] for file in files] == [
        RemoteWheels(tmp_path / "other").facts(
            [DistributionFile(filename=path.name, url=path.as_uri(), sha256=file.sha256)]
        )[file.sha256]
        for path, file in zip(paths, files, strict=True)
    ]


def test_a_wheel_that_a_build_has_fetched_is_read_where_it_lies(tmp_path: Path) -> None:
    with serving(Server(a_wheel())) as server:
        file = server.file()
        BlobStore(tmp_path / "store").add(f"sha256:{file.sha256}", [server.body])
        check(KnownWheels(tmp_path).facts([file])[file.sha256], server.body)
        assert server.requests == 0
    check(KnownWheels(tmp_path, offline=True).facts([file])[file.sha256], server.body)


def test_what_lies_there_and_is_no_wheel_is_asked_of_the_server(tmp_path: Path) -> None:
    with serving(Server(a_wheel())) as server:
        file = server.file()
        bad = BlobStore(tmp_path / "store").path(f"sha256:{file.sha256}")
        bad.parent.mkdir(parents=True)
        bad.write_bytes(server.body[:-10])
        check(KnownWheels(tmp_path).facts([file])[file.sha256], server.body)
        assert server.requests == 1
        odd = replace(file, sha256="of no length that a hash has")
        assert isinstance(KnownWheels(tmp_path).facts([odd])[odd.sha256], WheelFacts)
