"""Reads what wheels tell without fetching them: the zip directory at their end, and the METADATA that lies near it.

One range request a wheel as a rule (RFC 9110, section 14), a second where the directory or the METADATA is not within
the last 64 KiB. Addresses are those that the resolver found; no index is asked.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from threading import Lock
from urllib.parse import urlsplit
from urllib.request import url2pathname

import requests

from depdoctor.adapters.http import Session, session
from depdoctor.adapters.index_cache import FACTS, WheelFactsCache
from depdoctor.adapters.lazy import LazyFile, Span
from depdoctor.adapters.uv_user import accounts
from depdoctor.adapters.wheel_facts import UNREADABLE, read_file, read_metadata, read_wheel
from depdoctor.model.distribution import DistributionFile, WheelFacts
from depdoctor.model.lock import Unknown, Why

TAIL_BYTES = 64 * 1024
"""How much of a wheel's end is asked for first; holds directory and METADATA of most."""

FETCHED_LIMIT_BYTES = 32 * 1024 * 1024
"""How much of one wheel is read at most. The largest directories in the field take three megabytes."""

SMALL_BYTES = 4 * 1024 * 1024
"""Up to which size a wheel is read whole from a server that knows no ranges."""

PARALLEL_REQUESTS = 8

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


class NoRangesError(Exception):
    """A server that sends a large file whole or not at all."""


class RemoteWheels:
    """Implements `model.seams.WheelIndex` for addresses of https, http and file.

    `cache` is depdoctor's cache folder; `named` are the addresses of projects' indexes and what they are called, by
    which the user's credentials are found. Raises `StoreError` where that cannot be used.
    """

    def __init__(
        self,
        cache: Path,
        *,
        offline: bool = False,
        workers: int = PARALLEL_REQUESTS,
        named: Iterable[tuple[str, str]] = (),
        root: Path | None = None,
    ) -> None:
        self._root = root
        self._named = tuple(named)
        self._cache = WheelFactsCache(cache / FACTS)
        self._offline = offline
        self._workers = workers
        self._down: dict[str, Unknown] = {}
        self._lock = Lock()

    @cached_property
    def _session(self) -> Session:
        return session(connections=self._workers, accounts=accounts(self._named))

    def facts(self, files: Iterable[DistributionFile]) -> Mapping[str, WheelFacts | Unknown]:
        """The facts of each wheel by its SHA-256; files without a hash are left out."""
        wanted = {file.sha256: file for file in files if file.sha256}
        known: dict[str, WheelFacts | Unknown] = dict(self._cache.get(wanted)) if wanted else {}
        unknown = [file for sha256, file in wanted.items() if sha256 not in known]
        if unknown:
            found = self._read_all(unknown)
            self._cache.put({sha256: facts for sha256, facts in found.items() if isinstance(facts, WheelFacts)})
            known |= found
        return known

    def metadata(self, files: Iterable[DistributionFile]) -> Mapping[str, str]:
        """The METADATA of each wheel by its SHA-256; what cannot be read is left out."""
        with ThreadPoolExecutor(self._workers, thread_name_prefix="wheel-metadata") as executor:
            wanted = [file for file in files if file.is_wheel and file.sha256]
            texts = executor.map(self._metadata, wanted)
            return {file.sha256: text for file, text in zip(wanted, texts, strict=True) if text}

    def _metadata(self, file: DistributionFile) -> str:
        address = urlsplit(file.url)
        try:
            if address.scheme in {"", "file"}:
                with zipfile.ZipFile(self._local(address.path)) as wheel:
                    return read_metadata(wheel).decode("utf-8", "replace")
            if self._offline:
                return ""
            with zipfile.ZipFile(open_remote(self._session, file.url)) as wheel:
                return read_metadata(wheel).decode("utf-8", "replace")
        except (*UNREADABLE, NoRangesError):
            return ""

    def _read_all(self, files: list[DistributionFile]) -> dict[str, WheelFacts | Unknown]:
        executor = ThreadPoolExecutor(min(self._workers, len(files)), thread_name_prefix="wheel-facts")
        try:
            return dict(zip((file.sha256 for file in files), executor.map(self._read, files), strict=True))
        finally:
            executor.shutdown(cancel_futures=True)

    def _read(self, file: DistributionFile) -> WheelFacts | Unknown:
        if not file.is_wheel:
            return Unknown(why=Why.NEEDS_BUILD, detail=f"{file.filename} tells its content only once it is built")
        address = urlsplit(file.url)
        try:
            if address.scheme in {"", "file"}:
                return read_file(self._local(address.path))
            return self._read_remote(file, address.netloc)
        except (*UNREADABLE, NoRangesError) as error:
            return Unknown(why=Why.NOT_UNDERSTOOD, detail=f"{file.filename} cannot be looked into: {error}")

    def _local(self, path: str) -> Path:
        """A file on this machine; a path that is not absolute starts from the root."""
        place = Path(url2pathname(path))
        return self._root.absolute() / place if self._root else place

    def _read_remote(self, file: DistributionFile, host: str) -> WheelFacts | Unknown:
        if self._offline:
            return Unknown(why=Why.OFFLINE, detail=f"{file.filename} was not looked into before")
        if host in self._down:
            return self._down[host]
        try:
            remote = open_remote(self._session, file.url)
            return read_wheel(zipfile.ZipFile(remote), remote.size)
        except requests.ConnectionError:
            unknown = Unknown(why=Why.UNREACHABLE, detail=f"{host.rpartition('@')[2]} cannot be reached")
            with self._lock:
                return self._down.setdefault(host, unknown)
        except requests.RequestException as error:
            return Unknown(why=Why.UNREACHABLE, detail=f"{file.filename}: {_status(error)}")


def open_remote(http: Session, address: str) -> LazyFile:
    """A wheel on a server, its last bytes fetched. Raises `NoRangesError`, and what `requests` raises."""
    response = _get(http, address, f"bytes=-{TAIL_BYTES}")
    if response.status_code == requests.codes.requested_range_not_satisfiable:
        response = _get(http, address, "")
    with response:
        response.raise_for_status()
        size = _size(response)
        if response.status_code == requests.codes.partial_content:
            return _lazy(http, address, size, _body(response, TAIL_BYTES))
        if size <= SMALL_BYTES:
            return _lazy(http, address, size, _body(response, size))
    # Not every server that knows ranges knows those that count from the end.
    return _lazy(http, address, size, _range(http, address, size - TAIL_BYTES, size))


def _lazy(http: Session, address: str, size: int, tail: bytes) -> LazyFile:
    known = Span(start=size - len(tail), content=tail)
    return LazyFile(size, known, lambda start, end: _range(http, address, start, end), limit=FETCHED_LIMIT_BYTES)


def _range(http: Session, address: str, start: int, end: int) -> bytes:
    with _get(http, address, f"bytes={start}-{end - 1}") as response:
        response.raise_for_status()
        if response.status_code != requests.codes.partial_content:
            raise NoRangesError("its server sends whole files only")
        return _body(response, end - start)


def _get(http: Session, address: str, wanted: str) -> requests.Response:
    headers = {"Accept-Encoding": "identity", **({"Range": wanted} if wanted else {})}
    return http.get(address, headers=headers, stream=True)


def _size(response: requests.Response) -> int:
    if match := _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "")):
        return int(match.group(3))
    length = response.headers.get("Content-Length", "")
    if not length.isdigit():
        raise NoRangesError("its server does not say how large it is")
    return int(length)


def _body(response: requests.Response, limit: int) -> bytes:
    content = bytearray()
    for chunk in response.iter_content(TAIL_BYTES):
        content += chunk
        if len(content) > limit:
            raise NoRangesError("its server sends more than it was asked for")
    return bytes(content)


def _status(error: requests.RequestException) -> str:
    return f"the server answers {error.response.status_code}" if error.response is not None else type(error).__name__
