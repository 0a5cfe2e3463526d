"""Which files of weights each project's image holds, or is started beside."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from depdoctor.adapters.store import BlobStore
from depdoctor.errors import BuildError
from depdoctor.model.inventory import Inventory
from depdoctor.model.seams import Progress
from depdoctor.model.weights import LEAST_BYTES, WeightFile
from depdoctor.pipeline.standing import Settings


def weighed(inventory: Inventory, settings: Settings, progress: Progress) -> Mapping[str, tuple[WeightFile, ...]]:
    """The weights of each project by its name. Pointers of Git LFS, and what cannot be read, are said."""
    store = BlobStore(settings.cache / "store")
    weights: dict[str, tuple[WeightFile, ...]] = {}
    task = "reading weights"
    progress.start(task)
    for entry in inventory.entries:
        project = settings.root / entry.project.root
        paths = []
        for one in entry.reading.weights:
            place = settings.root / one.path
            if one.size_bytes < LEAST_BYTES or not place.is_file():
                continue
            if place.stat().st_size != one.size_bytes:
                progress.say(
                    f"{one.path} is a pointer of Git LFS: run `git lfs pull`, or the image will lack the weights"
                )
                continue
            paths.append(PurePosixPath(one.path).relative_to(entry.project.root).as_posix())
        if not paths:
            continue
        from depdoctor.build.oci.weights import found  # it takes time to import, and few projects have weights

        try:
            files = found(project, paths, store)
        except BuildError as error:
            progress.say(f"weights of {entry.project.name} stay with its code: {error.message} ({error.where})")
            continue
        if files:
            weights[entry.project.name] = files
    progress.finish(task)
    return weights
