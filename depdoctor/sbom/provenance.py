"""Where an image came from: a statement of in-toto 1.0 with the provenance of SLSA 1.0."""

from __future__ import annotations

from typing import Any

from depdoctor import __version__
from depdoctor.model.distribution import DistributionFile, Pin
from depdoctor.model.git_source import GitSource
from depdoctor.model.label import section_digest
from depdoctor.model.plan import SCRATCH, Image, Plan
from depdoctor.sbom.cyclonedx import purl

IN_TOTO_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
NATIVE = "native"


def provenance(
    plan: Plan, image: Image, digest: str, repository: str, plan_digest: str, builder: str = NATIVE
) -> dict[str, Any]:
    """The statement on an image with this manifest's digest in a repository: its plan, its wheels and its base.

    `builder` is what made it.
    """
    wheels = [_dependency(pin, pin.file) for pin in plan.pins(image) if pin.file]
    base = []
    if image.base.reference != SCRATCH:
        known = {"digest": {"sha256": image.base.digest.removeprefix("sha256:")}} if image.base.digest else {}
        base = [{"uri": f"docker://{image.base.pinned}", "name": "base", **known}]
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": repository, "digest": {"sha256": digest.removeprefix("sha256:")}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "buildDefinition": {
                "buildType": f"urn:depdoctor:build:{builder}:1",
                "externalParameters": {
                    "image": image.name,
                    "project": image.project,
                    "environment": str(image.environment),
                    "command": list(image.command),
                    "plan": plan_digest,
                    "section": section_digest(plan, image),
                },
                "resolvedDependencies": [*base, *wheels],
            },
            "runDetails": {
                "builder": {"id": f"urn:depdoctor:builder:{builder}", "version": {"depdoctor": __version__}}
            },
        },
    }


def _dependency(pin: Pin, file: DistributionFile) -> dict[str, Any]:
    """A file by its hash, or a commit by its own (in-toto's `DigestSet`)."""
    if not file.is_repository:
        return {"uri": purl(pin), "name": file.filename, "digest": {"sha256": file.sha256}}
    return {"uri": file.url, "name": str(pin.name), "digest": {"gitCommit": GitSource.of(file.url).revision}}
