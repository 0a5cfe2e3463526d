"""Packages that are folders, as stages of the Dockerfile: their code, and what makes it importable."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import asdict
from hashlib import sha256

from depdoctor.generate.quoting import copy_form, exec_form
from depdoctor.generate.stages import SHORT, buildable, root_name
from depdoctor.model.image import ENVIRONMENT_ROOT
from depdoctor.model.local_package import PACKAGES_ROOT, LocalPackage, commands, site_files, site_packages
from depdoctor.model.plan import Image, Plan, place_in

SITE = "/site"
"""Where what makes it importable stands in its stage."""

COMMANDS = "/commands"
"""Where its commands stand in its stage."""

NOT_A_STAGE = "# hadolint ignore=DL3022"
"""hadolint knows no build contexts, and takes their names for misspelt stages."""


def stage_name(image: Image, package: LocalPackage) -> str:
    """The stage that a package is copied and settled in, which images on the same empty environment share."""
    return f"local_{_key(image, package)}"


def local_files(plan: Plan) -> dict[str, str]:
    """What the stages copy from the bundle, by path."""
    files: dict[str, str] = {}
    for image in buildable(plan):
        for package in image.local:
            folder = _folder(image, package)
            site = site_files(package, place_in(image, package))
            files |= {f"{folder}{SITE}/{path}": text for path, text in site.items()}
            files |= {f"{folder}{COMMANDS}/{name}": text for name, text in commands(package).items()}
    return files


def stage(image: Image, package: LocalPackage, folders: Collection[str], settle: tuple[str, str]) -> str:
    """The stage of a package. `folders` are those of all projects; `settle` is the mount and the command to settle."""
    mount, command = settle
    lines = [f"FROM {root_name(image)} AS {stage_name(image, package)}", "USER 0:0"]
    if package.folder != image.code:
        inside = "" if package.folder == "." else f"{package.folder}/"
        others = sorted(one for one in folders if one.startswith(inside) and one != package.folder)
        unwanted = [f"{package.copy}/{one.removeprefix(inside)}".removeprefix(f"{package.place}/") for one in others]
        end = "" if package.is_file else "/"
        lines.insert(0, f"# {package.name}, which is no release")
        lines.append(f"COPY --link {copy_form(f'{package.folder}{end}', f'{package.copy}{end}')}")
        lines.append(f"RUN {mount} {exec_form([*command.split(), package.place, *unwanted])}")
    lines += [NOT_A_STAGE, f"COPY --link --from=bundle {_folder(image, package)}{SITE}/ {SITE}/"]
    lines.append(f"RUN {mount} {exec_form([*command.split(), SITE])}")
    if package.scripts:
        source = f"{_folder(image, package)}{COMMANDS}/"
        lines += [NOT_A_STAGE, f"COPY --link --chmod=755 --from=bundle {source} {COMMANDS}/"]
        lines.append(f"RUN {mount} {exec_form([*command.split(), COMMANDS])}")
    return "\n".join(lines)


def copies(image: Image) -> Iterator[str]:
    """The instructions by which an image takes its packages."""
    for package in (*image.beside, *filter(None, [image.own])):
        name = stage_name(image, package)
        if package.folder != image.code:
            yield f"COPY --link --from={name} {PACKAGES_ROOT}/ {PACKAGES_ROOT}/"
        yield f"COPY --link --from={name} {SITE}/ {site_packages(image.environment.python)}/"
        if package.scripts:
            yield f"COPY --link --from={name} {COMMANDS}/ {ENVIRONMENT_ROOT}/bin/"


def _folder(image: Image, package: LocalPackage) -> str:
    """Where what makes a package importable lies in the bundle."""
    return f"local/{_key(image, package)}"


def _key(image: Image, package: LocalPackage) -> str:
    parts = [root_name(image), asdict(package), place_in(image, package)]
    return sha256(json.dumps(parts).encode()).hexdigest()[:SHORT]
