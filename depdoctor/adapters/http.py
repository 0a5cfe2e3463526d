"""HTTP sessions for every adapter that reads from the network itself."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from http.cookiejar import DefaultCookiePolicy
from types import MappingProxyType
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import LocationParseError, NameResolutionError, NewConnectionError, ProtocolError, ProxyError
from urllib3.exceptions import TimeoutError as TimeoutException
from urllib3.util import Retry

from depdoctor import __version__
from depdoctor.adapters.http_common import BLOCK_BYTES, CONNECT_TIMEOUT_S, origin

READ_TIMEOUT_S = 60.0
RETRIED_STATUSES = (429, 500, 502, 503, 504)


class Session(requests.Session):
    """A session whose requests end in time even where nobody said when. Threads may share it.

    `accounts` are a user and a password for each origin ("https://host:port") that asks for them; for others netrc is
    looked up.
    """

    accounts: Mapping[str, tuple[str, str]] = MappingProxyType({})

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **options: Any) -> requests.Response:
        """Send a request, as `requests` does."""
        options.setdefault("timeout", (CONNECT_TIMEOUT_S, READ_TIMEOUT_S))
        if account := self.accounts.get(origin(os.fsdecode(url))):
            options.setdefault("auth", account)
        return super().request(method, url, *args, **options)


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options, blocksize=BLOCK_BYTES)


def session(
    *, connections: int = 8, retries: int = 3, accounts: Mapping[str, tuple[str, str]] | None = None
) -> Session:
    """A session that keeps its connections, retries with growing pauses, and reaches the network as the user does.

    Proxies, netrc and CA bundles come from the environment: REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE and, which `requests`
    itself does not know, SSL_CERT_FILE. No cookies are kept.
    """
    made = Session()
    made.accounts = accounts or {}
    retry = Retry(
        total=retries,
        backoff_factor=0.3,
        status_forcelist=RETRIED_STATUSES,
        allowed_methods={"GET", "HEAD"},
        raise_on_status=False,
    )
    adapter = _Adapter(pool_connections=connections, pool_maxsize=connections, max_retries=retry)
    made.mount("https://", adapter)
    made.mount("http://", adapter)
    made.headers["User-Agent"] = f"depdoctor/{__version__}"
    made.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    bundle = os.environ.get("SSL_CERT_FILE", "")
    if bundle and not os.environ.get("REQUESTS_CA_BUNDLE") and not os.environ.get("CURL_CA_BUNDLE"):
        made.verify = bundle
    return made


def is_lasting(error: Exception) -> bool:
    """Whether a request would fail again: its address is none, its host is unknown, refuses it or is not trusted.

    `error` is one of urllib3, which wraps the reason, or of `requests`, which wraps that.
    """
    reason = getattr(error, "reason", None) or (getattr(error.args[0], "reason", None) if error.args else None)
    reason = getattr(reason, "original_error", reason)  # behind a proxy
    first = next(iter(getattr(reason, "args", ())), None)
    return (
        isinstance(error, ValueError)
        or isinstance(reason, NewConnectionError)
        or isinstance(first, ssl.SSLCertVerificationError)
    )


def why(error: Exception) -> str:
    """Why a request came to nothing, in words, as the end of a sentence about the server.

    `error` is one of `requests` or urllib3, or what stands behind one.
    """
    behind = _behind(error)
    for one in behind:
        if isinstance(one, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted ({one.verify_message})"
    for kinds, words in _WORDS:
        if any(isinstance(one, kinds) for one in behind):
            return words
    return f"{type(behind[0]).__name__}: {behind[0]}"


_WORDS: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    (
        (ProxyError, requests.exceptions.ProxyError),
        "the proxy that is configured cannot be reached, or lets nothing through",
    ),
    ((socket.gaierror, NameResolutionError), "its name is not known"),
    ((ConnectionRefusedError,), "nothing listens there"),
    ((LocationParseError, requests.exceptions.InvalidURL), "an address, its own or one on the way, makes no sense"),
    ((TimeoutError, TimeoutException, requests.Timeout), "no answer in time"),
    (
        (ConnectionError, ProtocolError, requests.exceptions.ChunkedEncodingError),
        "the connection breaks off",
    ),
)


def _behind(error: BaseException) -> list[BaseException]:
    """What an error wraps, the innermost first, then itself."""
    found: list[BaseException] = []
    left: list[object] = [error]
    while left:
        one = left.pop()
        if isinstance(one, BaseException) and one not in found:
            found.insert(0, one)
            left += (*one.args, getattr(one, "reason", None), getattr(one, "original_error", None), one.__cause__)
    return found


def shut(answer: requests.Response) -> None:
    """End the reading of an answer that another thread reads; a socket that is gone already is fine."""
    with suppress(OSError, ValueError, RuntimeError, AttributeError):
        answer.raw.shutdown()
