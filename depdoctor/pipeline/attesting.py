"""What goes into a registry beside an image: its bill of materials, and its provenance."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from depdoctor import __version__, planfile, sbom
from depdoctor.build.oci.attach import attachment, metadata_of_files
from depdoctor.model.distribution import DistributionFile
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
    """The bill of an image: noted, or else made. It stays the same while only the project's code changes.

    One of what is built here is made each time: another build may state something else.
    """
    named = " ".join((section_digest(standing, image), *(sbom.purl(pin) for pin in standing.pins(image))))
    key = f"bill {__version__} {hashlib.sha256(named.encode()).hexdigest()}"
    noted = store.recall(key)
    if noted is None:
        said = _stated(standing, image, store, lambda files: metadata_of_files(files, store, fetcher, progress))
        noted = json.dumps(sbom.bill(standing, image, said))
        if all(pin.file is None or pin.file.is_wheel for pin in standing.pins(image)):
            store.remember(key, noted)
    made: dict[str, Any] = json.loads(noted)
    return made


def _stated(
    standing: Plan,
    image: Image,
    store: Store,
    metadata: Callable[[Sequence[DistributionFile]], Mapping[str, str]],
) -> dict[str, sbom.Stated]:
    """What each file of an image states, by SHA-256: noted if it is a wheel, or else read from its METADATA."""
    files = [pin.file for pin in standing.pins(image) if pin.file and pin.file.sha256]
    keys = {file.sha256: f"stated {__version__} {image.environment} {file.sha256}" for file in files}
    noted = {sha256: store.recall(key) for sha256, key in keys.items()}
    found: dict[str, sbom.Stated] = {sha256: json.loads(text) for sha256, text in noted.items() if text is not None}
    wheels = {file.sha256 for file in files if file.is_wheel}
    for sha256, text in metadata([file for file in files if file.sha256 not in found]).items():
        found[sha256] = sbom.stated(text, image.environment)
        if sha256 in wheels:
            store.remember(keys[sha256], json.dumps(found[sha256]))
    return found


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

    def metadata(files: Sequence[DistributionFile]) -> Mapping[str, str]:
        noted = {file.sha256: store.recall(f"metadata {file.sha256}") for file in files}
        known = {sha256: text for sha256, text in noted.items() if text is not None}
        found = wheels.metadata(file for file in files if file.sha256 not in known)
        for sha256, text in found.items():
            store.remember(f"metadata {sha256}", text)
        return {**known, **found}

    return sbom.bill(standing, image, _stated(standing, image, store, metadata))
