"""Which target of a bake file makes an image."""

from __future__ import annotations

import json

from depdoctor.errors import BuildError
from depdoctor.model.image import Bundle
from depdoctor.model.plan import Image

BAKE_FILE = "docker-bake.json"


def target_of(bundle: Bundle, image: Image) -> str:
    """The target of an image: its name, or `image_NAME` where bake means something else by the name."""
    known = json.loads(bundle.files[BAKE_FILE])["target"]
    for target in (image.name, f"image_{image.name}"):
        if target in known:
            return target
    raise BuildError(
        f"no bake target makes image `{image.name}`",
        hint="an image without a base has no place to run commands in: use `--builder oci`",
    )
