"""What the images of a project are called."""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import sha256
from unicodedata import normalize

from depdoctor.model.target import Environment

SHORT = 8
LONGEST_LABEL = 63


def image_name(project: str) -> str:
    """The last part of an image's reference: lower-cased without accents, every run of others than [a-z0-9] a dash.

    A dash at either end would break the grammar of references (OCI distribution specification), so there is none. A
    name of which nothing is left is told from others like it by a part of its digest.
    """
    plain = re.sub(r"[\u0300-\u036f]", "", normalize("NFKD", project))
    name = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")
    return name or f"image-{sha256(project.encode('utf-8', 'surrogatepass')).hexdigest()[:SHORT]}"


def image_names(project: str, environments: Iterable[Environment]) -> dict[Environment, str]:
    """The name of the image for each environment of a project: its own, and what tells it from the others if any."""
    wanted = sorted(set(environments))
    machines = [environment.platform.machine for environment in wanted]
    platforms = [str(environment.platform) for environment in wanted]
    names = {}
    for environment, machine, platform in zip(wanted, machines, platforms, strict=True):
        if len(wanted) == 1:
            variant = ""
        elif machines.count(machine) == 1:
            variant = f"-{machine}"
        else:
            variant = f"-{platform}" if platforms.count(platform) == 1 else f"-{environment}"
        names[environment] = image_name(project + variant)
    return names


def label_name(name: str) -> str:
    """What the resources of an image are called: it starts with a letter and has at most 63 characters (RFC 1035)."""
    name = name if name[:1].isalpha() else f"image-{name}"
    return name if len(name) <= LONGEST_LABEL else f"{name[:54]}-{sha256(name.encode()).hexdigest()[:8]}"
