"""`bentofile.yaml` of BentoML (its documentation, "Bento build options")."""

from __future__ import annotations

from typing import Any

from depdoctor.model.project import DEFAULT_GROUP, IndexOptions, Manifest
from depdoctor.read import address, yaml
from depdoctor.read.declarations import Declarations, text_of
from depdoctor.read.python_version import minor_of

FORMAT = "bentofile.yaml"


def parse(text: str, path: str) -> Manifest:
    """Read a `bentofile.yaml`. Raises `ManifestError` for broken YAML."""
    document = yaml.document(text)
    python, docker = document.table("python"), document.table("docker")
    declarations = Declarations(document=document, path=path)
    declarations.require(declarations.items(python.get("packages"), ("python", "packages")), DEFAULT_GROUP)
    if file := text_of(python.get("requirements_txt")):
        declarations.draw_in(file, ("python", "requirements_txt"))
    index = address.redact(text_of(python.get("index_url")))
    for key in ("index_url", "extra_index_url"):
        for written in _texts(python.get(key)):
            declarations.problems.extend(address.problems(written, declarations.location("python", key)))
    return Manifest(
        path=path,
        format=FORMAT,
        name=text_of(document.data.get("name")),
        requirements=tuple(declarations.requirements),
        system_packages=declarations.system(docker.get("system_packages"), ("docker", "system_packages")),
        python=minor_of(text_of(docker.get("python_version"))),
        cuda=text_of(docker.get("cuda_version")),
        indexes=IndexOptions(
            index_url=index or None,
            extra_index_urls=tuple(map(address.redact, _texts(python.get("extra_index_url")))),
            find_links=tuple(map(address.redact, _texts(python.get("find_links")))),
        ),
        includes=tuple(declarations.includes),
        problems=tuple(declarations.problems),
    )


def _texts(value: Any) -> list[str]:
    listed = value if isinstance(value, list) else [value]
    return [item for item in listed if isinstance(item, str)]
