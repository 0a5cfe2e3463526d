"""Generating: a plan as the files that people deploy with. Pure and deterministic; every name is quoted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from depdoctor.errors import UsageError
from depdoctor.generate.bake import bake_file, hcl_file, own_dockerfile
from depdoctor.generate.ci import ci_files
from depdoctor.generate.compose import compose_file
from depdoctor.generate.dockerfile import NO_SOURCES, PLAIN, dockerfile
from depdoctor.generate.dockerignore import dockerignore
from depdoctor.generate.helm import helm_files
from depdoctor.generate.kubernetes import kubernetes_files
from depdoctor.generate.local_packages import local_files
from depdoctor.generate.requirements import requirement_files
from depdoctor.generate.settling import SETTLE, SETTLE_PATH, SPLIT, SPLIT_PATH
from depdoctor.generate.stages import buildable
from depdoctor.model.deployment import Deployment
from depdoctor.model.image import Bundle
from depdoctor.model.label import Source
from depdoctor.model.noun import dataclass
from depdoctor.model.plan import Plan
from depdoctor.model.toolchain import Toolchain

__all__ = ["KINDS", "generate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What files are made of besides the plan."""

    projects: str
    tag: str
    deployment: Deployment
    ignored: Mapping[str, Sequence[str]]
    toolchain: Toolchain
    split: bool
    sources: Mapping[str, Source]


def _dockerfiles(plan: Plan, wanted: Wanted) -> dict[str, str]:
    text = dockerfile(plan, toolchain=wanted.toolchain, sources=wanted.sources)
    return {"Dockerfile": text, "Dockerfile.dockerignore": _ignore_file(plan, wanted), **_mounted(plan, wanted)}


def _ignore_file(plan: Plan, wanted: Wanted) -> str:
    return dockerignore([folder for image in plan.images for folder in image.folders], wanted.ignored)


def _mounted(plan: Plan, wanted: Wanted) -> dict[str, str]:
    """What a Dockerfile mounts from the folder it lies in."""
    split = {SPLIT_PATH: SPLIT} if any(layer.parts > 1 for node in plan.nodes for layer in node.layers) else {}
    return {SETTLE_PATH: SETTLE, **split, **requirement_files(plan, wanted.toolchain.indexes), **local_files(plan)}


def _split(plan: Plan, wanted: Wanted) -> dict[str, str]:
    """A Dockerfile for each image alone, which holds what that image stands on and no more."""
    files = _mounted(plan, wanted)
    for image in buildable(plan):
        files[own_dockerfile(image)] = dockerfile(
            replace(plan, images=(image,)), [one.code for one in plan.images], wanted.toolchain, wanted.sources
        )
        files[f"{own_dockerfile(image)}.dockerignore"] = _ignore_file(plan, wanted)
    return files


def _bake(plan: Plan, wanted: Wanted) -> dict[str, str]:
    installer = wanted.toolchain.installer
    return {"docker-bake.json": bake_file(plan, wanted.projects, wanted.tag, split=wanted.split, installer=installer)}


def _hcl(plan: Plan, wanted: Wanted) -> dict[str, str]:
    installer = wanted.toolchain.installer
    return {"docker-bake.hcl": hcl_file(plan, wanted.projects, wanted.tag, split=wanted.split, installer=installer)}


KINDS: Mapping[str, Callable[[Plan, Wanted], dict[str, str]]] = MappingProxyType(
    {
        "dockerfile": _dockerfiles,
        "bake": _bake,
        "hcl": _hcl,
        "split": _split,
        "compose": lambda plan, wanted: {"compose.yaml": compose_file(plan, wanted.deployment, wanted.tag)},
        "ci": lambda plan, _: ci_files(plan),
        "kubernetes": lambda plan, wanted: kubernetes_files(plan, wanted.deployment),
        "helm": lambda plan, wanted: helm_files(plan, wanted.deployment, wanted.tag),
    }
)
"""What can be generated: for each kind, the files that it adds."""

TO_BUILD = ("dockerfile", "bake")


def generate(
    plan: Plan,
    *,
    only: Sequence[str] = TO_BUILD,
    projects: str = "..",
    tag: str = "latest",
    deployment: Deployment | None = None,
    ignored: Mapping[str, Sequence[str]] = MappingProxyType({}),
    toolchain: Toolchain = PLAIN,
    sources: Mapping[str, Source] = NO_SOURCES,
) -> Bundle:
    """The files of these kinds: those to build with, unless others are asked for.

    `projects` is the way from the folder they are for to the folder that was scanned, `tag` that of the images where
    nobody sets another, `deployment` what is known of them where they run, `ignored` the lines of projects' own
    `.dockerignore` by their folders, `toolchain` what source distributions are compiled with, `sources` what
    version control says of images, by their names: of use where these files are not committed themselves.

    Raises `UsageError` for a kind that there is not.
    """
    for kind in only:
        if kind not in KINDS:
            raise UsageError(f"cannot generate `{kind}`", hint=f"one of {', '.join([*KINDS, 'docs'])}")
    known = deployment or Deployment()
    split = "split" in only and "dockerfile" not in only  # the bake file builds from the one or the others
    wanted = Wanted(
        projects=projects,
        tag=tag,
        deployment=known,
        ignored=ignored,
        toolchain=toolchain,
        split=split,
        sources=sources,
    )
    files: dict[str, str] = {}
    for kind in only:
        files |= KINDS[kind](plan, wanted)
    return Bundle(files=MappingProxyType(dict(sorted(files.items()))))
