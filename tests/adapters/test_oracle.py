from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from depdoctor.adapters.oracle import MemoOracle
from depdoctor.model.finding import Kind
from depdoctor.model.lock import Answer, Impossible, Question, Resolved, Unknown, Why
from depdoctor.model.target import Environment, Platform

YES = Resolved(pins=())
NO = Impossible(kind=Kind.VERSION_CONFLICT, message="no")
GONE = Impossible(kind=Kind.VERSION_GONE, message="gone")
OFFLINE = Unknown(why=Why.OFFLINE, detail="offline")


def question(*requirements: str, python: str = "3.11", constraints: tuple[str, ...] = ()) -> Question:
    return Question(
        requirements=requirements,
        constraints=constraints,
        environment=Environment(python=python, platform=Platform()),
        exclude_newer=datetime(2026, 11, 22, tzinfo=UTC),
    )


class Counting:
    def __init__(self, answer: Callable[[Question], Answer]) -> None:
        self.answer = answer
        self.asked: list[Question] = []

    def resolve(self, question: Question) -> Answer:
        self.asked.append(question)
        return self.answer(question)


def test_a_superset_of_what_cannot_stand_cannot_stand() -> None:
    resolver = Counting(lambda _: NO)
    oracle = MemoOracle(resolver)
    assert [oracle.ask(question("a", "b")), oracle.ask(question("a", "b", "c"))] == [NO, NO]
    assert len(resolver.asked) == oracle.probes == 1


def test_a_subset_of_what_stands_stands() -> None:
    resolver = Counting(lambda _: YES)
    oracle = MemoOracle(resolver)
    oracle.ask(question("a", "b", constraints=("c<1",)))
    assert oracle.ask(question("a")) == oracle.ask(question("b", constraints=("c<1",))) == YES
    assert len(resolver.asked) == 1


@pytest.mark.parametrize("answer", [YES, GONE, OFFLINE])
def test_nothing_else_follows_upwards(answer: Answer) -> None:
    resolver = Counting(lambda _: answer)
    oracle = MemoOracle(resolver)
    oracle.ask(question("a"))
    oracle.ask(question("a", "b"))
    assert len(resolver.asked) == 2


def test_nothing_follows_for_another_environment_or_a_requirement_that_only_constrained() -> None:
    resolver = Counting(lambda _: YES)
    oracle = MemoOracle(resolver)
    oracle.ask(question(constraints=("a",)))
    oracle.ask(question("a"))
    oracle.ask(question("a", python="3.12"))
    assert len(resolver.asked) == 3


def test_an_exact_answer_is_never_inferred() -> None:
    resolver = Counting(lambda _: YES)
    oracle = MemoOracle(resolver)
    oracle.resolve(question("a", "b"))
    oracle.resolve(question("a"))
    oracle.resolve(question("a"))
    assert len(resolver.asked) == 2


def test_what_is_unknown_is_asked_again() -> None:
    answers = iter([OFFLINE, YES])
    oracle = MemoOracle(Counting(lambda _: next(answers)))
    assert [oracle.ask(question("a")), oracle.ask(question("a"))] == [OFFLINE, YES]


def test_after_the_deadline_only_what_is_known_is_answered() -> None:
    late: list[bool] = []
    oracle = MemoOracle(Counting(lambda _: YES), deadline=lambda: bool(late))
    oracle.ask(question("a"))
    late.append(True)
    assert oracle.ask(question("a")) == YES
    answer = oracle.ask(question("b"))
    assert isinstance(answer, Unknown)
    assert answer.why is Why.BUDGET


def test_the_same_question_of_several_threads_is_asked_once() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def answer(_: Question) -> Answer:
        begun.set()
        assert go_on.wait(30)
        return YES

    resolver = Counting(answer)
    oracle = MemoOracle(resolver)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(oracle.ask, question("a"))
        assert begun.wait(30)
        others = [pool.submit(oracle.ask, question("a")) for _ in range(3)]
        go_on.set()
        assert [future.result(30) for future in (first, *others)] == [YES] * 4
    assert len(resolver.asked) == 1


def test_a_resolver_that_breaks_is_not_remembered() -> None:
    def answer(_: Question) -> Answer:
        raise OSError("uv broke")

    oracle = MemoOracle(Counting(answer))
    for _ in range(2):
        with pytest.raises(OSError, match="uv broke"):
            oracle.ask(question("a"))
