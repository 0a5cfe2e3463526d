"""The image that a project stands on: which one, and what its tag and its configuration tell together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from depdoctor.model.config import DEFAULT_BASE
from depdoctor.model.expression import expression
from depdoctor.model.finding import Confidence
from depdoctor.model.inventory import BaseConfig, Entry, Inventory
from depdoctor.model.project import BaseImage
from depdoctor.rules import Base, Rules
from depdoctor.rules.rows import Provenance

if TYPE_CHECKING:
    from depdoctor.model.plan import Plan

_NUMBER = expression(r"\d+(?:\.\d+)*")

FRAMEWORKS: Mapping[str, NormalizedName] = {
    "PYTORCH_VERSION": canonicalize_name("torch"),
    "TENSORFLOW_VERSION": canonicalize_name("tensorflow"),
}
"""Variables by which images of NVIDIA and of the projects themselves tell what they bring."""


def reference_of(inventory: Inventory, plan: Plan | None, entry: Entry) -> str:
    """The image that a project stands on: that of the committed plan, else as configured, else its own Dockerfile's.

    A project with several that differ has none of its own.
    """
    if plan is not None:
        planned = next((image for image in plan.images if image.project == entry.project.name), None)
        if planned is not None:
            return planned.base.reference
    if taken := next((lock.base for lock in entry.locks if lock.base), ""):
        return taken
    own = {image.reference for image in own_images(entry)}
    if inventory.base in {"", DEFAULT_BASE} and len(own) == 1:
        return own.pop()
    return inventory.base


def own_images(entry: Entry) -> Iterator[BaseImage]:
    """What the project's own files say its images start from, where no build argument is left open."""
    for manifest in entry.reading.manifests:
        for image in manifest.base_images:
            if image.is_final and image.reference and "$" not in image.reference:
                yield image


def known_base(inventory: Inventory, rules: Rules, reference: str) -> Base:
    """What is known of an image: its configuration where its registry answered, else what its tag tells."""
    by_tag = rules.base(reference) if reference else Base(reference="", known=False)
    config = next((each for each in inventory.base_configs if each.reference == reference), None)
    return configured(by_tag, config) if config else by_tag


def configured(base: Base, config: BaseConfig) -> Base:
    """A base with what its own configuration says, which has the last word on what it names."""
    told = dict(config.environment)
    cudnn = told.get("NV_CUDNN_VERSION") or told.get("CUDNN_VERSION") or ""
    python = _version(told.get("PYTHON_VERSION", ""))
    cuda = _version(told.get("CUDA_VERSION", ""))
    brought = next(((name, told[key]) for key, name in FRAMEWORKS.items() if told.get(key)), None)
    demand = "" if told.get("NVIDIA_DISABLE_REQUIRE") else told.get("NVIDIA_REQUIRE_CUDA", "")
    return replace(
        base,
        known=base.known or cuda is not None,
        cuda=cuda or base.cuda,
        cudnn=_version(cudnn) or base.cudnn,
        python=f"{python.major}.{python.minor}" if python else base.python,
        requires_driver=bool(demand) or (base.requires_driver and "NVIDIA_DISABLE_REQUIRE" not in told),
        demand=demand,
        brings=brought[0] if brought else base.brings,
        version=_version(brought[1]) if brought else base.version,
        provenance=Provenance(
            source=f"the configuration of {config.reference}@{config.digest}",
            date=config.read_on,
            confidence=Confidence.PRIMARY,
        ),
    )


def _version(text: str) -> Version | None:
    """The numbers that a text begins with: "9.1.0.70-1" is 9.1.0.70."""
    match = _NUMBER.match(text.removeprefix("v"))
    try:
        return Version(match.group()) if match else None
    except InvalidVersion:
        return None
