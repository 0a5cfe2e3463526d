"""What git says of the folder of each image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from depdoctor.adapters.git import Repository
from depdoctor.build.oci.code import kept_by
from depdoctor.model.label import NO_SOURCE, Source
from depdoctor.model.plan import Image
from depdoctor.model.seams import Store


def source_of(repository: Repository, root: Path, store: Store) -> Callable[[Image], Source]:
    """Tells the last commit that touched an image's folder below `root`: it is remembered as long as HEAD stays."""

    def told(image: Image) -> Source:
        if not repository.key:
            return NO_SOURCE
        places = (image.code, *(one.folder for one in image.beside))
        key = f"revision 1 {root.resolve()} {repository.key} {' '.join(places)}"
        revision = store.recall(key)
        if revision is None:
            revision = repository.last_touched(*places)
            store.remember(key, revision)
        dirty = any(
            any(map(kept_by(root / folder), changed))
            for folder in image.folders
            if (changed := repository.changed(folder))
        )
        return Source(revision=revision, dirty=bool(revision) and dirty)

    return told
