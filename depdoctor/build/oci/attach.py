"""Documents about an image as artifacts beside it (OCI image specification 1.1, "Guidelines for Artifact Usage")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from depdoctor.build.oci.archive import Archive
from depdoctor.build.oci.image import MANIFEST_TYPE, descriptor, document_blob
from depdoctor.errors import UnsafeWheelError
from depdoctor.model.distribution import DistributionFile
from depdoctor.model.image import Attachment, Blob
from depdoctor.model.seams import Fetcher, Progress, Store

EMPTY_TYPE = "application/vnd.oci.empty.v1+json"


def attachment(document: Mapping[str, Any], media_type: str, subject: Blob, store: Store) -> Attachment:
    """Keep a document about a manifest in the store, with the manifest that refers to both."""
    content, text = document_blob(document, media_type)
    config, empty = document_blob({}, EMPTY_TYPE)
    manifest, referring = document_blob(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "artifactType": media_type,
            "config": descriptor(config),
            "layers": [descriptor(content)],
            "subject": descriptor(subject),
        },
        MANIFEST_TYPE,
    )
    for blob, data in ((content, text), (config, empty), (manifest, referring)):
        store.add(blob.digest, [data])
    return Attachment(artifact_type=media_type, manifest=manifest, blobs=(config, content))


def metadata_of_files(
    files: Sequence[DistributionFile], store: Store, fetcher: Fetcher, progress: Progress
) -> dict[str, str]:
    """The METADATA of each wheel by SHA-256: noted, or else read from the wheel. Raises `FetchError`."""
    known = {file.sha256: store.recall(f"metadata {file.sha256}") for file in files}
    missing = [file for file in files if known[file.sha256] is None and file.is_wheel]
    paths = fetcher.fetch(missing, progress) if missing else {}
    for file in missing:
        text = metadata_of_file(file, paths[file.sha256])
        store.remember(f"metadata {file.sha256}", text)
        known[file.sha256] = text
    return {sha256: text for sha256, text in known.items() if text is not None}


def metadata_of_file(file: DistributionFile, path: Path) -> str:
    """The METADATA of a wheel on disk. Raises `UnsafeWheelError`."""
    with path.open("rb") as wheel:
        return _metadata(Archive(wheel.fileno(), file.filename), file)


def _metadata(archive: Archive, file: DistributionFile) -> str:
    from depdoctor.build.oci.wheel import inflated

    for entry in archive.entries:
        folder, _, name = entry.name.partition("/")
        if name == "METADATA" and folder.endswith(".dist-info"):
            return inflated(archive, entry)[1].decode("utf-8", "replace")
    raise UnsafeWheelError("the wheel has no METADATA", where=file.filename)
