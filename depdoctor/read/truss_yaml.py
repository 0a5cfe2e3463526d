"""`config.yaml` of Truss (its documentation, "Config options"). Other files of that name are not manifests."""

from __future__ import annotations

import re

from depdoctor.model.project import DEFAULT_GROUP, Manifest
from depdoctor.read import yaml
from depdoctor.read.declarations import Declarations, text_of
from depdoctor.read.python_version import minor_of

FORMAT = "config.yaml"

_PYTHON = re.compile(r"py(?P<major>3)(?P<minor>\d{1,2})$")


def parse(text: str, path: str) -> Manifest:
    """Read a Truss `config.yaml`. Raises `ManifestError` for broken YAML."""
    document = yaml.document(text)
    declarations = Declarations(document=document, path=path)
    declarations.require(declarations.items(document.data.get("requirements"), ("requirements",)), DEFAULT_GROUP)
    if file := text_of(document.data.get("requirements_file")):
        declarations.draw_in(file, ("requirements_file",))
    version = _PYTHON.match(text_of(document.data.get("python_version")))
    return Manifest(
        path=path,
        format=FORMAT,
        name=text_of(document.data.get("model_name")),
        requirements=tuple(declarations.requirements),
        system_packages=declarations.system(document.data.get("system_packages"), ("system_packages",)),
        base_images=declarations.base(text_of(document.table("base_image").get("image")), ("base_image",)),
        python=minor_of(f"{version['major']}.{version['minor']}") if version else "",
        includes=tuple(declarations.includes),
        problems=tuple(declarations.problems),
    )
