"""The base of an image: its manifest and configuration, and where its Python is. Nothing of it is unpacked here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from depdoctor.build.oci.looking import members_of, nonsense
from depdoctor.build.oci.stream import LAYER_TYPE
from depdoctor.errors import AbsentError, BuildError
from depdoctor.model.image import Blob
from depdoctor.model.noun import dataclass
from depdoctor.model.plan import SCRATCH, Base
from depdoctor.model.seams import Registry, Store
from depdoctor.model.target import Environment

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64", "amd64": "amd64"}
"""The names that OCI has (those of Go) for the machines that wheels are tagged with."""

OFFICIAL_FOLDER = "usr/local/bin"
"""Where the official Python images keep their interpreter; they say its version in PYTHON_VERSION."""

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
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
    """Read a base for one environment. Raises `BuildError` if it is gone or has no such Python, `RegistryError`."""
    with told_if_gone(base):
        return _looked_at(base, environment, registry, store)


@contextmanager
def told_if_gone(base: Base) -> Iterator[None]:
    """Raise `BuildError`, which says what to do, where a registry does not have a pinned base, or says so."""
    try:
        yield
    except AbsentError as error:
        if not base.digest:
            raise
        renewed = f"`depdoctor plan --relock` takes what {base.reference} stands for now"
        another = "name another `base` under [image], and plan again"
        raise BuildError(
            "the registry does not have, or does not show, the base that was planned",
            where=base.pinned,
            hint=f"Check your `docker login`; if it was deleted, {another if '@' in base.reference else renewed}",
        ) from error


def _looked_at(base: Base, environment: Environment, registry: Registry, store: Store) -> BaseImage:
    architecture = ARCHITECTURES.get(environment.platform.machine, environment.platform.machine)
    if base.reference == SCRATCH:
        interpreter = f"/{OFFICIAL_FOLDER}/python{environment.python}"
        return BaseImage(architecture=architecture, interpreter=interpreter, config={})
    manifest = _manifest(base.pinned, architecture, registry, store)
    repository = base.pinned.partition("@")[0]
    with _making_sense(f"the manifest of {base.reference}", repository):
        config_digest = _described(manifest["config"]).digest
        described = [_described(layer) for layer in manifest["layers"]]
    config = _document(_blob(config_digest, repository, registry, store), base.reference, repository)
    if config.get("architecture") != architecture:
        raise BuildError(
            f"the base is for {config.get('architecture')}, and the image must be for {architecture}",
            where=base.reference,
            hint="Choose a base that offers this architecture",
        )
    with _making_sense(f"the configuration of {base.reference}", repository):
        diff_ids = [_digest(diff_id) for diff_id in config["rootfs"]["diff_ids"]]
        layers = tuple(replace(layer, diff_id=diff_id) for layer, diff_id in zip(described, diff_ids, strict=True))
        _check_config(config)
    found = BaseImage(architecture=architecture, interpreter="", layers=layers, config=config, repository=repository)
    return replace(found, interpreter=_interpreter(found, base, environment.python, registry, store))


def is_stored(base: Base, environment: Environment, store: Store) -> bool:
    """Whether a pinned base lies in the store whole, so that nothing of it has to be fetched for one environment."""
    architecture = ARCHITECTURES.get(environment.platform.machine, environment.platform.machine)
    digest = base.digest
    with _making_sense(f"the manifest of {base.reference}", base.pinned):
        while digest and store.has(digest):
            document = _document(store.path(digest).read_bytes(), base.reference, base.pinned)
            if "manifests" not in document:
                return all(store.has(_described(blob).digest) for blob in (document["config"], *document["layers"]))
            digest = _chosen(document["manifests"], architecture)
    return False


def _manifest(reference: str, architecture: str, registry: Registry, store: Store) -> dict[str, Any]:
    """The manifest of an image, out of an index if there is one. What is named by digest is kept in the store."""
    repository, _, digest = reference.partition("@")
    if digest and store.has(digest):
        content = store.path(digest).read_bytes()
    else:
        blob, content = registry.manifest(reference)
        store.add(blob.digest, [content])
    document = _document(content, reference, repository)
    if "manifests" not in document:
        return document
    with _making_sense(f"the index {reference}", repository):
        chosen = _chosen(document["manifests"], architecture)
    if chosen:
        return _manifest(f"{repository}@{chosen}", architecture, registry, store)
    raise BuildError(
        f"the base offers nothing for linux/{architecture}", where=reference, hint="Choose a base that does"
    )


def _chosen(entries: Sequence[Mapping[str, Any]], architecture: str) -> str:
    """The digest of the entry of an index for Linux on an architecture, "" if there is none."""
    for entry in entries:
        platform = entry.get("platform") or {}
        if platform.get("os") == "linux" and platform.get("architecture") == architecture:
            return _digest(entry["digest"])
    return ""


def _document(content: bytes, reference: str, where: str) -> dict[str, Any]:
    """What a registry says about an image, if it is an object at all."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise nonsense(reference, where)
    return document


@contextmanager
def _making_sense(of: str, where: str) -> Iterator[None]:
    """Read a document that may be of any shape."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise nonsense(of, where) from error


def _described(descriptor: Mapping[str, Any]) -> Blob:
    """A descriptor (image specification 1.1) as a blob."""
    size, media_type = descriptor["size"], descriptor["mediaType"]
    if type(size) is not int or size < 0 or not isinstance(media_type, str):
        raise ValueError(size, media_type)
    media_type = _LAYER_TYPES.get(media_type, media_type)
    return Blob(digest=_digest(descriptor["digest"]), size_bytes=size, media_type=media_type)


def _digest(text: Any) -> str:
    if not isinstance(text, str) or not DIGEST.fullmatch(text):
        raise ValueError(text)
    return text


def _check_config(config: Mapping[str, Any]) -> None:
    """Raise `TypeError` unless what an image inherits from a base is of the types that it should have."""
    running, history = config.get("config") or {}, config.get("history") or []
    texts = [*(running.get("Env") or ()), *(running.get("Cmd") or ()), *(running.get("Labels") or {}).values()]
    if not all(isinstance(text, str) for text in texts) or not all(isinstance(step, dict) for step in history):
        raise TypeError(texts)
    if not isinstance(running.get("ExposedPorts") or {}, dict):
        raise TypeError(running)


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
    found: list[tuple[str, str]] = []
    with members_of(layer, repository, registry) as members:
        for member, _ in members:
            match = _PYTHON.fullmatch(member.name)
            if match:
                found.append((match["folder"], f"{'-' if match['whiteout'] else ''}{match['version']}"))
    store.remember(key, json.dumps(found))
    return found
