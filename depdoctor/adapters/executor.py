"""An executor by its address: workers of dask.distributed, on this machine or others (optional extra `dask`).

Which worker does what, what happens where one dies, and who may join is dask's business: nothing of it is done here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from depdoctor.errors import ToolError, UsageError

ADDRESS = re.compile(r"dask://(?P<place>(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_.-]+):\d{1,5})")
RETRIES = 2
"""How often work that failed is done again, before its error counts; work of a worker that died is besides that."""

WAIT_S = 20.0


@contextmanager
def executor(address: str) -> Iterator[Executor]:
    """The executor at `dask://HOST:PORT`, for as long as the context is open.

    Raises `UsageError` for another address or without dask, `ToolError` if nobody answers there.
    """
    match = ADDRESS.fullmatch(address)
    if not match:
        raise UsageError(f"`{address}` is no address of an executor", hint="it is dask://HOST:PORT, of a scheduler")
    try:
        from distributed import Client
    except ImportError:
        raise UsageError(
            "dask is not installed here", where=address, hint='install it: pip install "depdoctor[dask]"'
        ) from None
    try:
        client = Client(f"tcp://{match['place']}", timeout=WAIT_S, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, TimeoutError) as error:
        raise ToolError(
            f"no scheduler of dask answers: {type(error).__name__}",
            where=address,
            hint="start one with `dask scheduler`, and workers with `dask worker`",
        ) from error
    with client:
        yield client.get_executor(retries=RETRIES)  # type: ignore[no-untyped-call]
