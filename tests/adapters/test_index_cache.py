"""The table that keeps what wheels told."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from depdoctor.adapters.index_cache import WheelFactsCache
from depdoctor.errors import StoreError
from depdoctor.model.distribution import WheelFacts


def some_facts(number: int) -> WheelFacts:
    return WheelFacts(
        size_bytes=number,
        unpacked_bytes=2 * number,
        requires=(Requirement("a[b,c]>=1; python_version > '3.8'"), Requirement("d @ https://index.example/d.whl")),
        requires_python=">=3.8",
        paths=("a/__init__.py", "ä.txt"),
        checksums=(0, 2**32 - 1 - number),
    )


def test_it_gives_back_what_was_put(tmp_path: Path) -> None:
    facts = {f"{number:064}": some_facts(number) for number in range(1200)}
    WheelFactsCache(tmp_path / "deep" / "facts.sqlite").put(facts)
    assert WheelFactsCache(tmp_path / "deep" / "facts.sqlite").get([*facts, "unheard of"]) == facts


def test_many_writers_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "facts.sqlite"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: WheelFactsCache(path).put({f"{n:064}": some_facts(n)}), range(64)))
    assert len(WheelFactsCache(path).get(f"{n:064}" for n in range(64))) == 64


@pytest.mark.parametrize(
    "damage", [b"this is no database, and long enough to be looked at" * 50, b"SQLite format 3\0" + b"\xff" * 5000]
)
def test_a_damaged_file_is_begun_anew(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "facts.sqlite"
    path.write_bytes(damage)
    cache = WheelFactsCache(path)
    assert cache.get(["a"]) == {}
    cache.put({"a": some_facts(1)})
    assert cache.get(["a"]) == {"a": some_facts(1)}


def test_a_file_of_another_format_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "facts.sqlite"
    WheelFactsCache(path).put({"a": some_facts(1)})
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    assert WheelFactsCache(path).get(["a"]) == {}


def test_a_folder_that_cannot_be_used_is_an_error_that_names_it(tmp_path: Path) -> None:
    blocking = tmp_path / "file"
    blocking.write_text("")
    with pytest.raises(StoreError) as error:
        WheelFactsCache(blocking / "facts.sqlite").get(["a"])
    assert "facts.sqlite" in error.value.where
