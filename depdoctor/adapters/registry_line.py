"""The line to OCI registries: requests with tokens, repeated while a registry says "not now", and ended at once."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from depdoctor.adapters.http_common import origin
from depdoctor.adapters.registry_names import Access, Reference
from depdoctor.errors import AbsentError, RegistryError, UnreachableError

if TYPE_CHECKING:
    from depdoctor.adapters.registry_connections import Answer, Connections

CONNECTIONS = 8
TRIES = 5
READ_TIMEOUT_S = 120
FIRST_PAUSE_S = 0.5
MAX_PAUSE_S = 60


class Line:
    """Sends requests for a client. Thread-safe; connections are kept alive and shared."""

    def __init__(self, *, offline: bool) -> None:
        self._offline = offline
        self._lock = threading.Lock()
        self._connections: Connections | None = None
        self._tokens: dict[tuple[str, str, bool, str], str] = {}
        self._answered: set[str] = set()
        self._stopped = threading.Event()

    def ask(self, method: str, name: Reference, path: str, **options: Any) -> Answer:
        """Send a request until it is answered by something else than "not now". Raises `RegistryError`."""
        for attempt in range(TRIES):
            final = attempt + 1 == TRIES
            answer = self.attempt(method, name, path, final=final, **options)
            if answer is not None and (final or not is_passing(answer)):
                return answer
            self.pause(attempt, answer)
        raise AssertionError("the last try answers or raises")

    def attempt(
        self,
        method: str,
        name: Reference,
        path: str,
        *,
        final: bool,
        push: bool = False,
        source: str = "",
        **options: Any,
    ) -> Answer | None:
        """Send a request once, with a fresh token if need be. None if nothing came back but may, unless `final`."""
        from urllib3.exceptions import HTTPError

        if self._offline:
            raise UnreachableError(
                f"{name.host} is needed, and `--offline` forbids it", where=name.base, hint="Run without `--offline`"
            )
        url = path if "://" in path else f"{name.base}/{path}"
        headers = dict(options.pop("headers", {}))
        access = Access(name=name, push=push, source=source)
        try:
            for is_last in (False, True):
                token = self._tokens.get(access.key) if origin(url) == origin(name.base) else None
                sent = {**headers, **({"Authorization": token} if token else {})}
                connections = self._connected()
                self.check()  # after there is something for `stop` to shut
                answer = connections.send(method, url, headers=sent, read_timeout_s=READ_TIMEOUT_S, **options)
                self._answered.add(name.host)
                asks = answer.status == 401 and origin(answer.url or "") == origin(name.base)
                if not asks or is_last or not self._authorize(access, answer, token):
                    break
                answer.close()
                if hasattr(options.get("data"), "seek"):
                    options["data"].seek(0)
        except (HTTPError, OSError, ValueError) as error:
            from depdoctor.adapters.http import is_lasting

            if final or (name.host not in self._answered and is_lasting(error)):
                raise unreachable(name, error) from None
            return None
        return answer

    def pause(self, attempt: int, answer: Answer | None = None) -> None:
        """Wait before the next try: as long as the registry asks for (RFC 9110, 10.2.3), else longer each time."""
        from urllib3 import Retry
        from urllib3.exceptions import InvalidHeader

        wait_s = FIRST_PAUSE_S * 2**attempt
        if answer is not None and "Retry-After" in answer.headers:
            with suppress(InvalidHeader):
                wait_s = Retry().parse_retry_after(answer.headers["Retry-After"])
        self._stopped.wait(min(wait_s, MAX_PAUSE_S))
        self.check()

    def stop(self) -> None:
        """Break off what other threads are waiting for, reading or sending, and let them send nothing more."""
        self._stopped.set()
        if self._connections is not None:
            self._connections.shut()

    def check(self) -> None:
        """Raise `RegistryError` if there is to be no more asking."""
        if self._stopped.is_set():
            raise RegistryError("given up, since something else failed or was interrupted")

    def _connected(self) -> Connections:
        with self._lock:
            if self._connections is None:
                from depdoctor.adapters.registry_connections import Connections

                self._connections = Connections(CONNECTIONS)
            return self._connections

    def _authorize(self, access: Access, answer: Answer, refused: str | None) -> bool:
        """Get the token that the registry asks for; False if there is nothing (more) to offer."""
        from depdoctor.adapters.registry_login import authorization

        token = authorization(self._connected(), access, answer.headers.get("WWW-Authenticate", ""))
        if not token or token == refused:
            return False
        with self._lock:
            self._tokens[access.key] = token
        return True


def is_passing(answer: Answer) -> bool:
    """Whether the registry may answer otherwise in a moment."""
    return answer.status in (408, 429) or answer.status >= 500


def expect(answer: Answer, status: int, name: Reference, what: str) -> None:
    """Raise `RegistryError`, of a 404 `AbsentError`, unless the registry answered with this status."""
    from urllib3.exceptions import HTTPError

    if answer.status == status:
        return
    try:
        errors = answer.json()["errors"]
        said = "; ".join(f"{error.get('code', '')} {error.get('message', '')}".strip() for error in errors)
    except (ValueError, KeyError, TypeError, AttributeError, HTTPError, OSError):
        said = ""
    hint = ""
    if answer.status in (401, 403):
        hint = f"Log in with `docker login {name.host}` as someone who may do this"
    elif answer.status == 429:
        hint = "The registry limits how often it may be asked; try again later, or log in"
    detail = f": {said}" if said else ""
    kind = AbsentError if answer.status == 404 else RegistryError
    raise kind(f"cannot {what}: the registry answers {answer.status}{detail}", where=name.base, hint=hint)


def unreachable(name: Reference, error: Exception) -> UnreachableError:
    """The error for a registry that does not answer, or breaks off."""
    from depdoctor.adapters.http import why

    return UnreachableError(
        f"the registry {name.host} does not answer: {why(error)}",
        where=name.base,
        hint="Check its name, the network, HTTPS_PROXY and, for a private authority, SSL_CERT_FILE",
    )
