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
from depdoctor.generate.settling import SETTLE, SETTLE_PATH
from depdoctor.generate.stages import buildable
from depdoctor.model.image import Bundle
from depdoctor.model.plan import Plan

__all__ = ["KINDS", "generate"]


def _dockerfiles(plan: Plan, _: str) -> dict[str, str]:
    return {"Dockerfile": dockerfile(plan), "Dockerfile.dockerignore": dockerignore(), **_mounted(plan)}


def _mounted(plan: Plan) -> dict[str, str]:
    """What a Dockerfile mounts from the folder it lies in."""
    return {SETTLE_PATH: SETTLE, **requirement_files(plan)}


def _split(plan: Plan, _: str) -> dict[str, str]:
    """A Dockerfile for each image alone, which holds what that image stands on and no more."""
    files = _mounted(plan)
    for image in buildable(plan):
        files[f"{image.name}.Dockerfile"] = dockerfile(
            replace(plan, images=(image,)), [one.code for one in plan.images]
        )
        files[f"{image.name}.Dockerfile.dockerignore"] = dockerignore()
    return files


KINDS: Mapping[str, Callable[[Plan, str], dict[str, str]]] = MappingProxyType(
    {
        "dockerfile": _dockerfiles,
        "bake": lambda plan, projects: {"docker-bake.json": bake_file(plan, projects)},
        "hcl": lambda plan, projects: {"docker-bake.hcl": hcl_file(plan, projects)},
        "split": _split,
        "compose": lambda plan, _: {"compose.yaml": compose_file(plan)},
    }
)
"""What can be generated: for each kind, the files that it adds."""

TO_BUILD = ("dockerfile", "bake")


def generate(plan: Plan, *, only: Sequence[str] = TO_BUILD, projects: str = "..") -> Bundle:
    """The files of these kinds: those to build with, unless others are asked for.

    `projects` is the way from the folder they are for to the folder that was scanned.

    Raises `UsageError` for a kind that there is not.
    """
    for kind in only:
        if kind not in KINDS:
            raise UsageError(f"cannot generate `{kind}`", hint=f"one of {', '.join(KINDS)}")
    files: dict[str, str] = {}
    for kind in only:
        files |= KINDS[kind](plan, projects)
    return Bundle(files=MappingProxyType(dict(sorted(files.items()))))
