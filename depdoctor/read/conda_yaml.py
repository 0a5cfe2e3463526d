"""`environment.yml` of conda: channels, conda packages, and the requirements of its `pip` section."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from depdoctor.model.project import (
    DEFAULT_GROUP,
    CondaRequirement,
    DeclaredRequirement,
    Include,
    Location,
    Manifest,
    Problem,
)
from depdoctor.read import address, requirements_txt, yaml
from depdoctor.read.declarations import Declarations, text_of
from depdoctor.read.document import Path
from depdoctor.read.errors import ManifestError
from depdoctor.read.python_version import minor_of

FORMAT = "environment.yml"

_Read = TypeVar("_Read", DeclaredRequirement, Include, Problem)

_PART = r"[=<>!~]+\s*[^\s\[,|=<>!~][^\s\[,|]*"
_SPEC = re.compile(
    r"^(?:(?P<channel>[^\s=<>!~\[]+)::)?(?P<name>[\w.-]+)"
    rf"(?P<version>\s*{_PART}(?:\s*[,|]\s*(?:{_PART}|[\d*][^\s\[,|]*))*|\s+[\d*][^\s\[]*)?"
    r"\s*(?P<build>[^\s\[]+)?\s*(?:\[(?P<keys>[^\]]*)\])?$"
)
"""A match specification: `channel::name=1.2=build`, `name>=1,<2`, `name 1.2.* build`, `name[version='>=1']`."""
_KEY = re.compile(r"(?P<key>\w+)\s*=\s*['\"]?(?P<value>[^'\"\]]*?)['\"]?\s*(?:,(?=\s*\w+\s*=)|$)")


def parse(text: str, path: str) -> Manifest:
    """Read a conda environment file. Raises `ManifestError` for broken YAML, or one without `dependencies`."""
    document = yaml.document(text)
    if not isinstance(document.data.get("dependencies"), list):
        raise ManifestError("has no list of `dependencies`", hint="is this a conda environment?")
    declarations = Declarations(document=document, path=path)
    conda: list[CondaRequirement] = []
    pip = Manifest(path=path, format=requirements_txt.FORMAT)
    for value, place in declarations.items(document.data["dependencies"], ("dependencies",)):
        if isinstance(value, dict) and "pip" in value:
            pip = _pip(value["pip"], (*place, "pip"), declarations)
        elif isinstance(value, str):
            if found := conda_requirement(value, declarations, place):
                conda.append(found)
        else:
            declarations.problem(place, "should be a conda package")
    variables = document.table("variables").items()
    return Manifest(
        path=path,
        format=FORMAT,
        name=text_of(document.data.get("name")),
        requirements=pip.requirements,
        conda=tuple(conda),
        channels=tuple(_channels(document.data.get("channels"))),
        environment=tuple((key, address.redact(text_of(value))) for key, value in variables),
        python=python_of(conda),
        cuda=cuda_of(conda),
        indexes=pip.indexes,
        includes=pip.includes,
        problems=(*declarations.problems, *pip.problems),
    )


def conda_requirement(
    text: str, declarations: Declarations, place: Path, group: str = DEFAULT_GROUP
) -> CondaRequirement | None:
    """A conda package from a match specification; a problem and None if it is none."""
    match = _SPEC.match(address.redact(text).partition(" #")[0].strip())
    if not match:
        declarations.problem(place, f"`{address.redact(text)}` is not a conda package", "write `name=version`")
        return None
    keys = {found["key"]: found["value"] for found in _KEY.finditer(match["keys"] or "")}
    version, build = "".join((match["version"] or "").split()), match["build"] or ""
    number = version.lstrip("=")
    if number != version and "=" in number and not {*number} & {*"<>!~,|"}:
        version, _, build = version.rpartition("=")
    return CondaRequirement(
        name=match["name"].lower(),
        constraint=keys.get("version", version),
        location=declarations.location(*place),
        channel=keys.get("channel", match["channel"] or ""),
        build=keys.get("build", build),
        group=group,
    )


def python_of(requirements: list[CondaRequirement]) -> str:
    """The Python minor that conda packages of the default group pin; "" if they leave it open."""
    for requirement in requirements:
        if requirement.name == "python" and requirement.group == DEFAULT_GROUP:
            return minor_of(requirement.constraint.strip("= ").removesuffix(".*"))
    return ""


def cuda_of(requirements: list[CondaRequirement]) -> str:
    """The CUDA version that conda packages pin: the toolkit's, or the one asked of the driver; "" if none does."""
    names = ("cudatoolkit", "cuda-toolkit", "cuda-version", "pytorch-cuda", "cuda", "__cuda")
    pinned = {requirement.name: requirement.constraint for requirement in requirements}
    for name in names:
        if match := re.fullmatch(r"={0,2}\s*(\d+(?:\.\d+)*)(?:\.\*)?", pinned.get(name, "")):
            return match[1]
    return ""


def _channels(value: Any) -> Iterator[str]:
    for channel in value if isinstance(value, list) else ():
        if text_of(channel):
            yield address.redact(channel)


def _pip(value: Any, place: Path, declarations: Declarations) -> Manifest:
    """The lines of a `pip` section, read as the requirements file that conda makes of them, each at its own line."""
    rows = [(" ".join(text_of(item).split()), where) for item, where in declarations.items(value, place)]
    places = [declarations.location(*where) for _, where in rows]
    read = requirements_txt.parse("\n".join(text for text, _ in rows), declarations.path)
    return replace(
        read,
        requirements=_placed(read.requirements, places),
        includes=_placed(read.includes, places),
        outside=_placed(read.outside, places),
        problems=_placed(read.problems, places),
    )


def _placed(found: Iterable[_Read], places: Sequence[Location]) -> tuple[_Read, ...]:
    return tuple(replace(one, location=places[one.location.line - 1]) for one in found)
