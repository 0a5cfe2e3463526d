"""Which layer owns which path of an image, and what was noted of layers that are in the store."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict

from depdoctor.build.oci.environment import owned
from depdoctor.errors import BuildError, DepdoctorError
from depdoctor.model.distribution import Pin
from depdoctor.model.image import Blob
from depdoctor.model.packing import Packing
from depdoctor.model.plan import Image, Layer, Plan
from depdoctor.model.seams import Store

ENVIRONMENT = "the environment"
"""What owns the interpreter, which nothing may replace."""


def clash(path: str, one: str, other: str) -> BuildError:
    """The error for a path that two wheels own with different content."""
    return BuildError(
        f"{one} and {other} both install /{path}, with different content",
        where=f"/{path}",
        hint="Keep only one of the two in the project's requirements; or accept what the last of them installs, with "
        '`clobber = "last-wins"` under [image]',
    )


def check_owners(plan: Plan, images: Sequence[Image], store: Store) -> None:
    """Refuse two wheels that own one path of an image with different content, or one as a file and one as a folder."""
    pins = plan.by_hash()
    known: dict[str, dict[str, str]] = {}
    for image in images:
        layers = plan.layers(image)
        keys = sorted(made_keys(layer, image.packing)[0] for layer in layers)
        key = "no clash 2 " + hashlib.sha256(" ".join(keys).encode()).hexdigest()
        if store.recall(key):
            continue
        signs: dict[str, str] = dict.fromkeys(owned(image.environment.python), "")
        owners: dict[str, str] = dict.fromkeys(signs, ENVIRONMENT)
        for layer in layers:
            title = title_of(layer, pins)
            pieces = made_keys(layer, image.packing)
            if pieces[0] not in known:
                known[pieces[0]] = {path: sign for piece in pieces for path, sign in owned_by(store, piece).items()}
            for path, sign in known[pieces[0]].items():
                if signs.setdefault(path, sign) != sign:
                    if not image.packing.last_wins or owners[path] == ENVIRONMENT:
                        with naming(image):
                            raise clash(path, owners[path], title)
                    signs[path], owners[path] = sign, title
                owners.setdefault(path, title)
        for file in sorted(owners.keys() & _folders(owners)):
            with naming(image):
                raise clash(file, owners[file], next(owners[one] for one in owners if one.startswith(f"{file}/")))
        store.remember(key, "1")


def _folders(paths: Iterable[str]) -> set[str]:
    """Every folder above one of these paths."""
    folders: set[str] = set()
    for path in paths:
        folder = path.rpartition("/")[0]
        while folder and folder not in folders:
            folders.add(folder)
            folder = folder.rpartition("/")[0]
    return folders


def owned_by(store: Store, key: str) -> dict[str, str]:
    """A short hash of the content of each path that a layer owns."""
    paths: dict[str, str] = json.loads(store.recall(f"owned {key}") or "{}")
    return paths


def made_keys(layer: Layer, packing: Packing) -> tuple[str, ...]:
    """The keys under which it is remembered what the pieces of a layer were made to."""
    return tuple(" ".join((piece, *packing.words())) for piece in layer.pieces)


def recalled(store: Store, key: str) -> Blob | None:
    """The blob that a layer was made to before, if it is still there."""
    said = store.recall(f"made {key}")
    if not said:
        return None
    blob = Blob(**json.loads(said))
    return blob if store.has(blob.digest) else None


def note(store: Store, key: str, blob: Blob, owned_paths: Mapping[str, str]) -> None:
    """Remember the blob that a layer was made to, and the paths that it owns."""
    store.remember(f"owned {key}", json.dumps(owned_paths))
    store.remember(f"made {key}", json.dumps(asdict(blob)))


def title_of(layer: Layer, pins: Mapping[str, Pin], number: int = 1) -> str:
    """A layer in words; which piece of it this is, where it has several."""
    title = ", ".join(sorted(str(pins[sha256]) for sha256 in layer.wheels))
    return f"{title}, part {number} of {layer.parts}" if layer.parts > 1 else title


@contextmanager
def naming(image: Image) -> Iterator[None]:
    """Let an error say which image it stops."""
    try:
        yield
    except DepdoctorError as error:
        error.where = "\n".join(filter(None, (f"image {image.name}", error.where)))
        raise
