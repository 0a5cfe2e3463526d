"""A bill of materials (CycloneDX 1.6) of one image, from the metadata of the very wheels that are in it.

Deterministic: no clock, no random serial number, sorted; the same image has the same bill. What each wheel states is
read apart, so that it can be kept: reading takes longer than all the rest, and what reads is imported where it is used.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypedDict
from urllib.parse import quote

from depdoctor import __version__
from depdoctor.model.distribution import Pin
from depdoctor.model.label import section_digest
from depdoctor.model.local_package import LocalPackage
from depdoctor.model.plan import SCRATCH, Image, Plan
from depdoctor.model.target import Environment

if TYPE_CHECKING:
    from packaging.metadata import RawMetadata

CYCLONEDX_TYPE = "application/vnd.cyclonedx+json"

_NAMESPACE = uuid.UUID("5f8d6f52-7a0b-5d0e-9a44-6d1a1f0c8e11")
_BASE = "base:"
_CLASSIFIER = "License :: "
_SHORT = 200
"""Longer than this, what stands in the field `License` is the text of a license and not its name."""

_LINKS = {"homepage": "website", "documentation": "documentation", "source": "vcs", "repository": "vcs"}


class Stated(TypedDict, total=False):
    """What a wheel says of itself, as JSON: parts of its component, and the names of packages that it requires."""

    name: str
    description: str
    licenses: list[dict[str, Any]]
    links: list[dict[str, str]]
    requires: list[str]


def stated(metadata: str, environment: Environment) -> Stated:
    """What a METADATA file (core metadata specification) says, for an environment and without extras."""
    from packaging.metadata import parse_email

    read = parse_email(metadata)[0]
    found = Stated(requires=_required(read, environment))
    if name := read.get("name"):
        found["name"] = name
    if summary := read.get("summary"):
        found["description"] = summary
    if licenses := _licenses(read):
        found["licenses"] = licenses
    if links := list(_links(read)):
        found["links"] = links
    return found


def bill(plan: Plan, image: Image, wheels: Mapping[str, Stated]) -> dict[str, Any]:
    """The bill of an image. `wheels` is what each states, by SHA-256."""
    pins = plan.pins(image)
    says = {pin.name: wheels.get(pin.file.sha256, Stated()) if pin.file else Stated() for pin in pins}
    components = [_component(pin, says[pin.name]) for pin in pins] + [
        _folder(one) for one in image.local if not one.module
    ]
    present = {str(pin.name): purl(pin) for pin in pins}
    edges = {
        purl(pin): sorted({present[name] for name in says[pin.name].get("requires", ()) if name in present})
        for pin in pins
    }
    return _document(plan, image, components, edges)


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


def _component(pin: Pin, says: Stated) -> dict[str, Any]:
    found: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl(pin),
        "name": says.get("name") or pin.name,
        "version": str(pin.version),
        "purl": purl(pin),
    }
    if summary := says.get("description"):
        found["description"] = summary
    if pin.file and pin.file.sha256 and not pin.file.is_repository:
        found["hashes"] = [{"alg": "SHA-256", "content": pin.file.sha256}]
    if licenses := says.get("licenses"):
        found["licenses"] = licenses
    if links := says.get("links"):
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


def _required(metadata: RawMetadata, environment: Environment) -> list[str]:
    """The names of what a package requires, extras left out."""
    from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    markers = {**environment.markers(), "extra": ""}
    names: set[str] = set()
    for text in metadata.get("requires_dist", ()):
        try:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate(markers):
                names.add(canonicalize_name(requirement.name))
        except (InvalidRequirement, UndefinedComparison, UndefinedEnvironmentName):
            continue
    return sorted(names)
