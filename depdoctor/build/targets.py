"""Which target of a bake file makes an image."""

from __future__ import annotations

import json

from depdoctor.errors import BuildError
from depdoctor.model.image import Bundle
from depdoctor.model.plan import SCRATCH, Image, obstacle

BAKE_FILE = "docker-bake.json"


def target_of(bundle: Bundle, image: Image) -> str:
    """The target of an image: its name, or `image_NAME` where bake means something else by the name."""
    known = json.loads(bundle.files[BAKE_FILE])["target"]
    for target in (image.name, f"image_{image.name}"):
        if target in known:
            return target
    why = obstacle(image)
    raise BuildError(
        f"no Dockerfile can make image `{image.name}`, since {why}"
        if why
        else f"no bake target makes image `{image.name}`",
        where=image.code,
        hint="use `--builder oci`" + (", or rename the folder" if image.base.reference != SCRATCH else ""),
    )
