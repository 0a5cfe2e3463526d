"""A bill of materials (CycloneDX 1.6) of one image, from the metadata of the very wheels that are in it.

Deterministic: no clock, no random serial number, sorted; the same image has the same bill. Who only names packages, or
has the bill already, has no use for what reads metadata, so that is imported where it is used.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from depdoctor import __version__
from depdoctor.model.distribution import Pin
from depdoctor.model.label import section_digest
from depdoctor.model.local_package import LocalPackage
from depdoctor.model.plan import SCRATCH, Image, Plan

if TYPE_CHECKING:
    from packaging.metadata import RawMetadata

CYCLONEDX_TYPE = "application/vnd.cyclonedx+json"

_NAMESPACE = uuid.UUID("5f8d6f52-7a0b-5d0e-9a44-6d1a1f0c8e11")
_BASE = "base:"
_CLASSIFIER = "License :: "
_SHORT = 200
"""Longer than this, what stands in the field `License` is the text of a license and not its name."""

_LINKS = {"homepage": "website", "documentation": "documentation", "source": "vcs", "repository": "vcs"}


def bill(plan: Plan, image: Image, metadata: Mapping[str, str]) -> dict[str, Any]:
    """The bill of an image. `metadata` is the METADATA file (core metadata specification) of each wheel by SHA-256."""
    from packaging.metadata import parse_email

    pins = plan.pins(image)
    read = {pin.name: parse_email(metadata.get(pin.file.sha256, "") if pin.file else "")[0] for pin in pins}
    components = [_component(pin, read[pin.name]) for pin in pins] + [
        _folder(one) for one in image.local if not one.module
    ]
    return _document(plan, image, components, {purl(pin): _needed(read[pin.name], image, pins) for pin in pins})


def onto(document: Mapping[str, Any], plan: Plan, image: Image) -> dict[str, Any]:
    """The bill of an image that was put on another base, from the bill that it had. Raises `KeyError`, `TypeError`."""
    components = [one for one in document["components"] if not one["bom-ref"].startswith(_BASE)]
    kept = {one["bom-ref"] for one in components}
    edges = {one["ref"]: list(one["dependsOn"]) for one in document["dependencies"] if one["ref"] in kept}
    return _document(plan, image, components, edges)


def _document(
    plan: Plan, image: Image, components: list[dict[str, Any]], edges: Mapping[str, list[str]]
) -> dict[str, Any]:
    whole = f"image:{image.name}"
    if image.base.reference != SCRATCH:
        components = [*components, _base(image)]
    roots = sorted({each["bom-ref"] for each in components} - {one for needed in edges.values() for one in needed})
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, section_digest(plan, image))}",
        "version": 1,
        "metadata": {
            "tools": {"components": [{"type": "application", "name": "depdoctor", "version": __version__}]},
            "component": {"type": "container", "bom-ref": whole, "name": image.name},
        },
        "components": components,
        "dependencies": [
            {"ref": whole, "dependsOn": roots},
            *({"ref": ref, "dependsOn": edges.get(ref, [])} for ref in sorted(one["bom-ref"] for one in components)),
        ],
    }


def purl(pin: Pin) -> str:
    """The package URL of a package (purl specification, type pypi)."""
    source = f"?vcs_url={quote(pin.file.url, safe='')}" if pin.file and pin.file.is_repository else ""
    return f"pkg:pypi/{pin.name}@{str(pin.version).replace('+', '%2B')}{source}"


def _component(pin: Pin, metadata: RawMetadata) -> dict[str, Any]:
    found: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl(pin),
        "name": metadata.get("name") or pin.name,
        "version": str(pin.version),
        "purl": purl(pin),
    }
    if summary := metadata.get("summary"):
        found["description"] = summary
    if pin.file and pin.file.sha256 and not pin.file.is_repository:
        found["hashes"] = [{"alg": "SHA-256", "content": pin.file.sha256}]
    if licenses := _licenses(metadata):
        found["licenses"] = licenses
    if links := list(_links(metadata)):
        found["externalReferences"] = links
    return found


def _folder(package: LocalPackage) -> dict[str, Any]:
    """A package that is a folder, and no release that a package URL could name."""
    return {"type": "library", "bom-ref": f"local:{package.name}", "name": package.name, "version": package.version}


def _base(image: Image) -> dict[str, Any]:
    found: dict[str, Any] = {
        "type": "container",
        "bom-ref": f"{_BASE}{image.base.pinned}",
        "name": image.base.reference,
    }
    if image.base.digest:
        found["version"] = image.base.digest
        found["hashes"] = [{"alg": "SHA-256", "content": image.base.digest.removeprefix("sha256:")}]
    return found


def _licenses(metadata: RawMetadata) -> list[dict[str, Any]]:
    """An SPDX expression if there is one (PEP 639), else what the classifiers say, else the name that is given."""
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    stated = (metadata.get("license_expression") or metadata.get("license") or "").strip()
    try:
        if stated:
            return [{"expression": str(canonicalize_license_expression(stated))}]
    except InvalidLicenseExpression:
        pass
    classified = (one.rpartition(" :: ")[2] for one in metadata.get("classifiers", ()) if one.startswith(_CLASSIFIER))
    names = sorted(set(classified) - {"OSI Approved"})
    if not names and stated and "\n" not in stated and len(stated) < _SHORT:
        names = [stated]
    return [{"license": {"name": name}} for name in names]


def _links(metadata: RawMetadata) -> Iterator[dict[str, str]]:
    links = {**({"homepage": page} if (page := metadata.get("home_page")) else {}), **metadata.get("project_urls", {})}
    for label, address in sorted(links.items()):
        kind = _LINKS.get(label.lower())
        if kind and address.startswith(("https://", "http://")) and " " not in address:
            yield {"type": kind, "url": address}


def _needed(metadata: RawMetadata, image: Image, pins: tuple[Pin, ...]) -> list[str]:
    """What of the image a package requires, extras left out."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    present = {pin.name: purl(pin) for pin in pins}
    markers = {**image.environment.markers(), "extra": ""}
    needed: set[str] = set()
    for text in metadata.get("requires_dist", ()):
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        name = canonicalize_name(requirement.name)
        if name in present and (requirement.marker is None or requirement.marker.evaluate(markers)):
            needed.add(present[name])
    return sorted(needed)
