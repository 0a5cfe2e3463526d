"""What goes into a registry beside an image: its bill of materials, and its provenance."""

from __future__ import annotations

from depdoctor import planfile, sbom
from depdoctor.build.oci.attach import attachment, metadata_of
from depdoctor.model.image import Attachment, BuiltImage
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
