"""What an image says of itself: labels that concern this image alone, so that a change elsewhere changes no digest."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from hashlib import sha256

from depdoctor.model.noun import dataclass
from depdoctor.model.plan import SCRATCH, Image, Plan
from depdoctor.model.weights import Keep, WeightFile

SECTION = "depdoctor.section"
PROJECT = "depdoctor.project"
WEIGHTS = "depdoctor.weights"
"""The files of weights that an image holds, or is started beside: "path@sha256:<hex>", with ", " between them."""

MODEL_VERSION = "depdoctor.model.version"

REVISION = "org.opencontainers.image.revision"
"""The last commit that touched the project's folder."""

DIRTY = "depdoctor.dirty"
"""Whether tracked files of the project were not as in that commit: "true", or not there."""

BASE_NAME, BASE_DIGEST = "org.opencontainers.image.base.name", "org.opencontainers.image.base.digest"

_WEIGHT = re.compile(r"(.+?@sha256:[0-9a-f]{64})(?:, |$)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What version control says of a project's folder."""

    revision: str = ""
    dirty: bool = False


NO_SOURCE = Source()
"""No version control, or nothing known of it."""


def section_digest(plan: Plan, image: Image) -> str:
    """The digest ("sha256:<hex>") of what a plan says of one image: its layers, and how it is started.

    Leaves out where files are fetched from and which targets are served, since neither changes the image.
    """
    section: dict[str, object] = {
        "base": image.base.pinned,
        "code": image.code,
        "command": list(image.command),
        "environment": str(image.environment),
        "health": image.health,
        "layers": [[layer.key, *layer.wheels] for layer in plan.layers(image)],
        "name": image.name,
        "port": image.port,
        "project": image.project,
    }
    if image.system_packages:
        section["system_packages"] = list(image.system_packages)
    if image.packing.words():
        section["packing"] = list(image.packing.words())
    if image.local:
        section["local"] = [
            [one.name, one.version, one.folder, one.source, one.module, *one.scripts] for one in image.local
        ]
    if image.weights:
        section["weights"] = [image.keep, image.model_version, *([one.path, one.sha256] for one in image.weights)]
    return f"sha256:{sha256(json.dumps(section, sort_keys=True).encode()).hexdigest()}"


def base_of(labels: Mapping[str, str]) -> str:
    """The base of an image by its labels, as NAME@DIGEST; "" where they do not say both."""
    name, digest = labels.get(BASE_NAME, ""), labels.get(BASE_DIGEST, "")
    return f"{name.partition('@')[0]}@{digest}" if name and digest else ""


def labels(plan: Plan, image: Image, source: Source = NO_SOURCE) -> dict[str, str]:
    """The labels of an image (annotations of the OCI image specification, and depdoctor's own), sorted by name."""
    found = {SECTION: section_digest(plan, image), PROJECT: image.project, "org.opencontainers.image.title": image.name}
    if image.base.reference != SCRATCH:
        found[BASE_NAME] = image.base.reference
        found[BASE_DIGEST] = image.base.digest
    if image.keep is not Keep.OMIT:
        found[WEIGHTS] = weights_label(image.weights)
        found[MODEL_VERSION] = image.model_version
    found[REVISION] = source.revision
    found[DIRTY] = "true" if source.dirty else ""
    return {name: found[name] for name in sorted(found) if found[name]}


def weights_label(weights: Iterable[WeightFile]) -> str:
    """What the label says of these files of weights."""
    return ", ".join(f"{one.path}@sha256:{one.sha256}" for one in sorted(weights))


def weights_of(label: str) -> tuple[str, ...]:
    """The files of weights ("path@sha256:<hex>") that a label names."""
    return tuple(_WEIGHT.findall(label))
