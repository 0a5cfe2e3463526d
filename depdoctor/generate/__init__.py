"""Generating: a plan as the files that people deploy with. Pure and deterministic; every name is quoted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from depdoctor.errors import UsageError
from depdoctor.generate.bake import bake_file, hcl_file
from depdoctor.generate.compose import compose_file
from depdoctor.generate.dockerfile import dockerfile
from depdoctor.generate.dockerignore import dockerignore
from depdoctor.generate.requirements import requirement_files
from depdoctor.generate.stages import buildable
from depdoctor.model.image import Bundle
from depdoctor.model.plan import Plan

__all__ = ["KINDS", "generate"]


def _dockerfiles(plan: Plan) -> dict[str, str]:
    return {"Dockerfile": dockerfile(plan), "Dockerfile.dockerignore": dockerignore(), **requirement_files(plan)}


def _split(plan: Plan) -> dict[str, str]:
    """A Dockerfile for each image alone, which holds what that image stands on and no more."""
    files = requirement_files(plan)
    for image in buildable(plan):
        files[f"{image.name}.Dockerfile"] = dockerfile(replace(plan, images=(image,)))
        files[f"{image.name}.Dockerfile.dockerignore"] = dockerignore()
    return files


KINDS: Mapping[str, Callable[[Plan], dict[str, str]]] = MappingProxyType(
    {
        "dockerfile": _dockerfiles,
        "bake": lambda plan: {"docker-bake.json": bake_file(plan)},
        "hcl": lambda plan: {"docker-bake.hcl": hcl_file(plan)},
        "split": _split,
        "compose": lambda plan: {"compose.yaml": compose_file(plan)},
    }
)
"""What can be generated: for each kind, the files that it adds."""

TO_BUILD = ("dockerfile", "bake")


def generate(plan: Plan, *, only: Sequence[str] = TO_BUILD) -> Bundle:
    """The files of these kinds: those to build with, unless others are asked for.

    Raises `UsageError` for a kind that there is not.
    """
    for kind in only:
        if kind not in KINDS:
            raise UsageError(f"cannot generate `{kind}`", hint=f"one of {', '.join(KINDS)}")
    files: dict[str, str] = {}
    for kind in only:
        files |= KINDS[kind](plan)
    return Bundle(files=MappingProxyType(dict(sorted(files.items()))))
