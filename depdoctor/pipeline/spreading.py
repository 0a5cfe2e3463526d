"""Work that any machine can do: answers of the resolver, and layers. Both follow from what they are asked alone.

It is handed to an executor of the standard library's kind, whoever made it. What runs elsewhere is a function of this
module with values as arguments: a worker needs depdoctor of the same version, and keeps a cache of its own.
"""

from __future__ import annotations

import copyreg
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, as_completed
from types import MappingProxyType
from typing import TypeVar

from depdoctor import __version__
from depdoctor.adapters.cache_place import cache_folder
from depdoctor.adapters.fetch import WheelFetcher
from depdoctor.adapters.index_sdists import RemoteSdists
from depdoctor.adapters.registry import OciRegistry
from depdoctor.adapters.store import BlobStore
from depdoctor.adapters.uv import UvResolver
from depdoctor.build.oci.spread import Order, Spread, forge
from depdoctor.errors import DepdoctorError, ToolError, UsageError
from depdoctor.model.lock import Answer, Question, Unknown, Why
from depdoctor.model.noun import dataclass
from depdoctor.model.seams import Resolver

T = TypeVar("T")

# A mapping that nobody may change is sent as its content, and is one again where it arrives.
copyreg.pickle(MappingProxyType, lambda mapping: (MappingProxyType, (dict(mapping),)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """Matches `seams.Resolver`: asks an executor what can be asked anywhere, and `here` what this machine alone has."""

    executor: Executor
    here: Resolver
    remaining_s: Callable[[], float]
    offline: bool = False

    def resolve(self, question: Question) -> Answer:
        """The answer to a question. Raises `ResolverError` and `ToolError`."""
        remaining_s = self.remaining_s()
        if not anywhere(question) or remaining_s <= 0:
            return self.here.resolve(question)
        future = self.executor.submit(answer, question, remaining_s, __version__, offline=self.offline)
        try:
            return _result(future, remaining_s)
        except TimeoutError:
            future.cancel()
            return Unknown(why=Why.BUDGET, detail="the time for answers was spent before the workers had one")


def anywhere(question: Question) -> bool:
    """Whether a question names nothing that only this machine has, such as a folder of wheels."""
    indexes = question.indexes
    places = (*indexes.extra_index_urls, *indexes.find_links, *filter(None, [indexes.index_url]))
    named = (*question.requirements, *question.constraints)
    return all(place.startswith(("http://", "https://")) for place in places) and not any(
        "file:" in requirement or " @ ./" in requirement for requirement in named
    )


def answer(question: Question, remaining_s: float, version: str, *, offline: bool) -> Answer:
    """Answer a question on a worker."""
    _check(version)
    end = time.monotonic() + remaining_s
    cache = cache_folder()
    uv = UvResolver(
        cache,
        offline=offline,
        remaining_s=lambda: end - time.monotonic(),
        sdists=RemoteSdists(cache, offline=offline).facts,
    )
    try:
        return uv.resolve(question)
    finally:
        uv.close()


def spread_on(executor: Executor, named: Sequence[tuple[str, str]], *, offline: bool) -> Spread:
    """Lets an executor make layers. `named` are the names that projects give to indexes, for credentials of workers."""

    def spread(orders: Sequence[Order]) -> Iterator[tuple[Order, str]]:
        ordered = sorted(orders, key=lambda order: (-sum(file.size_bytes or 0 for file in order.files), order.key))
        futures = {executor.submit(made, order, tuple(named), __version__, offline=offline): order for order in ordered}
        try:
            for future in as_completed(futures):
                yield futures[future], _result(future)
        finally:
            for future in futures:
                future.cancel()

    return spread


def made(order: Order, named: Sequence[tuple[str, str]], version: str, *, offline: bool) -> str:
    """Make a layer on a worker and push it; the digest of what stands in the registry then."""
    _check(version)
    store = BlobStore(cache_folder() / "store")
    fetcher = WheelFetcher(store, offline=offline, named=lambda: named)
    return forge(order, store, fetcher, OciRegistry(offline=offline))


def _check(version: str) -> None:
    if version != __version__:
        raise UsageError(
            f"a worker has depdoctor {__version__}, and was asked by {version}",
            hint="install the same version on all machines",
        )


def _result(future: Future[T], timeout_s: float | None = None) -> T:
    try:
        return future.result(timeout_s)
    except (DepdoctorError, TimeoutError):
        raise
    except Exception as error:
        raise ToolError(
            f"the executor failed: {type(error).__name__}: {error}",
            hint="see the logs of its workers; without `--executor` the work is done here",
        ) from error
