"""Images to a registry: every blob once, and none that stands there already."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, as_completed, wait
from typing import Any, BinaryIO, Self, TypeVar, cast

from depdoctor.errors import BuildError, DepdoctorError, MissingBlobError
from depdoctor.model.image import Attachment, Blob, BuiltImage, PushedImage
from depdoctor.model.noun import dataclass, field
from depdoctor.model.seams import Progress, Registry, Store

CONNECTIONS = 4


def push(
    built: BuiltImage, destination: str, registry: Registry, store: Store, tags: Sequence[str], progress: Progress
) -> PushedImage:
    """Push one image to `destination` (REGISTRY/PREFIX), under its name and these tags. Raises `RegistryError`."""
    return push_all([built], destination, registry, store, tags, progress)[0]


def push_all(
    images: Sequence[BuiltImage],
    destination: str,
    registry: Registry,
    store: Store,
    tags: Sequence[str],
    progress: Progress,
    attachments: Callable[[BuiltImage, str], Sequence[Attachment]] = lambda *_: (),
    ahead: Ahead | None = None,
) -> tuple[PushedImage, ...]:
    """Push images to `destination` (REGISTRY/PREFIX), each under its own name and these tags. Raises `RegistryError`.

    A blob that several images hold is sent for the first of them and mounted for the others; a manifest is put only
    when all of its blobs stand. An image whose manifest is there already sends nothing, and what the image that was
    pushed before it shares with it is not asked for. `attachments` tells which documents about an image go into its
    repository with it; they are there before it is. What was sent `ahead` counts as sent here.
    """
    with ThreadPoolExecutor(CONNECTIONS) as pool, ThreadPoolExecutor(1) as writing:
        work = _Push(destination=destination, registry=registry, store=store, progress=progress)
        work.ahead = frozenset(ahead.sent) if ahead else frozenset()
        try:
            names = [(image, tag) for image in images for tag in tags]
            named = _gather(pool, names, lambda one: registry.digest(work.tagged(*one)))
            wanting = [one for one, digest in zip(names, named, strict=True) if digest != one[0].manifest.digest]
            standing = {id(image) for image, _ in names} - {id(image) for image, _ in wanting}
            others = [image for image in images if id(image) not in standing]
            lacking = _gather(pool, others, work.lacks)
            absent = [image for image, is_lacking in zip(others, lacking, strict=True) if is_lacking]
            work.begin(absent)
            documents: list[tuple[BuiltImage, Sequence[Attachment]]] = []

            def write(image: BuiltImage) -> list[Future[Any]]:
                found = attachments(image, work.repository(image))
                documents.append((image, found))
                return _begun(pool, _documents(found), lambda blob: work.bring_beside(image, blob))

            first = _begun(pool, _first_homes(absent), lambda home: work.bring(*home))
            _ended_all([*first, *_begun(writing, absent, write)])
            attached = _begun(pool, documents, lambda one: work.attach(*one))
            _gather(pool, _other_homes(absent), lambda home: work.bring(*home))
            _ended(attached)
            if not tags:
                _gather(pool, absent, lambda image: work.put(image, work.by_digest(image)))
            _gather(pool, wanting, lambda one: work.put(one[0], work.tagged(*one)))
            work.end()
        except BaseException:
            for each in (pool, writing):
                each.shutdown(wait=False, cancel_futures=True)
            registry.stop()  # what runs ends soon, whatever it waits for
            raise
    return tuple(work.pushed(image, tags) for image in images)


def attach(repository: str, subject: Blob, attachments: Sequence[Attachment], registry: Registry, store: Store) -> None:
    """Put documents about an image that stands in a repository beside it. Raises `RegistryError`."""
    for blob in _documents(attachments):
        if not registry.has_blob(repository, blob.digest):
            with store.path(blob.digest).open("rb") as content:
                registry.upload(repository, blob, content)
    registry.attach(repository, subject, [(one, store.path(one.manifest.digest).read_bytes()) for one in attachments])


class Ahead:
    """Sends layers while others are still made. A context: at its end they are sent, or left where an error ends it.

    What fails here is left to `push_all`, which tries again and says why; after a failure nothing more is tried.
    `sent` has the repository and the digest of each blob that was sent.
    """

    def __init__(self, destination: str, registry: Registry, store: Store) -> None:
        self.sent: set[tuple[str, str]] = set()
        self._destination = destination.rstrip("/")
        self._registry = registry
        self._store = store
        self._failed = False
        self._pool = ThreadPoolExecutor(CONNECTIONS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._pool.shutdown(wait=kind is None, cancel_futures=kind is not None)
        if kind is not None:
            self._registry.stop()

    def send(self, name: str, blob: Blob) -> None:
        """Send a blob for the image of this name, unless it stands there, beside what goes on here."""
        self._pool.submit(self._send, f"{self._destination}/{name}", blob)

    def _send(self, repository: str, blob: Blob) -> None:
        try:
            if self._failed or self._registry.has_blob(repository, blob.digest):
                return
            with self._store.path(blob.digest).open("rb") as content:
                self._registry.upload(repository, blob, content)
            self.sent.add((repository, blob.digest))
        except (DepdoctorError, OSError):
            self._failed = True


@dataclass(slots=True, kw_only=True)
class _Push:
    """What is known while images are pushed: where each blob stands by now, and what was sent for each image."""

    destination: str
    registry: Registry
    store: Store
    progress: Progress
    homes: dict[str, str] = field(default_factory=dict)
    sent: dict[str, list[int]] = field(default_factory=dict)
    held: dict[str, frozenset[str]] = field(default_factory=dict)
    ahead: frozenset[tuple[str, str]] = frozenset()
    task: str = ""

    def repository(self, image: BuiltImage) -> str:
        return f"{self.destination.rstrip('/')}/{image.name}"

    def by_digest(self, image: BuiltImage) -> str:
        return f"{self.repository(image)}@{image.manifest.digest}"

    def tagged(self, image: BuiltImage, tag: str) -> str:
        return f"{self.repository(image)}:{tag}"

    def begin(self, images: Iterable[BuiltImage]) -> None:
        total = sum(blob.size_bytes for image in images for blob, _ in _blobs(image))
        if total:
            self.task = f"Pushing to {self.destination}"
            self.progress.start(self.task, total, "B")

    def end(self) -> None:
        if self.task:
            self.progress.finish(self.task)

    def lacks(self, image: BuiltImage) -> bool:
        """Whether an image's repository lacks it; if so, note what that holds for the image before it."""
        if self.registry.digest(self.by_digest(image)) == image.manifest.digest:
            return False
        self._recall(image)
        return True

    def _recall(self, image: BuiltImage) -> None:
        """Note which blobs an image's repository holds for the image that was pushed into it before, if that stands.

        A registry keeps what its manifests refer to (distribution specification, "Deleting tags" and following).
        """
        repository = self.repository(image)
        before = self.store.recall(f"pushed {repository}")
        if before and self.store.has(before) and self.registry.digest(f"{repository}@{before}") == before:
            manifest = json.loads(self.store.path(before).read_bytes())
            self.held[repository] = frozenset(one["digest"] for one in (*manifest["layers"], manifest["config"]))

    def bring(self, image: BuiltImage, blob: Blob, source: str) -> None:
        """See to it that an image's repository holds a blob. `source` is where it can be had besides the store."""
        repository = self.repository(image)
        early = (repository, blob.digest) in self.ahead
        stands = early or self._stands(repository, blob, source)
        if stands:
            self.progress.advance(self.task, blob.size_bytes)
        else:
            self._send(repository, blob, source)
        if early or not stands:
            self.sent.setdefault(image.name, []).append(blob.size_bytes)
        self.homes.setdefault(blob.digest, repository)

    def _stands(self, repository: str, blob: Blob, source: str) -> bool:
        if blob.digest in self.held.get(repository, ()):
            return True
        home = self.homes.get(blob.digest, "")
        if home and home != repository and self.registry.mount(repository, blob.digest, home):
            return True
        if self.registry.has_blob(repository, blob.digest):
            return True
        return bool(source) and self.registry.mount(repository, blob.digest, source)

    def _send(self, repository: str, blob: Blob, source: str) -> None:
        if not self.store.has(blob.digest):
            if not source:
                raise BuildError(
                    f"a layer is gone from the cache: {blob.digest}", where=repository, hint="Build the image again"
                )
            self.store.add(blob.digest, self.registry.blob(source, blob.digest))
        with self.store.path(blob.digest).open("rb") as content:
            sending = _Sending(content, lambda count: self.progress.advance(self.task, count))
            self.registry.upload(repository, blob, cast("BinaryIO", sending))

    def bring_beside(self, image: BuiltImage, blob: Blob) -> None:
        """See to it that an image's repository holds a blob of a document about it."""
        if not self.registry.has_blob(self.repository(image), blob.digest):
            self._send(self.repository(image), blob, "")

    def attach(self, image: BuiltImage, attachments: Sequence[Attachment]) -> None:
        """Put the manifests of documents whose blobs stand beside an image."""
        repository = self.repository(image)
        contents = [(one, self.store.path(one.manifest.digest).read_bytes()) for one in attachments]
        try:
            self.registry.attach(repository, image.manifest, contents)
        except MissingBlobError:
            for blob in _documents(attachments):
                self._send(repository, blob, "")
            self.registry.attach(repository, image.manifest, contents)

    def put(self, image: BuiltImage, reference: str) -> None:
        content = self.store.path(image.manifest.digest).read_bytes()
        try:
            self.registry.put_manifest(reference, image.manifest, content)
        except MissingBlobError:  # it said to have what it has not: send all of it, and ask nothing
            for blob, source in _blobs(image):
                self._send(self.repository(image), blob, source)
            self.registry.put_manifest(reference, image.manifest, content)
        self.store.remember(f"pushed {self.repository(image)}", image.manifest.digest)

    def pushed(self, image: BuiltImage, tags: Sequence[str]) -> PushedImage:
        uploaded = sum(self.sent.get(image.name, ()))
        return PushedImage(
            name=image.name,
            reference=f"{self.repository(image)}:{tags[0]}" if tags else self.by_digest(image),
            digest=image.manifest.digest,
            uploaded_bytes=uploaded,
            reused_bytes=sum(blob.size_bytes for blob, _ in _blobs(image)) - uploaded,
        )


class _Sending:
    """A file on its way. Tells how many bytes were read that were not before: what is sent again counts once."""

    def __init__(self, content: BinaryIO, told: Callable[[int], None]) -> None:
        self._content = content
        self._told = told
        self._furthest = 0
        self.seek, self.tell = content.seek, content.tell

    def read(self, size: int = -1) -> bytes:
        """As a file does."""
        data = self._content.read(size)
        position = self._content.tell()
        if position > self._furthest:
            self._told(position - self._furthest)
            self._furthest = position
        return data


T = TypeVar("T")
R = TypeVar("R")
Home = tuple[BuiltImage, Blob, str]


def _blobs(image: BuiltImage) -> Iterator[tuple[Blob, str]]:
    """The blobs of an image, each once, and where else it can be had."""
    seen: set[str] = set()
    for place, blob in enumerate((*image.layers, image.config)):
        if blob.digest not in seen:
            seen.add(blob.digest)
            yield blob, image.base_reference if place < image.base_layers else image.layers_repository


def _documents(attachments: Sequence[Attachment]) -> list[Blob]:
    """The blobs of documents, each once."""
    return list({blob.digest: blob for one in attachments for blob in one.blobs}.values())


def _first_homes(images: Sequence[BuiltImage]) -> list[Home]:
    """Every blob with the first image that holds it, the largest first."""
    homes: dict[str, Home] = {}
    for image in images:
        for blob, source in _blobs(image):
            homes.setdefault(blob.digest, (image, blob, source))
    return sorted(homes.values(), key=lambda home: (-home[1].size_bytes, home[1].digest))


def _other_homes(images: Sequence[BuiltImage]) -> list[Home]:
    """Every blob with every further image that holds it."""
    first = {(image.name, blob.digest) for image, blob, _ in _first_homes(images)}
    return [
        (image, blob, source)
        for image in images
        for blob, source in _blobs(image)
        if (image.name, blob.digest) not in first
    ]


def _gather(pool: ThreadPoolExecutor, items: Iterable[T], do: Callable[[T], R]) -> list[R]:
    """Do something with every item in parallel. Raises the first error that there is."""
    return _ended(_begun(pool, items, do))


def _begun(pool: ThreadPoolExecutor, items: Iterable[T], do: Callable[[T], R]) -> list[Future[R]]:
    return [pool.submit(do, item) for item in items]


def _ended_all(futures: Iterable[Future[Any]]) -> None:
    """Wait for work, and for the work that it has begun, which is what it returns. Raises the first error there is."""
    left = set(futures)
    while left:
        done, left = wait(left, return_when=FIRST_COMPLETED)
        for one in done:
            left |= set(one.result() or ())


def _ended(futures: Sequence[Future[R]]) -> list[R]:
    for future in as_completed(futures):
        future.result()
    return [future.result() for future in futures]
