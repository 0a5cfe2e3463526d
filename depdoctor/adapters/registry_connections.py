"""Connections to registries: urllib3 alone, since `requests` on top of it takes a tenth of a second to import.

Proxies and CA bundles come from where `requests` looks for them, so that registries are reached as indexes are.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlencode, urljoin, urlsplit

from urllib3 import BaseHTTPResponse, PoolManager, Retry, Timeout
from urllib3.exceptions import HTTPError

from depdoctor import __version__

Answer = BaseHTTPResponse

CONNECT_TIMEOUT_S = 10.0
BLOCK_BYTES = 1 << 18
"""How much of a body is sent at a time, instead of the 16 KiB of the standard library."""

MOST_REDIRECTS = 10

_ONCE = Retry(total=None, connect=0, read=0, redirect=0, status=0, other=0, respect_retry_after_header=False)
"""To repeat a request is for whoever asked for it."""


class Connections:
    """Kept connections to any number of registries, directly or through a proxy. Threads may share them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._pools: dict[tuple[str, str], PoolManager] = {}

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        params: Mapping[str, str | list[str]] | None = None,
        data: bytes | BinaryIO | None = None,
        stream: bool = False,
        read_timeout_s: float,
    ) -> Answer:
        """Send a request once; the body of the answer is there already, unless it is to be read as a `stream`.

        Redirects are followed, each by the proxy and authority of its own address, without a password to another host.
        Raises `urllib3.exceptions.HTTPError`, and `ValueError` for an address or a header that cannot be sent.
        """
        if params:
            url = f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(params, doseq=True)}"
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
            place = answer.get_redirect_location()
            if not place or (answer.status == 303 and method not in ("GET", "HEAD")):
                return answer
            answer.drain_conn()
            origin, url = url, urljoin(url, place)
            if _origin(url) != _origin(origin):
                sent.pop("Authorization", None)
            if data is not None and not isinstance(data, bytes):
                data.seek(begin)
        raise HTTPError(f"more than {MOST_REDIRECTS} redirects")

    def _pool(self, url: str) -> PoolManager:
        scheme, proxy = urlsplit(url).scheme, _proxy(url)
        with self._lock:
            if (scheme, proxy) not in self._pools:
                self._pools[scheme, proxy] = self._made(scheme, proxy)
            return self._pools[scheme, proxy]

    def _made(self, scheme: str, proxy: str) -> PoolManager:
        trust = _trust() if scheme == "https" else {}
        if not proxy:
            return PoolManager(maxsize=self._most, blocksize=BLOCK_BYTES, **trust)
        from requests.adapters import HTTPAdapter

        manager: PoolManager = HTTPAdapter(pool_maxsize=self._most).proxy_manager_for(
            proxy, blocksize=BLOCK_BYTES, **trust
        )
        return manager


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _proxy(url: str) -> str:
    """The proxy that the environment, or the settings of Windows and macOS, name for an address; "" for none."""
    if sys.platform == "linux" and not any(name.lower().endswith("_proxy") for name in os.environ):
        return ""
    from requests.utils import get_environ_proxies, select_proxy

    proxy = str(select_proxy(url, get_environ_proxies(url, no_proxy=None)) or "")
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def _trust() -> dict[str, Any]:
    """Whose certificates are believed: the user's bundle or folder of them, else that of `certifi`."""
    names = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
    bundle = next(filter(None, (os.environ.get(name, "") for name in names)), "")
    if not bundle:
        import certifi

        bundle = certifi.where()
    place = "ca_cert_dir" if Path(bundle).is_dir() else "ca_certs"
    return {"cert_reqs": "CERT_REQUIRED", place: bundle}
