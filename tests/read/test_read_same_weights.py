"""Files of weights that are the same in several projects."""

from __future__ import annotations

import hashlib
from pathlib import Path

from depdoctor.discover import discover
from depdoctor.read import read, read_all
from depdoctor.read.files import END_BYTES, ScanFiles
from depdoctor.read.same_weights import identified

CONTENT = bytes(range(256)) * (3 * END_BYTES // 256)


def put(root: Path, path: str, content: bytes) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(content)
    (root / path).parent.joinpath("requirements.txt").touch()


def hashes(root: Path) -> dict[str, str]:
    readings = read_all(discover(root), root)
    return {one.path: one.sha256 for reading in readings for one in reading.weights}


def test_equal_files_are_known_by_their_hash(tmp_path: Path) -> None:
    put(tmp_path, "a/x.pt", CONTENT)
    put(tmp_path, "b/y.pth", CONTENT)
    put(tmp_path, "c/alone.pt", CONTENT + b"!")
    middle = bytearray(CONTENT)
    middle[len(middle) // 2] ^= 1
    put(tmp_path, "d/almost.pt", bytes(middle))
    put(tmp_path, "e/other.pt", b"!" + CONTENT[1:])
    whole = hashlib.sha256(CONTENT).hexdigest()
    assert hashes(tmp_path) == {
        "a/x.pt": whole,
        "b/y.pth": whole,
        "c/alone.pt": "",
        "d/almost.pt": hashlib.sha256(middle).hexdigest(),
        "e/other.pt": "",
    }


def test_a_pointer_is_the_file_that_it_stands_for(tmp_path: Path) -> None:
    whole = hashlib.sha256(CONTENT).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{whole}\nsize {len(CONTENT)}\n"
    put(tmp_path, "a/x.pt", pointer.encode())
    put(tmp_path, "b/x.pt", CONTENT)
    assert hashes(tmp_path) == {"a/x.pt": whole, "b/x.pt": whole}


def test_no_large_file_is_read_whole_without_need(tmp_path: Path) -> None:
    put(tmp_path, "a/x.pt", CONTENT)
    put(tmp_path, "b/x.pt", b"!" + CONTENT[1:])

    hashed: list[str] = []

    class Counting(ScanFiles):
        def sha256(self, path: str) -> str:
            hashed.append(path)
            return super().sha256(path)

    readings = [read(project, tmp_path) for project in discover(tmp_path)]
    identified(readings, Counting(root=tmp_path))
    assert hashed == []
    assert hashes(tmp_path) == {"a/x.pt": "", "b/x.pt": ""}
