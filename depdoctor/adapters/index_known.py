"""What wheels tell: from the cache where they have been looked into, without all that asking a server takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from depdoctor.adapters.index_cache import FACTS, WheelFactsCache
from depdoctor.adapters.store import BlobStore, is_digest
from depdoctor.model.distribution import DistributionFile, WheelFacts
from depdoctor.model.lock import Unknown


class KnownWheels:
    """Implements `model.seams.WheelIndex` as `index.RemoteWheels` does, which is asked for what is not at hand."""

    def __init__(
        self,
        cache: Path,
        *,
        offline: bool = False,
        named: Iterable[tuple[str, str]] = (),
        root: Path | None = None,
    ) -> None:
        self._place = cache
        self._cache = WheelFactsCache(cache / FACTS)
        self._store = BlobStore(cache / "store")
        self._offline = offline
        self._named = tuple(named)
        self._root = root

    def facts(self, files: Iterable[DistributionFile]) -> Mapping[str, WheelFacts | Unknown]:
        """The facts of each wheel by its SHA-256; files without a hash are left out. Raises `StoreError`."""
        wanted = {file.sha256: file for file in files if file.sha256}
        known = dict[str, WheelFacts | Unknown](self._cache.get(wanted)) if wanted else {}
        if fetched := dict(self._fetched(file for sha256, file in wanted.items() if sha256 not in known)):
            self._cache.put(fetched)
            known |= fetched
        unknown = [file for sha256, file in wanted.items() if sha256 not in known]
        if unknown:
            from depdoctor.adapters.index import RemoteWheels

            remote = RemoteWheels(self._place, offline=self._offline, named=self._named, root=self._root)
            known |= remote.facts(unknown)
        return known

    def _fetched(self, files: Iterable[DistributionFile]) -> Iterator[tuple[str, WheelFacts]]:
        """What those wheels tell that a build has fetched before."""
        for file in files:
            digest = f"sha256:{file.sha256}"
            if file.is_wheel and is_digest(digest) and (path := self._store.path(digest)).is_file():
                from depdoctor.adapters.wheel_facts import UNREADABLE, read_file

                with suppress(*UNREADABLE):  # the index may know more
                    yield file.sha256, read_file(path.absolute())
