"""The seams to the outside world. Adapters match them by shape and import nothing of the stages."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from depdoctor.model.distribution import DistributionFile, Pin, WheelFacts
    from depdoctor.model.image import Attachment, Blob, BuiltImage, Bundle, Inspection
    from depdoctor.model.lock import Answer, Question, Unknown
    from depdoctor.model.plan import Image, Plan
    from depdoctor.model.target import Environment


class Progress(Protocol):
    """Told what long work is doing. `NoProgress` is silent; only the command line shows anything."""

    def start(self, task: str, total: int | None = None, unit: str = "") -> None:
        """A task begins; `total` counts `unit`s ("B" for bytes), None where it is not known."""

    def advance(self, task: str, amount: int = 1) -> None:
        """Some of a task is done."""

    def finish(self, task: str) -> None:
        """A task is over."""

    def say(self, text: str) -> None:
        """Something worth a line happened."""


class NoProgress:
    """A silent delegate."""

    def start(self, task: str, total: int | None = None, unit: str = "") -> None:
        """Say nothing."""

    def advance(self, task: str, amount: int = 1) -> None:
        """Say nothing."""

    def finish(self, task: str) -> None:
        """Say nothing."""

    def say(self, text: str) -> None:
        """Say nothing."""


class Resolver(Protocol):
    """Finds versions that satisfy requirements. About 60 ms a warm question; thread-safe."""

    def resolve(self, question: Question) -> Answer:
        """Every package with its file, proof that there is none, or why it is not known. Never raises for an answer."""


class Oracle(Protocol):
    """Says whether requirements can stand together. Memoised and monotone; far cheaper than a resolver on repeats."""

    def ask(self, question: Question) -> Answer:
        """As `Resolver.resolve`, but the pins may lack their files, and be those of a larger question asked before."""

    def resolve(self, question: Question) -> Answer:
        """The answer to this very question, remembered."""


class WheelIndex(Protocol):
    """Reads what the directory of a remote wheel tells; a range request or two each, cached for ever by hash."""

    def facts(self, files: Iterable[DistributionFile]) -> Mapping[str, WheelFacts | Unknown]:
        """The facts of each wheel by its SHA-256."""


class Store(Protocol):
    """Content-addressed blobs in the user's cache folder; safe under parallel use, never half-written."""

    def path(self, digest: str) -> Path:
        """Where the blob with this digest lies, or would lie."""

    def has(self, digest: str) -> bool:
        """Whether the blob is there."""

    def add(self, digest: str, chunks: Iterable[bytes]) -> Path:
        """Store a blob while checking it. Raises `StoreError` if the bytes are not those of the digest."""

    def draft(self) -> AbstractContextManager[BinaryIO]:
        """A temporary file for a blob whose digest is not known yet; gone afterwards unless it is kept."""

    def keep(self, draft: BinaryIO, digest: str) -> Path:
        """Give a draft its name; the caller has computed the digest. Raises `StoreError`."""

    def recall(self, key: str) -> str | None:
        """The note under a key, None if there is none. Notes may be lost: they only save time."""

    def remember(self, key: str, text: str) -> None:
        """Write a note."""


class Fetcher(Protocol):
    """Brings distribution files into the store, in parallel, checked by hash; what is there already costs nothing."""

    def fetch(self, files: Iterable[DistributionFile], progress: Progress) -> Mapping[str, Path]:
        """The path of each file by its SHA-256. Raises `FetchError`, naming the file."""


class Compiler(Protocol):
    """Makes byte-code for one Python minor version. Nothing of what is compiled is run."""

    def compile(self, sources: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
        """The file of byte-code for each path (as tracebacks show it) and source; b"" for what does not compile."""


class WheelMaker(Protocol):
    """Builds source distributions and commits of repositories to wheels, once."""

    def wheel(self, pin: Pin, sdist: Path | None, environment: Environment, progress: Progress) -> DistributionFile:
        """The wheel of a pin's source distribution for an environment, which then lies in the store. `BuildError`.

        Without a path the pin's file is a commit of a repository.
        """


class Registry(Protocol):
    """An OCI registry (distribution specification 1.1)."""

    def manifest(self, reference: str) -> tuple[Blob, bytes]:
        """The manifest or index at a reference. Raises `RegistryError`."""

    def digest(self, reference: str) -> str:
        """The digest of the manifest at a reference, "" if there is none. Raises `RegistryError`."""

    def blob(self, repository: str, digest: str) -> Iterator[bytes]:
        """The bytes of a blob in chunks, checked against the digest. Raises `RegistryError`."""

    def has_blob(self, repository: str, digest: str) -> bool:
        """Whether a repository holds a blob."""

    def mount(self, repository: str, digest: str, source: str) -> bool:
        """Mount a blob from another repository of the same registry; False if the registry would not."""

    def upload(self, repository: str, blob: Blob, content: BinaryIO) -> None:
        """Send a blob. Raises `RegistryError`."""

    def put_manifest(self, reference: str, manifest: Blob, content: bytes) -> str:
        """Put a manifest under a tag or digest and return its digest. Raises `RegistryError`."""

    def attach(self, repository: str, subject: Blob, attachments: Sequence[tuple[Attachment, bytes]]) -> None:
        """Put the manifests of documents about another manifest, so that they are found from that one."""

    def stop(self) -> None:
        """Break off what other threads wait for, read or send, for one that has given up."""


class Builder(Protocol):
    """Makes images of a plan."""

    name: str

    def build(self, plan: Plan, images: Sequence[Image], progress: Progress) -> tuple[BuiltImage, ...]:
        """Build these images of the plan. Raises `BuildError`, naming the image."""


class Engine(Protocol):
    """A container engine on this machine."""

    def build(
        self, bundle: Bundle, context: Path, targets: Sequence[str], progress: Progress | None = None
    ) -> Mapping[str, str]:
        """Build targets of a bundle's bake file; the image reference of each. Raises `BuildError`."""

    def load(self, layout: Path, reference: str) -> None:
        """Load an OCI image layout. Raises `EngineError`."""

    def describe(self, reference: str, name: str) -> BuiltImage:
        """An image of the engine as a built one of this name. Raises `EngineError`."""

    def inspect(self, reference: str, imports: Sequence[str]) -> Inspection:
        """Run an image without network and list what is installed and what cannot be imported. Raises `EngineError`."""

    def push(self, reference: str) -> str:
        """Push an image and return its digest. Raises `EngineError`."""
