"""What comes out: bundles of generated files, built images, pushed images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from depdoctor.model.noun import dataclass

ENVIRONMENT_ROOT = "/venv"
"""The virtual environment inside an image: a top-level path of its own, so that no parent's metadata enters a layer."""

APP_ROOT = "/app"
"""The working directory of an image, where the project's code lies."""

USER = "65532:65532"
"""The numeric user and group that an image runs as."""

HOME = "/tmp"  # noqa: S108 - inside an image, whose user has no folder of its own
"""Where libraries keep what they fetch and make (`~/.cache`): the one folder that every container may write to."""


UNPACKED_TYPE = "application/vnd.oci.image.layer.v1.tar"
"""The media type of a layer that is not compressed (image specification)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """Generated files: POSIX path relative to the output folder, and text. Deterministic: no clock, no host path."""

    files: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Blob:
    """A blob by digest ("sha256:<hex>"), size and OCI media type; `diff_id` is a layer's uncompressed digest."""

    digest: str
    size_bytes: int
    media_type: str
    diff_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltImage:
    """An image that was built: its manifest, configuration and layers, and where it lies.

    A native image lies in an OCI store (`layout` is its OCI image layout, None if none was written); one that the
    engine built is known there as `reference`. `base_layers` counts the layers, from the bottom, that are the base's,
    and `base_reference` is where they can be fetched or mounted from. Those of the others that are not in the store
    stand in `layers_repository`.
    """

    name: str
    manifest: Blob
    config: Blob
    layers: tuple[Blob, ...]
    base_layers: int = 0
    base_reference: str = ""
    layers_repository: str = ""
    layout: Path | None = None
    reference: str = ""

    @property
    def unpacked(self) -> bool:
        """Whether its layers are known uncompressed only, as an engine holds them."""
        return any(layer.media_type == UNPACKED_TYPE for layer in self.layers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A document about an image, such as its bill of materials: its manifest, which names its subject, and its blobs.

    All of it lies in the store. `artifact_type` is the media type of the document.
    """

    artifact_type: str
    manifest: Blob
    blobs: tuple[Blob, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PushedImage:
    """An image that stands in a registry, and how many bytes had to be sent for that."""

    name: str
    reference: str
    digest: str
    uploaded_bytes: int
    reused_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteImage:
    """An image as a registry describes it: digests of its manifest and layers, bottom first, and how it is run."""

    reference: str
    digest: str
    layers: tuple[str, ...]
    config: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredImage:
    """An image of depdoctor's that stands in an engine or a registry, under any number of names.

    `section` is the digest of the part of the plan that it was built from. `since` is when it was last given a name
    there, None where nobody knows: images say of themselves that they were made in 1980, so that the same image has the
    same digest on every day. `size_bytes` is what the engine counts: unpacked, with the containerd store the compressed
    layers too; in a registry what its layers take there. `shared_bytes` of these are in another image there as well,
    None where the engine does not tell. `containers` counts those made from it,
    running or not. `weights` are the files of weights that it holds or is started beside ("path@sha256:<hex>"), and
    `model_version` is what people call them.
    """

    identity: str
    references: tuple[str, ...]
    project: str
    section: str
    revision: str
    since: datetime | None
    size_bytes: int
    shared_bytes: int | None
    containers: int
    base: str = ""
    """The base that it was built on, by name and digest; "" where it does not say."""
    weights: tuple[str, ...] = ()
    model_version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What was found inside a running image: installed versions by normalized name; failed imports, with why.

    `python` is the interpreter's full version, "" where nobody asked.
    """

    installed: Mapping[str, str]
    import_errors: Mapping[str, str]
    python: str = ""
