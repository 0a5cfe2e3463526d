"""Layers made on other machines: whoever makes one pushes it, and only a digest comes back.

They share a repository. A layer stands there under its key as a tag, with a document of what it owns and of what its
wheels say of themselves; so no wheel has to come to the machine that asked, and a layer that any machine made before is
not made again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence

from depdoctor.build.oci.attach import metadata_of_files
from depdoctor.build.oci.image import MANIFEST_TYPE, descriptor, document_blob
from depdoctor.build.oci.layer import WheelFile
from depdoctor.build.oci.making import Job, make
from depdoctor.build.oci.owners import note, owned_by, recalled
from depdoctor.errors import RegistryError
from depdoctor.model.distribution import DistributionFile
from depdoctor.model.image import Blob
from depdoctor.model.noun import dataclass
from depdoctor.model.packing import Compression
from depdoctor.model.seams import Fetcher, NoProgress, Registry, Store

REPOSITORY = "depdoctor_layers"
"""What the shared repository is called below a prefix; no image can be, since names of images hold no underscore."""

LAYER_TYPE = "application/vnd.depdoctor.layer.v1+json"
DIFF_ID = "vnd.depdoctor.layer.diff-id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A layer that is to be made, or the part of one, for whoever can reach its wheels and the repository."""

    key: str
    title: str
    python: str
    files: tuple[DistributionFile, ...]
    part: tuple[int, int]
    repository: str
    compression: Compression = Compression.COPY

    @property
    def reference(self) -> str:
        """Where the layer stands when it is made."""
        return f"{self.repository}:{self.key.replace(' ', '-')}"


Spread = Callable[[Sequence[Order]], Iterator[tuple[Order, str]]]
"""Has orders carried out, and tells of each the digest of what then stands in the repository."""


def carried(file: DistributionFile) -> bool:
    """Whether other machines can fetch a file."""
    return file.url.startswith(("http://", "https://"))


def forge(order: Order, store: Store, fetcher: Fetcher, registry: Registry) -> str:
    """Make a layer and push it, unless it stands there already; the digest of the manifest that tells of it.

    Raises `FetchError`, `BuildError` and `RegistryError`.
    """
    if standing := registry.digest(order.reference):
        return standing
    paths = fetcher.fetch(order.files, NoProgress())
    stated = metadata_of_files(order.files, store, fetcher, NoProgress())
    blob = recalled(store, order.key) or make(
        Job(
            key=order.key,
            title=order.title,
            python=order.python,
            wheels=tuple(
                WheelFile(path=paths[file.sha256], filename=file.filename, sha256=file.sha256) for file in order.files
            ),
            size_bytes=0,
            store=store,
            part=order.part,
            compression=order.compression,
        )
    )
    about, text = document_blob({"owned": owned_by(store, order.key), "metadata": stated}, LAYER_TYPE)
    store.add(about.digest, [text])
    for one in (blob, about):
        if not registry.has_blob(order.repository, one.digest):
            with store.path(one.digest).open("rb") as content:
                registry.upload(order.repository, one, content)
    manifest, content_of_manifest = document_blob(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "artifactType": LAYER_TYPE,
            "config": descriptor(about),
            "layers": [descriptor(blob)],
            "annotations": {DIFF_ID: blob.diff_id},
        },
        MANIFEST_TYPE,
    )
    return registry.put_manifest(order.reference, manifest, content_of_manifest)


def take(order: Order, digest: str, store: Store, registry: Registry) -> Blob:
    """Note a layer that stands in the repository as if it had been made here. Raises `RegistryError`."""
    reference = f"{order.repository}@{digest}"
    try:
        manifest = json.loads(registry.manifest(reference)[1])
        [layer] = manifest["layers"]
        about = json.loads(b"".join(registry.blob(order.repository, manifest["config"]["digest"])))
        blob = Blob(
            digest=str(layer["digest"]),
            size_bytes=int(layer["size"]),
            media_type=str(layer["mediaType"]),
            diff_id=str(manifest["annotations"][DIFF_ID]),
        )
        for sha256, text in about["metadata"].items():
            store.remember(f"metadata {sha256}", text)
        note(store, order.key, blob, about["owned"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RegistryError(
            "what stands there is no layer of depdoctor's", where=reference, hint="remove it, and build again"
        ) from error
    return blob
