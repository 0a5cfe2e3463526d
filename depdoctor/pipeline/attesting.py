"""What goes into a registry beside an image: its bill of materials, and its provenance."""

from __future__ import annotations

from depdoctor import planfile, sbom
from depdoctor.adapters.index import RemoteWheels
from depdoctor.build.oci.attach import attachment, metadata_of
from depdoctor.model.image import Attachment, Blob, BuiltImage
from depdoctor.model.plan import Image, Plan
from depdoctor.model.seams import Fetcher, Progress, Store


def attest(
    standing: Plan,
    image: Image,
    built: BuiltImage,
    repository: str,
    store: Store,
    fetcher: Fetcher,
    progress: Progress,
) -> tuple[Attachment, ...]:
    """The documents about an image that was built from a plan. Raises `FetchError` if a wheel must be read and is gone.

    `repository` is where the image goes.
    """
    metadata = metadata_of(standing, image, store, fetcher, progress)
    statement = sbom.provenance(standing, image, built.manifest.digest, repository, planfile.digest(standing))
    return (
        attachment(sbom.bill(standing, image, metadata), sbom.CYCLONEDX_TYPE, built.manifest, store),
        attachment(statement, sbom.IN_TOTO_TYPE, built.manifest, store),
    )


def attest_built(
    standing: Plan, image: Image, pushed: Blob, repository: str, store: Store, wheels: RemoteWheels, builder: str
) -> tuple[Attachment, ...]:
    """The documents about an image that an engine or a builder made. Wheels are not fetched for it.

    What a wheel says of itself is read where it lies; of one that tells nothing, the bill has name, version and hash.
    """
    files = [pin.file for pin in standing.pins(image) if pin.file]
    noted = {file.sha256: store.recall(f"metadata {file.sha256}") for file in files}
    metadata = {sha256: text for sha256, text in noted.items() if text is not None}
    found = wheels.metadata(file for file in files if file.sha256 not in metadata)
    for sha256, text in found.items():
        store.remember(f"metadata {sha256}", text)
    statement = sbom.provenance(standing, image, pushed.digest, repository, planfile.digest(standing), builder)
    return (
        attachment(sbom.bill(standing, image, {**metadata, **found}), sbom.CYCLONEDX_TYPE, pushed, store),
        attachment(statement, sbom.IN_TOTO_TYPE, pushed, store),
    )
