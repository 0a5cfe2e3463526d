"""Brings wheels into the store: in parallel, resumed where they broke off, and checked against their hash."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import unquote, urlsplit, urlunsplit

from depdoctor.errors import FetchError, StoreError
from depdoctor.model.distribution import DistributionFile
from depdoctor.model.seams import Progress, Store

if TYPE_CHECKING:
    from requests import Response

    from depdoctor.adapters.http import Session

CHUNK_BYTES = 1 << 20
CONNECTIONS = 6
TRIES = 5
FIRST_PAUSE_S = 0.5
TASK = "Fetching wheels"


class WheelFetcher:
    """Matches `seams.Fetcher`. Addresses are http(s) and file URLs, and paths relative to `root`.

    `named` tells the addresses of projects' indexes and what they are called, by which the user's credentials are
    found; it is asked only where something is to be fetched.
    """

    def __init__(
        self,
        store: Store,
        *,
        root: Path | None = None,
        offline: bool = False,
        named: Callable[[], Iterable[tuple[str, str]]] = tuple,
    ) -> None:
        self._named = named
        self._store = store
        self._root = root or Path()
        self._offline = offline
        self._session: Session | None = None
        self._stopped = threading.Event()
        self._streams: set[Response] = set()
        self._answered: set[str] = set()
        self._lock = threading.Lock()
        self._asked: dict[str, bool] = {}

    def fetch(self, files: Iterable[DistributionFile], progress: Progress) -> Mapping[str, Path]:
        """The path of each file by its SHA-256. Raises `FetchError`, naming the file."""
        wanted = {file.sha256: file for file in files}
        missing = [file for sha256, file in sorted(wanted.items()) if not self._store.has(f"sha256:{sha256}")]
        if missing:
            self._stopped.clear()
            progress.start(TASK, sum(file.size_bytes or 0 for file in missing) or None, "B")
            if any(_is_remote(file) for file in missing) and not self._offline:
                from depdoctor.adapters.http import session
                from depdoctor.adapters.uv_user import accounts

                self._session = session(connections=CONNECTIONS, retries=0, accounts=accounts(self._named()))
            largest_first = sorted(missing, key=lambda file: (-(file.size_bytes or 0), file.sha256))
            with ThreadPoolExecutor(CONNECTIONS) as pool:
                futures = [pool.submit(self._fetch, file, progress) for file in largest_first]
                try:
                    for future in as_completed(futures):
                        future.result()
                except BaseException:
                    pool.shutdown(wait=False, cancel_futures=True)
                    self._stop()
                    raise
            progress.finish(TASK)
        return {sha256: self._store.path(f"sha256:{sha256}") for sha256 in wanted}

    def _stop(self) -> None:
        """Break off what other threads still wait for or read, so that nobody has to wait for them."""
        self._stopped.set()
        if self._streams:
            from depdoctor.adapters.http import shut
        for answer in tuple(self._streams):
            shut(answer)

    def _fetch(self, file: DistributionFile, progress: Progress) -> None:
        place = redacted(file.url)
        try:
            if not _is_remote(file):
                self._store.add(f"sha256:{file.sha256}", self._counted(file, progress))
                return
            with self._store.draft() as draft:
                actual = self._download(file, draft, progress)
                if actual != file.sha256:
                    raise _other_content(file, actual)
                self._store.keep(draft, f"sha256:{file.sha256}")
        except FileNotFoundError as error:
            raise FetchError(f"{file.filename} is not there", where=str(error.filename or place)) from error
        except OSError as error:
            raise FetchError(f"cannot read {file.filename}: {error.strerror}", where=place) from error
        except StoreError as error:
            if isinstance(error.__cause__, OSError):
                raise
            raise _other_content(file, str(error)) from error

    def _download(self, file: DistributionFile, draft: BinaryIO, progress: Progress) -> str:
        """Write the file to a draft, going on where a connection broke off; the SHA-256 of what came."""
        from requests import RequestException

        from depdoctor.adapters.http import is_lasting

        host = urlsplit(file.url).netloc
        part = _Part(file=file, draft=draft, progress=progress)
        tried = False
        for attempt in range(TRIES):
            self._check(file)
            try:
                with self._get(file, part.received) as answer, self._streaming(answer):
                    self._answered.add(host)
                    if answer.status_code in (200, 206):
                        part.take(answer)
                        if part.received == (file.size_bytes or part.received):
                            return part.actual.hexdigest()
                    elif answer.status_code == 401 and not tried and self._logged_in(file):
                        tried = True
                        continue
                    elif not _is_passing(answer.status_code) or attempt + 1 == TRIES:
                        raise _refused(file, answer.status_code)
            except RequestException as error:
                self._check(file)
                if attempt + 1 == TRIES or (host not in self._answered and is_lasting(error)):
                    raise _unreachable(file, error) from None
            self._stopped.wait(FIRST_PAUSE_S * 2**attempt)
        raise _other_content(file, f"{part.received} bytes long")

    def _get(self, file: DistributionFile, received: int) -> Response:
        if self._offline or self._session is None:
            raise FetchError(
                f"{file.filename} is not in the cache, and `--offline` forbids to fetch it",
                where=redacted(file.url),
                hint="Run once without `--offline`, or name a folder that holds it with `find-links`",
            )
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={received}-"} if received else {})}
        return self._session.get(file.url, headers=headers, stream=True)

    def _logged_in(self, file: DistributionFile) -> bool:
        """Whether the keyring has an account for the host of a file, which is used from now on; it is asked once."""
        from depdoctor.adapters.http_common import origin
        from depdoctor.adapters.keyring import account

        session, host = self._session, origin(file.url)
        with self._lock:
            if session and host not in self._asked:
                found = account(host)
                self._asked[host] = found is not None
                if found:
                    session.accounts = {**session.accounts, host: found}
            return self._asked.get(host, False)

    @contextmanager
    def _streaming(self, answer: Response) -> Iterator[None]:
        """Read an answer as it comes, so that the reading can be ended from outside."""
        self._streams.add(answer)
        try:
            yield
        finally:
            self._streams.discard(answer)

    def _counted(self, file: DistributionFile, progress: Progress) -> Iterator[bytes]:
        """The content of a file on this machine, on its way into the store."""
        for chunk in _local(file, self._root):
            self._check(file)
            yield chunk
            progress.advance(TASK, len(chunk))

    def _check(self, file: DistributionFile) -> None:
        """Raise `FetchError` if the fetching was given up."""
        if self._stopped.is_set():
            raise FetchError(f"fetching {file.filename} was given up", where=redacted(file.url))


class _Part:
    """What has come of a file so far."""

    def __init__(self, *, file: DistributionFile, draft: BinaryIO, progress: Progress) -> None:
        self.received = 0
        self.actual = hashlib.sha256()
        self._file = file
        self._draft = draft
        self._progress = progress

    def take(self, answer: Response) -> None:
        """Take in what an answer brings, which is the rest of the file, or the whole of it again."""
        if answer.status_code == 200 and self.received:
            self.received, self.actual = 0, hashlib.sha256()
            self._draft.seek(0)
            self._draft.truncate()
        for chunk in answer.iter_content(CHUNK_BYTES):
            if self._file.size_bytes and self.received + len(chunk) > self._file.size_bytes:
                raise _other_content(self._file, f"over {self._file.size_bytes} bytes long")
            self._draft.write(chunk)
            self.actual.update(chunk)
            self.received += len(chunk)
            self._progress.advance(TASK, len(chunk))


def redacted(url: str) -> str:
    """An address without the credentials in it."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=""))


def _is_remote(file: DistributionFile) -> bool:
    return urlsplit(file.url).scheme in ("http", "https")


def _local(file: DistributionFile, root: Path) -> Iterator[bytes]:
    parts = urlsplit(file.url)
    path = Path(unquote(parts.path)) if parts.scheme == "file" else root / file.url
    with path.open("rb") as source:
        yield from iter(lambda: source.read(CHUNK_BYTES), b"")


def _is_passing(status: int) -> bool:
    return status in (408, 429) or status >= 500


def _refused(file: DistributionFile, status: int) -> FetchError:
    hint = ""
    if status in (401, 403):
        hint = "Put credentials for this host into netrc, or let the keyring tell: UV_KEYRING_PROVIDER=subprocess"
    message = f"cannot fetch {file.filename}: the server answers {status}"
    return FetchError(message, where=redacted(file.url), hint=hint)


def _unreachable(file: DistributionFile, error: Exception) -> FetchError:
    from depdoctor.adapters.http import why

    return FetchError(
        f"cannot fetch {file.filename}: {why(error)}",
        where=redacted(file.url),
        hint="Check the network, HTTPS_PROXY and, for a private authority, SSL_CERT_FILE",
    )


def _other_content(file: DistributionFile, actual: str) -> FetchError:
    return FetchError(
        f"{file.filename} is not the file that was locked: its SHA-256 should be {file.sha256}, and it is {actual}",
        where=redacted(file.url),
        hint="If the file was replaced on purpose, lock again; if not, do not trust it",
    )
