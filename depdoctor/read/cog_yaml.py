"""`cog.yaml` of Cog (its documentation, "cog.yaml reference")."""

from __future__ import annotations

from depdoctor.model.project import DEFAULT_GROUP, Manifest
from depdoctor.read import yaml
from depdoctor.read.declarations import Declarations, text_of
from depdoctor.read.errors import ManifestError
from depdoctor.read.python_version import minor_of

FORMAT = "cog.yaml"


def parse(text: str, path: str) -> Manifest:
    """Read a `cog.yaml`. Raises `ManifestError` for broken YAML."""
    document = yaml.document(text)
    if not isinstance(document.data.get("build"), dict | None):
        raise ManifestError("has a `build` that is no mapping", line=document.line("build"))
    build = document.table("build")
    declarations = Declarations(document=document, path=path)
    place = ("build", "python_packages")
    declarations.require(declarations.items(build.get("python_packages"), place), DEFAULT_GROUP)
    if file := text_of(build.get("python_requirements")):
        declarations.draw_in(file, ("build", "python_requirements"))
    return Manifest(
        path=path,
        format=FORMAT,
        requirements=tuple(declarations.requirements),
        system_packages=declarations.system(build.get("system_packages"), ("build", "system_packages")),
        base_images=declarations.base(text_of(build.get("base_image")), ("build", "base_image")),
        python=minor_of(text_of(build.get("python_version"))),
        cuda=text_of(build.get("cuda")),
        includes=tuple(declarations.includes),
        problems=tuple(declarations.problems),
    )
