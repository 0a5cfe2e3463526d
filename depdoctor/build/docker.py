"""Builds images through an engine, from the generated Dockerfile and bake file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from depdoctor.build.targets import target_of
from depdoctor.model.image import BuiltImage, Bundle
from depdoctor.model.noun import dataclass
from depdoctor.model.plan import Image, Plan
from depdoctor.model.seams import Engine, Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerBuilder:
    """Matches `seams.Builder`. `bundle` is what was generated from the plan, `context` the folder that was scanned.

    All images are targets of one bake, so that a stage that several of them stand on is built once. How many of an
    image's layers are its base's is not known here, so `base_layers` stays 0.
    """

    engine: Engine
    bundle: Bundle
    context: Path
    name: str = "docker"

    def build(self, plan: Plan, images: Sequence[Image], progress: Progress) -> tuple[BuiltImage, ...]:  # noqa: ARG002 - the bundle is the plan
        """Build these images and leave them in the engine. Raises `BuildError`."""
        if not images:
            return ()
        targets = {image.name: target_of(self.bundle, image) for image in images}
        task = f"build {len(images)} images"
        progress.start(task)
        references = self.engine.build(self.bundle, self.context, list(targets.values()), progress)
        progress.finish(task)
        return tuple(
            replace(self.engine.describe(references[targets[image.name]], image.name), base_reference=image.base.pinned)
            for image in images
        )
