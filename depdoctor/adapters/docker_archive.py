"""An OCI image layout as the tar stream that `docker load` takes, with both image stores of the engine in mind."""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from depdoctor.errors import EngineError

CHUNK_BYTES = 1 << 20

_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")


def archive(layout: Path, reference: str, held: Collection[tuple[str, ...]] = ()) -> Iterator[bytes]:
    """The chunks of a tar with `index.json` (OCI image layout specification) and `manifest.json` (Docker's own).

    `held` are stacks of diff_ids, from the bottom, that the engine has: their blobs may be left out, and are. Raises
    `EngineError` where the layout is not one image, or lacks a blob that the engine needs.
    """
    descriptor = _only_manifest(layout)
    manifest = _json(layout, _blob(descriptor["digest"]))
    config = _json(layout, _blob(manifest["config"]["digest"]))
    name = full_name(reference)
    named = descriptor | {
        "annotations": {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name.rpartition(":")[2]}
    }
    layers = [_blob(layer["digest"]) for layer in manifest["layers"]]
    classic = [{"Config": _blob(manifest["config"]["digest"]), "RepoTags": [name], "Layers": layers}]
    yield from _bytes("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
    yield from _bytes("index.json", json.dumps({"schemaVersion": 2, "manifests": [named]}).encode())
    yield from _bytes("manifest.json", json.dumps(classic).encode())
    diff_ids = tuple(config["rootfs"]["diff_ids"])
    wanted = [layer for height, layer in enumerate(layers, 1) if diff_ids[:height] not in held]
    for path in dict.fromkeys((_blob(descriptor["digest"]), _blob(manifest["config"]["digest"]), *wanted)):
        yield from _file(layout, path)
    yield bytes(2 * tarfile.BLOCKSIZE)


def full_name(reference: str) -> str:
    """A reference with the registry, namespace and tag that the engine reads into it where they are left out."""
    host, slash, _ = reference.partition("/")
    if not slash:
        reference = f"docker.io/library/{reference}"
    elif "." not in host and ":" not in host and host != "localhost":
        reference = f"docker.io/{reference}"
    return reference if ":" in reference.rpartition("/")[2] else f"{reference}:latest"


def _only_manifest(layout: Path) -> dict[str, Any]:
    manifests = _json(layout, "index.json").get("manifests", [])
    if len(manifests) != 1:
        raise EngineError(f"{layout} holds {len(manifests)} images where one is expected", where=str(layout))
    manifest: dict[str, Any] = manifests[0]
    return manifest


def _blob(digest: str) -> str:
    if match := _DIGEST.fullmatch(digest):
        return f"blobs/sha256/{match[1]}"
    raise EngineError(f"`{digest}` is not a SHA-256 digest")


def _json(layout: Path, path: str) -> dict[str, Any]:
    try:
        value: dict[str, Any] = json.loads((layout / path).read_bytes())
    except (OSError, ValueError) as error:
        raise EngineError(f"not an OCI image layout: {error}", where=str(layout / path)) from None
    return value


def _header(path: str, size: int) -> bytes:
    info = tarfile.TarInfo(path)
    info.size = size
    info.mode = 0o644
    return info.tobuf(tarfile.USTAR_FORMAT)


def _bytes(path: str, content: bytes) -> Iterator[bytes]:
    yield _header(path, len(content))
    yield content + bytes(-len(content) % tarfile.BLOCKSIZE)


def _file(layout: Path, path: str) -> Iterator[bytes]:
    try:
        with (layout / path).open("rb") as file:
            size = (layout / path).stat().st_size
            yield _header(path, size)
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
            yield bytes(-size % tarfile.BLOCKSIZE)
    except FileNotFoundError:
        raise EngineError(
            f"{layout} lacks the blob {path}, and the engine does not hold that layer",
            where=str(layout),
            hint="a layout without its base loads once the engine has pulled the base; a push needs neither",
        ) from None
