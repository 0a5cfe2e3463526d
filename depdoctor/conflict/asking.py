"""Puts questions about sets of elements to the oracle, several at a time, for as long as there is time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, Future, wait
from dataclasses import replace

from depdoctor.conflict.demand import Element
from depdoctor.model.lock import Answer, Question, Unknown, Why
from depdoctor.model.seams import Oracle

AT_ONCE = 8
"""Questions in flight."""

_LOOK_AGAIN_S = 0.2
"""How often the clock is looked at while an answer is awaited."""

TIME_UP = Unknown(why=Why.BUDGET, detail="the time for this run was spent")


Ask = Callable[[Sequence[frozenset[Element]]], Sequence[Answer]]
"""The oracle's answers about several sets of elements, asked side by side."""


class Asking:
    """Asks about sets of elements as `empty` says: in its environment, of its indexes, as of its date.

    When `deadline()` is true nothing is asked any more, and what is in flight is not waited for. With `exactly`,
    resolutions are of the very set, never of a larger one.
    """

    def __init__(
        self,
        oracle: Oracle,
        empty: Question,
        deadline: Callable[[], bool],
        pool: Executor,
        *,
        exactly: bool = False,
    ) -> None:
        self._answer = oracle.resolve if exactly else oracle.ask
        self._empty = empty
        self._deadline = deadline
        self._pool = pool

    def __call__(self, sets: Sequence[frozenset[Element]]) -> Sequence[Answer]:
        """The answers about several sets, in their order."""
        futures = [self._pool.submit(self._ask, one) for one in sets]
        self._await(futures)
        return [future.result() if _is_answered(future) else TIME_UP for future in futures]

    def question(self, elements: Iterable[Element]) -> Question:
        """The question about a set."""
        elements = sorted(set(elements))
        return replace(
            self._empty,
            requirements=tuple(sorted(element.text for element in elements if not element.constraint)),
            constraints=tuple(sorted(element.text for element in elements if element.constraint)),
        )

    def _ask(self, elements: frozenset[Element]) -> Answer:
        return TIME_UP if self._deadline() else self._answer(self.question(elements))

    def _await(self, futures: Sequence[Future[Answer]]) -> None:
        pending = set(futures)
        while pending and not self._deadline():
            pending = wait(pending, timeout=_LOOK_AGAIN_S).not_done


def _is_answered(future: Future[Answer]) -> bool:
    return not future.cancel() and future.done()
