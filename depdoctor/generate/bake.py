"""The bake file: a target for every image, to be run in the folder that it lies in."""

from __future__ import annotations

import json

from depdoctor.generate.stages import RESERVED, buildable, image_stage
from depdoctor.model.plan import Image, Plan

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""What container engines call a processor, by what Python calls it."""


def target_name(image: Image) -> str:
    """The target of an image: its name, unless bake means something else by it."""
    return f"image_{image.name}" if image.name in RESERVED else image.name


def bake_file(plan: Plan) -> str:
    """`docker-bake.json`. Its variables say where the scanned folder and uv are, and where the images go.

    `CA` and `NETRC` are files for the build secrets, left out where empty. Of a plan only image names stand in it, and
    these hold nothing that bake would expand.
    """
    images = buildable(plan)
    variables = {"PROJECTS": "..", "UV": "uv", "REGISTRY": "depdoctor", "TAG": "latest", "CA": "", "NETRC": ""}
    document = {
        "variable": {name: {"default": value} for name, value in variables.items()},
        "group": {"default": {"targets": [target_name(image) for image in images]}},
        "target": {target_name(image): _target(image) for image in images},
    }
    return json.dumps(document, indent=2) + "\n"


def _target(image: Image) -> dict[str, object]:
    machine = image.environment.platform.machine
    return {
        "context": "${PROJECTS}",
        "dockerfile": "cwd://Dockerfile",
        "contexts": {"bundle": ".", "uv": "${UV}"},
        "target": image_stage(image),
        "platforms": [f"linux/{ARCHITECTURES.get(machine, machine)}"],
        "secret": '${concat(CA == "" ? [] : ["id=ca,src=${CA}"], NETRC == "" ? [] : ["id=netrc,src=${NETRC}"])}',
        "tags": [f"${{REGISTRY}}/{image.name}:${{TAG}}"],
    }
