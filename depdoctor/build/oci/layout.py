"""An image on disk (OCI image layout 1.0): a folder that every tool for images reads, complete or not there."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from depdoctor.build.oci.image import INDEX_TYPE, descriptor
from depdoctor.errors import BuildError
from depdoctor.model.image import Blob
from depdoctor.model.seams import Store

_LAYOUT = {"imageLayoutVersion": "1.0.0"}
_ANNOTATION = "org.opencontainers.image.ref.name"


def write_layout(folder: Path, manifest: Blob, blobs: Iterable[Blob], store: Store) -> Path:
    """Write the layout of one image, in the place of any that is there. Blobs are hard links where that is possible.

    Raises `BuildError` if the folder holds something else than an image.
    """
    if folder.exists() and not (folder / "oci-layout").is_file():
        raise BuildError("this folder is in the way of an image", where=str(folder), hint="Move it, or name another")
    index = {
        "schemaVersion": 2,
        "mediaType": INDEX_TYPE,
        "manifests": [{**descriptor(manifest), "annotations": {_ANNOTATION: "latest"}}],
    }
    text = json.dumps(index, sort_keys=True)
    try:
        if _stands(folder, text):
            return folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
        try:
            (draft / "oci-layout").write_text(json.dumps(_LAYOUT))  # first, so that even a rest is known for what it is
            target = draft / "blobs" / "sha256"
            target.mkdir(parents=True)
            for digest in dict.fromkeys(blob.digest for blob in (manifest, *blobs)):
                _place(store.path(digest), target / digest.removeprefix("sha256:"))
            (draft / "index.json").write_text(text)
            draft.chmod(0o755)
            _swap(draft, folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise BuildError(
            f"cannot write the image: {error.strerror}",
            where=str(error.filename2 or error.filename or folder),
            hint="Free some space, or name another folder with `--output`",
        ) from error
    return folder


def _stands(folder: Path, index: str) -> bool:
    """Whether the layout of this very image is there already; a layout is complete or not there."""
    try:
        return (folder / "index.json").read_text() == index
    except FileNotFoundError:
        return False


def _place(blob: Path, target: Path) -> None:
    try:
        os.link(blob, target)
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(blob, target)


def _swap(draft: Path, folder: Path) -> None:
    """Put the draft where the folder is; the old one goes only when the new one is ready."""
    if folder.exists():
        old = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
        folder.rename(old / "old")
        draft.rename(folder)
        shutil.rmtree(old)
    else:
        draft.rename(folder)
