"""Builds images on one or several BuildKit builders, which push what they make; the registry then says what that is."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from depdoctor.build.targets import target_of
from depdoctor.errors import BuildError
from depdoctor.model.image import Blob, BuiltImage, Bundle
from depdoctor.model.noun import dataclass
from depdoctor.model.plan import Image, Node, Plan
from depdoctor.model.seams import Progress, Registry


class Pushes(Protocol):
    """A builder that pushes every image it makes."""

    def build(
        self, bundle: Bundle, context: Path, targets: Sequence[str], progress: Progress | None = None
    ) -> Mapping[str, str]:
        """Build and push targets of a bundle; the reference of each by digest. Raises `BuildError`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildxBuilder:
    """Matches `seams.Builder`. Several builders work at once, each on images of its own.

    A stage that images of two builders stand on is built by both, which is why `divide` keeps such images together as
    long as no builder then works longer than it must.
    """

    builders: Sequence[Pushes]
    registry: Registry
    bundle: Bundle
    context: Path
    name: str = "buildx"

    def build(self, plan: Plan, images: Sequence[Image], progress: Progress) -> tuple[BuiltImage, ...]:
        """Build and push these images. Raises `BuildError` of the first builder that failed, `RegistryError`."""
        if not images:
            return ()
        parts = divide(plan, images, len(self.builders))
        work = [(builder, part) for builder, part in zip(self.builders, parts, strict=True) if part]
        with ThreadPoolExecutor(len(work)) as pool:
            shares = [pool.submit(self._share, builder, part, progress) for builder, part in work]
            references = {name: reference for share in shares for name, reference in share.result().items()}
        return tuple(self._pushed(image, references[image.name]) for image in images)

    def _share(self, builder: Pushes, images: Sequence[Image], progress: Progress) -> dict[str, str]:
        targets = {image.name: target_of(self.bundle, image) for image in images}
        references = builder.build(self.bundle, self.context, list(targets.values()), progress)
        return {name: references[target] for name, target in targets.items()}

    def _pushed(self, image: Image, reference: str) -> BuiltImage:
        """An image as the registry has it."""
        made, content = self.registry.manifest(reference)
        manifest = json.loads(content)
        if "layers" not in manifest:
            raise BuildError(f"{reference} is not one image, but an index of several", hint="build for one platform")
        repository = reference.partition("@")[0].rpartition(":")[0]
        config = json.loads(b"".join(self.registry.blob(repository, manifest["config"]["digest"])))
        diff_ids = config["rootfs"]["diff_ids"]
        return BuiltImage(
            name=image.name,
            manifest=made,
            config=_blob(manifest["config"]),
            layers=tuple(_blob(row, diff_id) for row, diff_id in zip(manifest["layers"], diff_ids, strict=True)),
            base_reference=image.base.pinned,
            reference=reference,
        )


def _blob(descriptor: Mapping[str, object], diff_id: str = "") -> Blob:
    return Blob(
        digest=str(descriptor["digest"]),
        size_bytes=int(str(descriptor["size"])),
        media_type=str(descriptor["mediaType"]),
        diff_id=diff_id,
    )


def divide(plan: Plan, images: Sequence[Image], parts: int) -> tuple[tuple[Image, ...], ...]:
    """Images in so many parts, some perhaps empty, such that the heaviest part is as light as can be.

    The weight of a part is the bytes of the stages it needs, each counted once, and 1 for each image. Parts are runs
    of the images in the order of the tree, where those that share most are neighbours; among such runs the answer is
    the best.
    """
    if parts < 1:
        raise BuildError("there is no builder to divide the images between")
    sizes = {sha256: max(pin.unpacked_bytes or pin.download_bytes, 1) for sha256, pin in plan.by_hash().items()}
    weights = {node.key: _weight(node, sizes) for node in plan.nodes}
    paths = {image.name: tuple(node.key for node in plan.path(image)) for image in images}
    ordered = sorted(images, key=lambda image: (paths[image.name], image.name))

    def runs(capacity: int) -> list[list[Image]]:
        """As few runs as possible that weigh no more than this, unless one image alone does."""
        found: list[list[Image]] = []
        held: set[str] = set()
        for image in ordered:
            held |= set(paths[image.name])
            if not found or len(found[-1]) + 1 + sum(weights[key] for key in held) > capacity:
                found.append([])
                held = set(paths[image.name])
            found[-1].append(image)
        return found

    heaviest = max((1 + sum(weights[key] for key in path) for path in paths.values()), default=0)
    capacities = range(heaviest, len(images) + sum(weights.values()) + 1)
    capacity = capacities[bisect_left(capacities, True, key=lambda capacity: len(runs(capacity)) <= parts)]  # noqa: FBT003
    chosen = runs(capacity)
    return tuple(tuple(part) for part in chosen + [[]] * (parts - len(chosen)))


def _weight(node: Node, sizes: Mapping[str, int]) -> int:
    return sum(sizes.get(sha256, 1) for layer in node.layers for sha256 in layer.wheels)
