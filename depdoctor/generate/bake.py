"""The bake file, as JSON for programs and as HCL for people: a target for every image, run in the folder it lies in."""

from __future__ import annotations

import json

from depdoctor.generate.stages import RESERVED, buildable, image_stage
from depdoctor.model.plan import Image, Plan
from depdoctor.model.toolchain import Installer

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""What container engines call a processor, by what Python calls it."""


def target_name(image: Image) -> str:
    """The target of an image: its name, unless bake means something else by it."""
    return f"image_{image.name}" if image.name in RESERVED else image.name


BAKE_COMMAND = "BUILDX_BAKE_ENTITLEMENTS_FS=0 {uv}docker buildx bake --file docker-bake.{extension} --load"
"""How a person builds from the folder of the bundle. The first variable lets newer bakes read the projects outside."""

FIND_UV = 'UV="$(dirname "$(command -v uv)")" '


def to_build(extension: str, installer: Installer, separator: str) -> str:
    """What a comment says of how to build, in two parts."""
    uv, needed = (FIND_UV, ", with uv on PATH") if installer is Installer.UV else ("", "")
    return f"To build all images, in this folder{needed}:{separator}{BAKE_COMMAND.format(uv=uv, extension=extension)}"


VARIABLES = {"PROJECTS": "..", "UV": "uv", "REGISTRY": "depdoctor", "TAG": "latest", "CA": "", "NETRC": ""}
"""Where the scanned folder and uv are, where images go, and the files of the build secrets (left out where empty)."""

SECRETS = 'concat(CA == "" ? [] : ["id=ca,src=${CA}"], NETRC == "" ? [] : ["id=netrc,src=${NETRC}"])'

COMMON = "_image"
"""The target that the others inherit from; no image can be called so."""


def bake_file(plan: Plan, projects: str, tag: str, *, split: bool = False, installer: Installer = Installer.UV) -> str:
    """`docker-bake.json`; `projects` is the way from its folder to the projects.

    Where it is `split`, each target has a Dockerfile of its own.

    Of a plan only image names stand in it, and these hold nothing that bake would expand.
    """
    images = buildable(plan)
    document = {
        "variable": {name: {"default": value} for name, value in _variables(projects, tag, installer).items()},
        "group": {"default": {"targets": [target_name(image) for image in images]}},
        "target": {target_name(image): _target(image, installer, split=split) for image in images},
    }
    return json.dumps(document, indent=2) + "\n"


def _target(image: Image, installer: Installer, *, split: bool) -> dict[str, object]:
    return {
        "context": "${PROJECTS}",
        "dockerfile": f"cwd://{own_dockerfile(image)}" if split else "cwd://Dockerfile",
        "contexts": {"bundle": ".", "uv": "${UV}"} if installer is Installer.UV else {"bundle": "."},
        "target": image_stage(image),
        "platforms": [_platform(image)],
        "secret": f"${{{SECRETS}}}",
        "tags": [_tag(image)],
    }


def _variables(projects: str, tag: str, installer: Installer) -> dict[str, str]:
    """The variables with their defaults; a path is text, in which nothing is expanded."""
    unused = {"UV"} if installer is Installer.PIP else set()
    variables = {name: value for name, value in VARIABLES.items() if name not in unused}
    return variables | {"PROJECTS": projects.replace("${", "$${").replace("%{", "%%{"), "TAG": tag}


def own_dockerfile(image: Image) -> str:
    """The file of an image that has a Dockerfile of its own."""
    return f"{image.name}.Dockerfile"


def hcl_file(plan: Plan, projects: str, tag: str, *, split: bool = False, installer: Installer = Installer.UV) -> str:
    """`docker-bake.hcl`, which says the same as `docker-bake.json`."""
    images = buildable(plan)
    blocks = [
        f"# Made by `depdoctor generate`. {to_build('hcl', installer, chr(10) + '#   ')}",
    ]
    blocks += [
        f'variable "{name}" {{\n  default = {json.dumps(value)}\n}}'
        for name, value in _variables(projects, tag, installer).items()
    ]
    names = "".join(f'    "{target_name(image)}",\n' for image in images)
    blocks.append(f'group "default" {{\n  targets = [\n{names}  ]\n}}')
    contexts = 'bundle = "."\n    uv     = UV' if installer is Installer.UV else 'bundle = "."'
    blocks.append(
        f'''target "{COMMON}" {{
  context    = PROJECTS
  dockerfile = "cwd://Dockerfile"
  contexts = {{
    {contexts}
  }}
  secret = {SECRETS}
}}'''
    )
    blocks += [
        f'''target "{target_name(image)}" {{
  inherits  = ["{COMMON}"]{_own_line(image) if split else ""}
  target    = "{image_stage(image)}"
  platforms = ["{_platform(image)}"]
  tags      = ["{_tag(image)}"]
}}'''
        for image in images
    ]
    return "\n\n".join(blocks) + "\n"


def _own_line(image: Image) -> str:
    return f'\n  dockerfile = "cwd://{own_dockerfile(image)}"'


def _platform(image: Image) -> str:
    machine = image.environment.platform.machine
    return f"linux/{ARCHITECTURES.get(machine, machine)}"


def _tag(image: Image) -> str:
    return f"${{REGISTRY}}/{image.name}:${{TAG}}"
