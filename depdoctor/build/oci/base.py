"""The base of an image: its manifest and configuration, and where its Python is. Nothing of it is unpacked here."""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, Any, cast

from depdoctor.build.oci.stream import CHUNK_BYTES, LAYER_TYPE
from depdoctor.errors import BuildError
from depdoctor.model.image import Blob
from depdoctor.model.plan import SCRATCH, Base
from depdoctor.model.seams import Registry, Store
from depdoctor.model.target import Environment

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64", "amd64": "amd64"}
"""The names that OCI has (those of Go) for the machines that wheels are tagged with."""

OFFICIAL_FOLDER = "usr/local/bin"
"""Where the official Python images keep their interpreter; they say its version in PYTHON_VERSION."""

_FOLDERS = (OFFICIAL_FOLDER, "usr/bin", "opt/conda/bin")
_PYTHON = re.compile(rf"(?:\./)?(?P<folder>{'|'.join(_FOLDERS)})/(?P<whiteout>\.wh\.)?python(?P<version>3\.\d+)")
_LAYER_TYPES = {
    "application/vnd.docker.image.rootfs.diff.tar.gzip": LAYER_TYPE,
    "application/vnd.docker.image.rootfs.diff.tar": "application/vnd.oci.image.layer.v1.tar",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseImage:
    """A base that was looked at. `interpreter` is its Python's path; `repository` is where its blobs can be had."""

    architecture: str
    interpreter: str
    layers: tuple[Blob, ...] = ()
    config: Mapping[str, Any]
    repository: str = ""


def look_at(base: Base, environment: Environment, registry: Registry, store: Store) -> BaseImage:
    """Read a base for one environment. Raises `BuildError` if it has no such Python, `RegistryError`."""
    architecture = ARCHITECTURES.get(environment.platform.machine, environment.platform.machine)
    if base.reference == SCRATCH:
        interpreter = f"/{OFFICIAL_FOLDER}/python{environment.python}"
        return BaseImage(architecture=architecture, interpreter=interpreter, config={})
    manifest = _manifest(base.pinned, architecture, registry, store)
    repository = base.pinned.partition("@")[0]
    config = json.loads(_blob(manifest["config"]["digest"], repository, registry, store))
    if config.get("architecture") != architecture:
        raise BuildError(
            f"the base is for {config.get('architecture')}, and the image must be for {architecture}",
            where=base.reference,
            hint="Choose a base that offers this architecture",
        )
    diff_ids = config["rootfs"]["diff_ids"]
    layers = tuple(
        Blob(
            digest=layer["digest"],
            size_bytes=layer["size"],
            media_type=_LAYER_TYPES.get(layer["mediaType"], layer["mediaType"]),
            diff_id=diff_id,
        )
        for layer, diff_id in zip(manifest["layers"], diff_ids, strict=True)
    )
    found = BaseImage(architecture=architecture, interpreter="", layers=layers, config=config, repository=repository)
    interpreter = _interpreter(found, base, environment.python, registry, store)
    return BaseImage(
        architecture=architecture, interpreter=interpreter, layers=layers, config=config, repository=repository
    )


def is_stored(base: Base, environment: Environment, store: Store) -> bool:
    """Whether a pinned base lies in the store whole, so that nothing of it has to be fetched for one environment."""
    architecture = ARCHITECTURES.get(environment.platform.machine, environment.platform.machine)
    digest = base.digest
    while digest and store.has(digest):
        document = json.loads(store.path(digest).read_bytes())
        if "manifests" not in document:
            return all(store.has(blob["digest"]) for blob in (document["config"], *document["layers"]))
        digest = next((entry["digest"] for entry in document["manifests"] if _is_for(entry, architecture)), "")
    return False


def _is_for(entry: Mapping[str, Any], architecture: str) -> bool:
    platform = entry.get("platform", {})
    return bool(platform.get("os") == "linux" and platform.get("architecture") == architecture)


def _manifest(reference: str, architecture: str, registry: Registry, store: Store) -> dict[str, Any]:
    """The manifest of an image, out of an index if there is one. What is named by digest is kept in the store."""
    repository, _, digest = reference.partition("@")
    if digest and store.has(digest):
        content = store.path(digest).read_bytes()
    else:
        blob, content = registry.manifest(reference)
        store.add(blob.digest, [content])
    document: dict[str, Any] = json.loads(content)
    if "manifests" not in document:
        return document
    for entry in document["manifests"]:
        if _is_for(entry, architecture):
            return _manifest(f"{repository}@{entry['digest']}", architecture, registry, store)
    raise BuildError(
        f"the base offers nothing for linux/{architecture}", where=reference, hint="Choose a base that does"
    )


def _blob(digest: str, repository: str, registry: Registry, store: Store) -> bytes:
    return store.add(digest, registry.blob(repository, digest)).read_bytes()


def _interpreter(base: BaseImage, configured: Base, python: str, registry: Registry, store: Store) -> str:
    """Where the base's interpreter is, said by its configuration or found among the names of its files."""
    variables = dict(line.partition("=")[::2] for line in (base.config.get("config") or {}).get("Env") or ())
    official = variables.get("PYTHON_VERSION", "")
    if official.startswith(f"{python}."):
        return f"/{OFFICIAL_FOLDER}/python{python}"
    pythons: dict[str, str] = {}
    for layer in base.layers:
        for folder, version in _pythons(layer, base.repository, registry, store):
            pythons[f"/{folder}/python{version.removeprefix('-')}"] = version
    present = {path: version for path, version in pythons.items() if not version.startswith("-")}
    fitting = [path for path, version in present.items() if version == python]
    if not fitting:
        others = ", ".join(sorted(present)) or "none"
        raise BuildError(
            f"the base has no Python {python} (it has {others})",
            where=configured.reference,
            hint=f"Choose a base with Python {python}, or set `python` to what the base has",
        )
    return min(fitting, key=lambda path: _FOLDERS.index(path[1:].rpartition("/")[0]))


def _pythons(layer: Blob, repository: str, registry: Registry, store: Store) -> list[tuple[str, str]]:
    """The interpreters that a layer adds, by folder and minor version ("-3.11" if it takes it away); noted for ever."""
    key = f"pythons 1 {layer.digest}"
    if note := store.recall(key):
        return [(folder, version) for folder, version in json.loads(note)]
    if layer.media_type.endswith("+zstd"):
        raise BuildError("the base has layers of zstd, which cannot be looked into", where=repository)
    from isal import igzip

    found: list[tuple[str, str]] = []
    content = _Reader(registry.blob(repository, layer.digest))
    with ExitStack() as stack:
        stream: IO[bytes] = stack.enter_context(io.BufferedReader(content, CHUNK_BYTES))
        if layer.media_type.endswith("gzip"):
            unpacked = igzip.open(stream, "rb")  # type: ignore[no-untyped-call]
            stream = stack.enter_context(cast("IO[bytes]", unpacked))
        archive = stack.enter_context(tarfile.open(fileobj=stream, mode="r|"))
        for member in archive:
            match = _PYTHON.fullmatch(member.name)
            if match:
                found.append((match["folder"], f"{'-' if match['whiteout'] else ''}{match['version']}"))
        for _ in content.chunks:  # to its end, where its digest is checked
            pass
    store.remember(key, json.dumps(found))
    return found


class _Reader(io.RawIOBase):
    """Chunks as a file that can be read once."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        super().__init__()
        self.chunks = chunks
        self._rest = b""

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer as far as one chunk does; 0 at the end."""
        if not self._rest:
            self._rest = next(self.chunks, b"")
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size
