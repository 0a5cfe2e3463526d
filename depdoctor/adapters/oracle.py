"""Makes a resolver into an oracle: remembers what it was told, and what follows from that.

A question about a superset of requirements that cannot stand is answered no, one about a subset of requirements that
stand is answered yes, and neither reaches the resolver. `Unknown` is never remembered, and follows from nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from depdoctor.model.finding import Kind
from depdoctor.model.lock import PASSING, Answer, Impossible, Question, Resolved, Unknown, Why
from depdoctor.model.seams import Resolver

Asked = frozenset[tuple[str, bool]]
"""Requirement texts, each with whether it only constrains."""


class Verdicts(Protocol):
    """A memory of answers that outlives the run."""

    def recall(self, question: Question) -> Resolved | Impossible | None:
        """What was answered to this very question before, if anything."""

    def keep(self, question: Question, answer: Resolved | Impossible) -> None:
        """Remember an answer."""


class Known(NamedTuple):
    """A set that was asked about, and the answer."""

    asked: Asked
    answer: Resolved | Impossible


@dataclass
class Universe:
    """What is known about one environment, set of indexes and date: sets that stand, and sets that cannot."""

    standing: list[Known]
    impossible: list[Known]

    def infer(self, asked: Asked) -> Answer | None:
        """What follows about a set, None if nothing does."""
        for known in self.impossible:
            if known.asked <= asked:
                return known.answer
        for known in self.standing:
            if asked <= known.asked:
                return known.answer
        return None

    def learn(self, asked: Asked, answer: Resolved | Impossible) -> None:
        """Take in an answer; what it makes redundant is dropped. Only a version conflict says anything of supersets."""
        if isinstance(answer, Resolved):
            self.standing = [known for known in self.standing if not known.asked <= asked]
            self.standing.append(Known(asked, answer))
        elif answer.kind is Kind.VERSION_CONFLICT:
            self.impossible = [known for known in self.impossible if not known.asked >= asked]
            self.impossible.append(Known(asked, answer))


class MemoOracle:
    """Implements `Oracle` (`ask`) and `Resolver` (`resolve`) on top of a resolver; thread-safe.

    `ask` says whether requirements can stand together, by inference where possible: the pins it answers with may be
    those of a larger question. `resolve` answers this very question, once. The same question asked by two threads is
    asked once. After the deadline whatever is not known already is `Unknown`.
    """

    def __init__(
        self, resolver: Resolver, *, deadline: Callable[[], bool] = lambda: False, verdicts: Verdicts | None = None
    ) -> None:
        self._resolver = resolver
        self._deadline = deadline
        self._verdicts = verdicts
        self._universes: dict[Question, Universe] = {}
        self._answers: dict[Question, Future[Answer]] = {}
        self._lock = threading.Lock()
        self.probes = 0
        """How many questions reached the resolver."""
        self.settled = True
        """Whether every answer would be the same another time: none was missing for want of time or of
        the index, none is of an index that knows no dates."""

    def ask(self, question: Question) -> Answer:
        """Whether these requirements can stand together. See `Oracle.ask`."""
        with self._lock:
            if (inferred := self._universe(question).infer(_asked(question))) is not None:
                return inferred
        return self.resolve(question)

    def resolve(self, question: Question) -> Answer:
        """The answer to this very question. See `Resolver.resolve`."""
        with self._lock:
            future = self._answers.get(question)
            mine = future is None
            if future is None:
                future = self._answers[question] = Future()
        if not mine:
            return future.result()
        try:
            answer = self._answer(question)
        except BaseException as error:
            with self._lock:
                del self._answers[question]
            future.set_exception(error)
            raise
        with self._lock:
            self.settled = self.settled and _lasts(answer)
            if isinstance(answer, Unknown):
                del self._answers[question]
            else:
                self._universe(question).learn(_asked(question), answer)
        future.set_result(answer)
        return answer

    def _answer(self, question: Question) -> Answer:
        if self._verdicts is not None and (recalled := self._verdicts.recall(question)) is not None:
            return recalled
        if self._deadline():
            return Unknown(why=Why.BUDGET, detail="the time for this run was spent before the question was asked")
        with self._lock:
            self.probes += 1
        answer = self._resolver.resolve(question)
        if self._verdicts is not None and not isinstance(answer, Unknown) and not _lacks_an_index(answer):
            self._verdicts.keep(question, answer)
        return answer

    def _universe(self, question: Question) -> Universe:
        key = replace(question, requirements=(), constraints=())
        return self._universes.setdefault(key, Universe([], []))


def _lasts(answer: Answer) -> bool:
    """Whether the answer would be the same another time."""
    if isinstance(answer, Unknown):
        return answer.why not in PASSING
    return answer.dated and not _lacks_an_index(answer)


def _lacks_an_index(answer: Resolved | Impossible) -> bool:
    return isinstance(answer, Resolved) and bool(answer.missing)


def _asked(question: Question) -> Asked:
    return frozenset(
        [(text, False) for text in question.requirements] + [(text, True) for text in question.constraints]
    )
