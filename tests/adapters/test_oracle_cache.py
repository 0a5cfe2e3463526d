from __future__ import annotations

import multiprocessing
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from depdoctor.adapters.oracle import MemoOracle
from depdoctor.adapters.oracle_cache import VerdictCache
from depdoctor.model.distribution import DistributionFile, Pin
from depdoctor.model.finding import Kind
from depdoctor.model.lock import Answer, Impossible, Question, Resolved, Unknown, Why
from depdoctor.model.project import IndexOptions
from depdoctor.model.target import Environment, Platform

MOMENT = datetime(2026, 11, 22, tzinfo=UTC)
QUESTION = Question(
    requirements=("torch==2.4.0",),
    environment=Environment(python="3.11", platform=Platform()),
    exclude_newer=MOMENT,
)
TORCH = Resolved(
    pins=(
        Pin(
            name=canonicalize_name("torch"),
            version=Version("2.4.0+cu121"),
            file=DistributionFile(
                filename="torch-2.4.0-cp311-cp311-manylinux1_x86_64.whl",
                url="https://index.example/torch-2.4.0-cp311-cp311-manylinux1_x86_64.whl",
                sha256="0" * 64,
                size_bytes=797_172_890,
                upload_time=MOMENT,
            ),
            index="https://index.example/simple",
            requires=(Requirement('triton==3.0.0; platform_system == "Linux"'),),
        ),
        Pin(name=canonicalize_name("sympy"), version=Version("1.13"), file=None),
    ),
    warnings=("sympy is yanked",),
)
NO = Impossible(
    kind=Kind.VERSION_CONFLICT,
    message="no",
    blamed=(canonicalize_name("torch"),),
    steps=(("torch==2.4.0", "triton==3.0.0"),),
)


@pytest.mark.parametrize("answer", [TORCH, NO])
def test_an_answer_comes_back_as_it_was(tmp_path: Path, answer: Resolved | Impossible) -> None:
    VerdictCache(tmp_path, resolver="uv 1").keep(QUESTION, answer)
    assert VerdictCache(tmp_path, resolver="uv 1").recall(QUESTION) == answer


@pytest.mark.parametrize(
    "other",
    [
        replace(QUESTION, requirements=("torch==2.4.1",)),
        replace(QUESTION, constraints=("numpy<2",)),
        replace(QUESTION, environment=Environment(python="3.12", platform=Platform())),
        replace(QUESTION, indexes=IndexOptions(prerelease=True)),
        replace(QUESTION, exclude_newer=datetime(2026, 11, 23, tzinfo=UTC)),
        replace(QUESTION, builds_allowed=True),
    ],
)
def test_another_question_has_its_own_answer(tmp_path: Path, other: Question) -> None:
    cache = VerdictCache(tmp_path, resolver="uv 1")
    cache.keep(QUESTION, TORCH)
    assert cache.recall(other) is None


def test_another_resolver_is_asked_itself(tmp_path: Path) -> None:
    VerdictCache(tmp_path, resolver="uv 1").keep(QUESTION, TORCH)
    assert VerdictCache(tmp_path, resolver="uv 2").recall(QUESTION) is None


def test_what_a_folder_of_files_answered_is_not_kept(tmp_path: Path) -> None:
    cache = VerdictCache(tmp_path, resolver="uv 1")
    question = replace(QUESTION, indexes=IndexOptions(find_links=("wheels",)))
    cache.keep(question, TORCH)
    assert cache.recall(question) is None


def test_it_does_not_grow_without_end(tmp_path: Path) -> None:
    cache = VerdictCache(tmp_path, resolver="uv 1", most=20)
    questions = [replace(QUESTION, requirements=(f"p{number}",)) for number in range(50)]
    for question in questions:
        cache.keep(question, NO)
    kept = [question for question in questions if cache.recall(question)]
    assert 0 < len(kept) <= 20
    assert questions[-1] in kept


@pytest.mark.parametrize("damage", [b"", b"no database at all", b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_damaged_file_is_begun_anew(tmp_path: Path, damage: bytes) -> None:
    [path] = _files(tmp_path)
    path.write_bytes(damage)
    cache = VerdictCache(tmp_path, resolver="uv 1")
    assert cache.recall(QUESTION) is None
    cache.keep(QUESTION, NO)
    assert cache.recall(QUESTION) == NO


def test_damage_in_the_middle_of_a_run_costs_no_more_than_what_was_known(tmp_path: Path) -> None:
    cache = VerdictCache(tmp_path, resolver="uv 1")
    cache.keep(QUESTION, NO)
    cache.close()
    for path in tmp_path.iterdir():
        path.write_bytes(b"x" * 10_000)
    assert cache.recall(QUESTION) is None
    cache.keep(QUESTION, NO)
    assert cache.recall(QUESTION) == NO


def test_a_folder_that_cannot_be_written_is_no_reason_to_stop(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = VerdictCache(tmp_path / "file" / "cache", resolver="uv 1")
    cache.keep(QUESTION, NO)
    assert cache.recall(QUESTION) is None


def test_threads_may_share_one(tmp_path: Path) -> None:
    cache = VerdictCache(tmp_path, resolver="uv 1")
    _at_once([threading.Thread(target=_write_many, args=(cache, start)) for start in range(4)])
    assert all(cache.recall(question) == NO for start in range(4) for question in _questions(start))


def test_processes_may_share_one_file(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    _at_once([context.Process(target=_write_from_process, args=(tmp_path, start)) for start in range(3)])
    cache = VerdictCache(tmp_path, resolver="uv 1")
    assert all(cache.recall(question) == NO for start in range(3) for question in _questions(start))


def test_an_oracle_asks_nothing_that_an_earlier_run_was_told(tmp_path: Path) -> None:
    class Resolver:
        def resolve(self, question: Question) -> Answer:
            asked.append(question)
            return Unknown(why=Why.OFFLINE, detail="") if question.constraints else NO

    asked: list[Question] = []
    unknown = replace(QUESTION, constraints=("numpy<2",))
    for _ in range(2):
        oracle = MemoOracle(Resolver(), verdicts=VerdictCache(tmp_path, resolver="uv 1"))
        assert oracle.ask(QUESTION) == NO
        assert isinstance(oracle.resolve(unknown), Unknown)
    assert asked == [QUESTION, unknown, unknown]


def _files(folder: Path) -> list[Path]:
    cache = VerdictCache(folder, resolver="uv 1")
    cache.keep(QUESTION, NO)
    cache.close()
    return [path for path in folder.iterdir() if path.suffix == ".sqlite"]


def _questions(start: int) -> list[Question]:
    return [replace(QUESTION, requirements=(f"p{start}-{number}",)) for number in range(25)]


def _write_many(cache: VerdictCache, start: int) -> None:
    for question in _questions(start):
        cache.keep(question, NO)


def _write_from_process(folder: Path, start: int) -> None:
    _write_many(VerdictCache(folder, resolver="uv 1"), start)


def _at_once(workers: list[threading.Thread]) -> None:
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
