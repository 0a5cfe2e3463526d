"""Source distributions of an index, fetched to read what they state; each is fetched once, checked by its hash."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import requests

from depdoctor.adapters.http import Session, session
from depdoctor.adapters.index_cache import WheelFactsCache
from depdoctor.adapters.sdist import UnreadableSdistError, requirements_of
from depdoctor.adapters.uv_user import accounts
from depdoctor.model.distribution import DistributionFile, WheelFacts

MOST_BYTES = 64 * 1024 * 1024
"""Archives above this size are not fetched for what they state."""


class RemoteSdists:
    """What source distributions state, by file. `cache` is depdoctor's cache folder."""

    def __init__(self, cache: Path, *, offline: bool = False) -> None:
        self._cache = WheelFactsCache(cache / "sdist-facts.sqlite")
        self._offline = offline
        self._failed: set[str] = set()

    @cached_property
    def _session(self) -> Session:
        return session(accounts=accounts())

    def facts(self, file: DistributionFile) -> WheelFacts | None:
        """What a file states of its requirements, None where that is not known. Raises `StoreError`."""
        if not file.sha256 or file.is_wheel or file.sha256 in self._failed:
            return None
        if known := self._cache.get([file.sha256]).get(file.sha256):
            return known
        stated = self._read(file)
        if stated is None:
            self._failed.add(file.sha256)
        else:
            self._cache.put({file.sha256: stated})
        return stated

    def _read(self, file: DistributionFile) -> WheelFacts | None:
        try:
            content = self._content(file)
            if hashlib.sha256(content).hexdigest() != file.sha256:
                return None
            stated = requirements_of(content, file.filename)
        except (OSError, ValueError, requests.RequestException, UnreadableSdistError):
            return None
        if stated is None:
            return None
        return WheelFacts(
            size_bytes=len(content), unpacked_bytes=0, requires=stated[0], requires_python=stated[1], paths=()
        )

    def _content(self, file: DistributionFile) -> bytes:
        """The bytes of a file. Raises `ValueError` where they are too many, `OSError` where there are none."""
        if (file.size_bytes or 0) > MOST_BYTES:
            raise ValueError(f"{file.filename} is larger than {MOST_BYTES} bytes")
        address = urlsplit(file.url)
        if address.scheme in {"", "file"}:
            path = Path(url2pathname(address.path))
            if not path.is_absolute() or path.stat().st_size > MOST_BYTES:
                raise ValueError(f"{file.filename} cannot be read from {path}")
            return path.read_bytes()
        if self._offline:
            raise OSError("the network may not be used")
        content = bytearray()
        with self._session.get(file.url, headers={"Accept-Encoding": "identity"}, stream=True) as response:
            response.raise_for_status()
            for chunk in response.iter_content(64 * 1024):
                content += chunk
                if len(content) > MOST_BYTES:
                    raise ValueError(f"{file.filename} is larger than {MOST_BYTES} bytes")
        return bytes(content)
