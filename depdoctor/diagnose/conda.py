"""What conda installs, in the terms of the tables: the distribution that a conda package is, and its CUDA build.

Nothing is resolved here. Only what the rules on CUDA and on files can use is taken over: a framework of which neither
a package nor a build string tells the CUDA is named without a version, since conda chooses its build by the machine.
"""

from __future__ import annotations

from collections.abc import Iterator

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from depdoctor.model.expression import expression
from depdoctor.model.project import CondaRequirement, DeclaredRequirement, Manifest
from depdoctor.model.reading import Reading
from depdoctor.rules import Rules

_CUDA_BUILD = expression(r"cuda_?(\d+)\.?(\d)")
"""The CUDA of a build string: `py3.9_cuda11.7_cudnn8.5.0_0`, `cuda117py39h...`."""


def distributions(reading: Reading, rules: Rules) -> Iterator[DeclaredRequirement]:
    """The distributions that the conda packages of a project are."""
    for manifest in reading.manifests:
        for one in manifest.conda:
            row = rules.conda_by_name.get(one.name)
            name = row.package if row else one.name
            if not name:
                continue
            text = f"{name}{_specifier(one, manifest, bound=rules.cuda_package(canonicalize_name(name)) is not None)}"
            try:
                requirement = Requirement(text)
            except InvalidRequirement:
                continue
            yield DeclaredRequirement(requirement=requirement, location=one.location, text=text, group=one.group)


def _specifier(one: CondaRequirement, manifest: Manifest, *, bound: bool) -> str:
    """The version in the terms of distributions, with the build as its local label; "" where it is not certain."""
    specifier = one.specifier
    if not bound:
        return specifier
    variant = _variant(one, manifest)
    return f"{specifier}+{variant}" if variant and specifier.startswith("==") and "*" not in specifier else ""


def _variant(one: CondaRequirement, manifest: Manifest) -> str:
    if match := _CUDA_BUILD.search(one.build):
        return f"cu{match[1]}{match[2]}"
    names = {each.name for each in manifest.conda}
    if "cpuonly" in names or "cpu" in one.build:
        return "cpu"
    major, _, rest = manifest.cuda.partition(".")
    return f"cu{major}{rest.partition('.')[0]}" if major and rest else ""
