"""What goes into a registry beside an image: its bill of materials, and its provenance."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from depdoctor import __version__, planfile, sbom
from depdoctor.build.oci.attach import attachment, metadata_of
from depdoctor.model.image import Attachment, Blob, BuiltImage
from depdoctor.model.label import section_digest
from depdoctor.model.plan import Image, Plan
from depdoctor.model.seams import Fetcher, Progress, Store

if TYPE_CHECKING:
    from depdoctor.adapters.index import RemoteWheels


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
    statement = sbom.provenance(standing, image, built.manifest.digest, repository, planfile.digest(standing))
    return (
        attachment(_bill(standing, image, store, fetcher, progress), sbom.CYCLONEDX_TYPE, built.manifest, store),
        attachment(statement, sbom.IN_TOTO_TYPE, built.manifest, store),
    )


def _bill(standing: Plan, image: Image, store: Store, fetcher: Fetcher, progress: Progress) -> dict[str, Any]:
    """The bill of an image: noted, or else made. It stays the same while only the project's code changes."""
    named = " ".join((section_digest(standing, image), *(sbom.purl(pin) for pin in standing.pins(image))))
    key = f"bill {__version__} {hashlib.sha256(named.encode()).hexdigest()}"
    noted = store.recall(key)
    if noted is None:
        noted = json.dumps(sbom.bill(standing, image, metadata_of(standing, image, store, fetcher, progress)))
        store.remember(key, noted)
    made: dict[str, Any] = json.loads(noted)
    return made


def attest_built(
    standing: Plan, image: Image, pushed: Blob, repository: str, store: Store, wheels: RemoteWheels, builder: str
) -> tuple[Attachment, ...]:
    """The documents about an image that an engine or a builder made. Wheels are not fetched for it.

    What a wheel says of itself is read where it lies; of one that tells nothing, the bill has name, version and hash.
    """
    statement = sbom.provenance(standing, image, pushed.digest, repository, planfile.digest(standing), builder)
    return (
        attachment(_bill_of_what_lies_there(standing, image, store, wheels), sbom.CYCLONEDX_TYPE, pushed, store),
        attachment(statement, sbom.IN_TOTO_TYPE, pushed, store),
    )


def bills(standing: Plan, store: Store, wheels: RemoteWheels) -> dict[str, str]:
    """The bill of each image as a file, by path: what a registry has beside the image. Fetches no wheel."""
    made = {image.name: _bill_of_what_lies_there(standing, image, store, wheels) for image in standing.images}
    return {
        f"sbom/{name}.cdx.json": f"{json.dumps(bill, indent=1, ensure_ascii=False)}\n" for name, bill in made.items()
    }


def _bill_of_what_lies_there(standing: Plan, image: Image, store: Store, wheels: RemoteWheels) -> dict[str, Any]:
    """The bill of an image by what its wheels say of themselves: noted, or else read where they lie."""
    files = [pin.file for pin in standing.pins(image) if pin.file]
    noted = {file.sha256: store.recall(f"metadata {file.sha256}") for file in files}
    metadata = {sha256: text for sha256, text in noted.items() if text is not None}
    found = wheels.metadata(file for file in files if file.sha256 not in metadata)
    for sha256, text in found.items():
        store.remember(f"metadata {sha256}", text)
    return sbom.bill(standing, image, {**metadata, **found})
