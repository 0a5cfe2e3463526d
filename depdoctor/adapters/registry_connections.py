"""Connections to registries: urllib3 alone, since `requests` on top of it takes a tenth of a second to import.

Proxies and CA bundles come from where `requests` looks for them, so that registries are reached as indexes are.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urlencode, urljoin, urlsplit
from weakref import WeakSet

from urllib3 import BaseHTTPResponse, HTTPConnectionPool, PoolManager, Retry, Timeout
from urllib3.exceptions import HTTPError

from depdoctor import __version__
from depdoctor.adapters.http_common import BLOCK_BYTES, CONNECT_TIMEOUT_S, origin
from depdoctor.errors import UnreachableError

if TYPE_CHECKING:
    from ssl import SSLContext

Answer = BaseHTTPResponse

MOST_REDIRECTS = 10

_ONCE = Retry(total=None, connect=0, read=0, redirect=0, status=0, other=0, respect_retry_after_header=False)
"""To repeat a request is for whoever asked for it."""


class Connections:
    """Kept connections to any number of registries, directly or through a proxy. Threads may share them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._pools: dict[tuple[str, str], PoolManager] = {}
        self._sockets: WeakSet[Any] = WeakSet()
        self._is_shut = False

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        params: Mapping[str, str | list[str]] | None = None,
        data: bytes | BinaryIO | None = None,
        stream: bool = False,
        follow: bool = True,
        read_timeout_s: float,
    ) -> Answer:
        """Send a request once; the body of the answer is there already, unless it is to be read as a `stream`.

        Redirects are followed, each by the proxy and authority of its own address, without a password to another host.
        A request that is no GET or HEAD is sent on only by a 307 or 308; else, and unless `follow`, the redirect is the
        answer. The `url` of an answer is that of the last request.

        Raises `urllib3.exceptions.HTTPError`, `UnreachableError` if no certificates can be read, and `ValueError` for
        an address or a header that cannot be sent.
        """
        url = _with(url, params or {})
        sent = {"User-Agent": f"depdoctor/{__version__}", **headers}
        begin = 0 if data is None or isinstance(data, bytes) else data.tell()
        for _ in range(MOST_REDIRECTS + 1):
            answer = self._pool(url).request(
                method,
                url,
                body=data,
                headers=sent,
                timeout=Timeout(connect=CONNECT_TIMEOUT_S, read=read_timeout_s),
                retries=_ONCE,
                redirect=False,
                preload_content=not stream,
            )
            answer.url = url
            place = answer.get_redirect_location()
            if not (place and follow and (method in ("GET", "HEAD") or answer.status in (307, 308))):
                return answer
            answer.drain_conn()
            url = urljoin(url, place.encode("latin-1").decode("utf-8", "replace"))
            if origin(url) != origin(answer.url):
                sent.pop("Authorization", None)
            if data is not None and not isinstance(data, bytes):
                data.seek(begin)
        raise HTTPError(f"more than {MOST_REDIRECTS} redirects")

    def shut(self) -> None:
        """Break off whatever threads are sending, reading or waiting for, and whatever they connect to from now on."""
        with self._lock:
            self._is_shut = True
            sockets = tuple(self._sockets)
        for one in sockets:
            _shut_down(one)

    def _note(self, one: Any) -> None:
        with self._lock:
            self._sockets.add(one)
            is_shut = self._is_shut
        if is_shut:
            _shut_down(one)

    def _pool(self, url: str) -> PoolManager:
        scheme, proxy = urlsplit(url).scheme, _proxy(url)
        with self._lock:
            if (scheme, proxy) not in self._pools:
                made = self._pools[scheme, proxy] = self._made(scheme, proxy)
                kinds = made.pool_classes_by_scheme
                made.pool_classes_by_scheme = {name: _noting(kind, self._note) for name, kind in kinds.items()}
            return self._pools[scheme, proxy]

    def _made(self, scheme: str, proxy: str) -> PoolManager:
        trust: dict[str, Any] = {"ssl_context": _trusting()} if scheme == "https" else {}
        if not proxy:
            return PoolManager(maxsize=self._most, blocksize=BLOCK_BYTES, **trust)
        from requests.adapters import HTTPAdapter

        if proxy.startswith("https:"):
            trust["proxy_ssl_context"] = trust.get("ssl_context") or _trusting()
        manager: PoolManager = HTTPAdapter(pool_maxsize=self._most).proxy_manager_for(
            proxy, blocksize=BLOCK_BYTES, **trust
        )
        return manager


def _noting(pool: type[HTTPConnectionPool], note: Callable[[Any], None]) -> type[HTTPConnectionPool]:
    """A kind of pool that tells of each socket as soon as it is connected."""
    kind: Any = pool.ConnectionCls

    class Noting(kind):  # type: ignore[misc]
        def connect(self) -> None:
            super().connect()
            note(self.sock)

    return type(f"Noting{pool.__name__}", (pool,), {"ConnectionCls": Noting})


def _shut_down(one: Any) -> None:
    """End a socket, or the one below TLS within TLS; not by way of TLS, which would go on in plain text."""
    with suppress(OSError, ValueError):
        socket.socket.shutdown(getattr(one, "socket", one), socket.SHUT_RDWR)


def _with(url: str, params: Mapping[str, str | list[str]]) -> str:
    """An address with parameters beside those that it has."""
    if not params:
        return url
    parts = urlsplit(url)
    query = "&".join(filter(None, (parts.query, urlencode(params, doseq=True))))
    return parts._replace(query=query, fragment="").geturl()


def _proxy(url: str) -> str:
    """The proxy that the environment, or the settings of Windows and macOS, name for an address; "" for none."""
    if sys.platform == "linux" and not any(name.lower().endswith("_proxy") for name in os.environ):
        return ""
    from requests.utils import get_environ_proxies, select_proxy

    proxy = str(select_proxy(url, get_environ_proxies(url, no_proxy=None)) or "")
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def _trusting() -> SSLContext:
    """What believes the user's bundle of certificates or folder of them, else that of `certifi`: read once, for all.

    Raises `UnreachableError` if that cannot be read.
    """
    from urllib3.util.ssl_ import create_urllib3_context

    name = next(filter(os.environ.get, ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")), "")
    if name:
        bundle = os.environ[name]
    else:
        import certifi

        bundle = certifi.where()
    context = create_urllib3_context()
    try:
        context.load_verify_locations(**{"capath" if Path(bundle).is_dir() else "cafile": bundle})
    except OSError as error:
        raise UnreachableError(
            f"no certificates can be read, and none is trusted: {error.strerror}",
            where=bundle,
            hint=f"{name} names it: correct that, or unset it" if name else "Install `certifi` again",
        ) from error
    return context
